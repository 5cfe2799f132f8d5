"""Finished cases of a run, kept until all are done: an interrupted run goes on where it stopped."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.matching import CasePair
from lab.metrics.scorers import CaseScores, Scorer
from lab.results import Facts, Problem, facts_from, facts_row, scores_from, to_json


@dataclass(frozen=True)
class CaseResult:
    """What scoring one case gave; no scores where the platform leaves the case out."""

    pair: CasePair
    scores: CaseScores | None
    facts: Facts | None
    problems: tuple[Problem, ...]


class Journal:
    """One line of JSON a finished case, in a hidden file beside the result file."""

    def __init__(self, out: Path, scorer: Scorer) -> None:
        self.path = out.with_name(f".{out.name}.journal")
        self.scorer = scorer

    def read(self, pairs: Sequence[CasePair]) -> dict[str, CaseResult]:
        """Return the finished cases, by id, whose files and scorer are still the same."""
        if not self.path.is_file():
            return {}
        by_key = {self._key(pair): pair for pair in pairs}
        done = {}
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue  # the first, empty one, or one at which a run was stopped
            if pair := by_key.get(row["key"]):
                done[pair.id] = CaseResult(
                    pair,
                    row["scores"] and scores_from(row["scores"]),
                    row["facts"] and facts_from(row["facts"]),
                    tuple(Problem(**problem) for problem in row["problems"]),
                )
        return done

    def append(self, case: CaseResult) -> None:
        """Keep a finished case."""
        row = {
            "key": self._key(case.pair),
            "scores": case.scores,
            "facts": case.facts and facts_row(case.facts),
            "problems": [vars(problem) for problem in case.problems],
        }
        with self.path.open("a", encoding="utf-8") as file:
            # The line before may have been cut short.
            file.write("\n" + to_json(row, indent=None))

    def remove(self) -> None:
        """Forget everything: all cases are in the result file."""
        self.path.unlink(missing_ok=True)

    def _key(self, pair: CasePair) -> str:
        """Identify a case by its files as they are now and by how they are scored."""
        files = [path for path in (pair.prediction, pair.reference) if path is not None]
        stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        scorer = (self.scorer.name, self.scorer.scheme, self.scorer.absent)
        return hashlib.sha256(json.dumps([pair.id, scorer, stats]).encode()).hexdigest()
