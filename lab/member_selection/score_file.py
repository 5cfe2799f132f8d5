"""Scores on disk, and what they were computed from: an interrupted run goes on where it stopped.

    {"schema": 3, "scorer": ..., "cases": {id: hash}, "candidates": {name: {id: hash}}, ...}
    {"case": id, "scores": {ensemble: [a number a column]}}

A score depends on its case's reference and its members' maps alone, so candidates and cases may be
added or left out between runs; where one of them, the scorer or its columns changed, nothing in the
file can be believed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib

from challenge.refusal import Refusal
from lab.data.cohort import CohortCase
from lab.member_selection.candidates import Pool
from lab.metrics.objective import Column
from lab.metrics.scorer import Scorer
from lab.progress import progress

# Raised when the same inputs give other scores. 1 and 2 were files without inputs.
SCHEMA = 3

Row = list[float]  # of a case and an ensemble: one number a column
Inputs = Mapping[str, Any]


class ScoreFileError(Refusal):
    """Scores of other inputs; the message names what differs and what to do."""


class ScoreFile:
    """Scores of cases by ensembles, on disk as soon as they are added."""

    def __init__(self, path: Path, inputs: Inputs) -> None:
        """Read what is there, if it has the same inputs.

        Raises:
            ScoreFileError: it has others.
        """
        self.path = path
        earlier, self.rows = read_scores(path)  # rows: case id -> ensemble -> row
        if path.exists() and path.stat().st_size and earlier.get("schema") != SCHEMA:
            raise ScoreFileError(f"{path}: scores of an older version; delete the file")
        if different := differences(earlier, inputs):
            raise ScoreFileError(
                f"{path}: scores of other inputs ({'; '.join(different)}); delete the file, or "
                "name another folder by --out"
            )
        self.earlier = sum(map(len, self.rows.values()))  # rows of earlier runs
        if (joined := _joined(earlier, inputs)) != earlier:
            self._append(joined)

    def add(self, id: str, rows: Mapping[str, Row]) -> None:
        """Add a case's scores of some ensembles."""
        self.rows.setdefault(id, {}).update(rows)
        self._append({"case": id, "scores": rows})

    def _append(self, content: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(content) + "\n")


def read_scores(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Row]]]:
    """Read a file's inputs and rows; the cut line of a run that was killed is taken off.

    Raises:
        ScoreFileError: a line is not JSON.
    """
    inputs: dict[str, Any] = {}
    rows: dict[str, dict[str, Row]] = {}
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        path.write_bytes(whole)
    for line in whole.splitlines():
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise ScoreFileError(f"{path}: not scores ({error}); delete the file") from error
        if "scores" in entry:
            rows.setdefault(entry["case"], {}).update(entry["scores"])
        else:
            inputs = entry
    return inputs, rows


def score_inputs(pool: Pool, scorer: Scorer, columns: Sequence[Column]) -> Inputs:
    """Return what scores depend on beside the weights, files by hash."""
    parallel = joblib.Parallel(n_jobs=None, return_as="generator")
    hashed = parallel(joblib.delayed(_hashes)(pool, case) for case in pool.cases)
    hashes = list(progress(hashed, len(pool.cases), description="hashing maps"))
    ids = [case.files.id for case in pool.cases]
    return {
        "schema": SCHEMA,
        "scheme": pool.scheme.name,
        "scorer": scorer.name,
        "columns": [list(column) for column in columns],
        "cases": {id: first for id, (first, *_) in zip(ids, hashes, strict=True)},
        "candidates": {
            candidate.name: {id: of_case[i] for id, of_case in zip(ids, hashes, strict=True)}
            for i, candidate in enumerate(pool.candidates, 1)
        },
    }


def differences(earlier: Inputs, inputs: Inputs) -> list[str]:
    """Say what changed between two runs; candidates and cases of one alone are no change."""
    words = [
        f"{key} {earlier[key]}, now {inputs[key]}"
        for key in ("scheme", "scorer", "columns")
        if key in earlier and earlier[key] != inputs[key]
    ]
    for what, now in _hashes_by_file(inputs).items():
        before = _hashes_by_file(earlier).get(what, {})
        if changed := sorted(id for id in now if id in before and before[id] != now[id]):
            more = ", ..." if len(changed) > 5 else ""
            words.append(f"{what} of {', '.join(changed[:5])}{more} changed")
    return words


def _hashes_by_file(inputs: Inputs) -> dict[str, Mapping[str, str]]:
    maps = {f"{name}'s maps": of_cases for name, of_cases in inputs.get("candidates", {}).items()}
    return {"references": inputs.get("cases", {}), **maps}


def _joined(earlier: Inputs, inputs: Inputs) -> Inputs:
    """Return what all rows of a file were computed from, of both runs."""
    before = earlier.get("candidates", {})
    candidates = {
        name: {**before.get(name, {}), **of_cases}
        for name, of_cases in {**before, **inputs["candidates"]}.items()
    }
    return {
        **inputs,
        "cases": {**earlier.get("cases", {}), **inputs["cases"]},
        "candidates": candidates,
    }


def _hashes(pool: Pool, case: CohortCase) -> list[str]:
    """Hash a case's reference with the values that it is read by, then every candidate's map."""
    hashes = [_hash(case.value_table.tobytes(), case.reference)]
    for candidate in pool.candidates:
        path = candidate.folder / f"{case.files.id}.npz"
        hashes.append(_hash(repr(candidate.head).encode(), path))
    return hashes


def _hash(meaning: bytes, path: Path) -> str:
    return hashlib.sha256(meaning + path.read_bytes()).hexdigest()[:16]
