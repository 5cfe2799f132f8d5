"""Scores of systems, case by case: computed once, kept on disk, read again."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np

from lab.data.cohort import CohortCase
from lab.member_selection.candidates import Pool
from lab.member_selection.combine import System, labels_of, volume_mm3
from lab.metrics.objective import Column, selection_columns, selection_row
from lab.metrics.pair import Pair
from lab.metrics.scorers import Scorer

Rows = list[list[float]]  # of a system: case -> column
VOLUMES = "volumes"  # beside the systems' names


@dataclass
class Scores:
    """What every system scores on every case of a pool."""

    pool: Pool
    scorer: Scorer
    path: Path  # JSON lines, one a system

    def __post_init__(self) -> None:
        """Read what an earlier run left."""
        self.columns = selection_columns(self.scorer, self.pool.scheme)
        self._about = _fingerprint(self.pool, self.scorer)
        self._known: dict[str, Rows] = {}
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:  # the last line of a run that was killed
                continue
            if entry["about"] == self._about:
                self._known[entry["system"]] = entry["rows"]

    def of(self, systems: Sequence[System]) -> np.ndarray:
        """Return scores (system, case, column); infinite and NaN where the scorer says so."""
        missing = list({_key(s): s for s in systems if _key(s) not in self._known}.values())
        if missing:
            running = joblib.Parallel(n_jobs=None)
            found = running(
                joblib.delayed(score_case)(self.pool, case, missing, self.scorer, self.columns)
                for case in self.pool.cases
            )
            for i, system in enumerate(missing):
                self._keep(_key(system), [each[i] for each in found])
        return np.array([self._known[_key(system)] for system in systems], float)

    def volumes_mm3(self) -> np.ndarray:
        """Return how much tumour all candidates alike see in each case (case,)."""
        if VOLUMES not in self._known:
            running = joblib.Parallel(n_jobs=None)
            found = running(joblib.delayed(volume_of)(self.pool, case) for case in self.pool.cases)
            self._keep(VOLUMES, [[volume] for volume in found])
        return np.array(self._known[VOLUMES], float)[:, 0]

    def _keep(self, name: str, rows: Rows) -> None:
        self._known[name] = rows
        with self.path.open("a", encoding="utf-8") as stream:
            entry = {"about": self._about, "system": name, "rows": rows}
            stream.write(json.dumps(entry) + "\n")


def volume_of(pool: Pool, case: CohortCase) -> float:
    """Return how much tumour all candidates alike see in a case, in mm3."""
    maps, _, _ = pool.maps_of(case)
    return volume_mm3(maps, pool.head, pool.scheme, case.read_reference().spacing_mm)


def score_case(
    pool: Pool, case: CohortCase, systems: Sequence[System], scorer: Scorer,
    columns: Sequence[Column],
) -> Rows:  # fmt: skip
    """Score several systems on one case; its maps are read once."""
    maps, box, shape = pool.maps_of(case)
    reference = case.read_reference()
    unwritten = [v for name, v in pool.scheme.labels.items() if name not in pool.scheme.written]
    truth = np.where(np.isin(reference.array, unwritten), 0, reference.array).astype(np.uint8)
    rows = []
    for system in systems:
        within = labels_of(system, maps, pool.head, pool.scheme, reference.spacing_mm)
        within[np.isin(within, unwritten)] = 0
        labels = np.zeros(shape, np.uint8)
        labels[box] = within
        rows.append(selection_row(scorer.score(Pair(labels, truth, reference.spacing_mm)), columns))
    return rows


def _key(system: System) -> str:
    """Name a system; weights in the same proportions are the same system."""
    weights = np.array(system.weights)
    share = np.round(weights / weights.sum(0), 9)
    own = f"{system.how} {system.bias:g} {share.tolist()}"
    return f"{own} below {system.below[0]:g}: {_key(system.below[1])}" if system.below else own


def _fingerprint(pool: Pool, scorer: Scorer) -> str:
    """Name what scores depend on beside the system: maps by their size and time, cases, scorer."""
    told = [scorer.name, pool.scheme.name, *scorer.ranked_by]
    for candidate in pool.candidates:
        told.append(candidate.name)
        for case in pool.cases:
            facts = (candidate.folder / f"{case.files.id}.npz").stat()
            told.append(f"{case.files.id} {facts.st_size} {facts.st_mtime_ns}")
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
