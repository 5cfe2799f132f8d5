"""Scores of ensembles, case by case: computed once, stored on disk, read again."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np

from lab.data.cohort import CohortCase
from lab.member_selection.candidates import Pool
from lab.member_selection.combine import Ensemble, labels_of
from lab.metrics.objective import Column, selection_columns, selection_row
from lab.metrics.pair import Pair
from lab.metrics.scorer import Scorer

Rows = list[list[float]]  # of an ensemble: case -> column


@dataclass
class EnsembleScores:
    """What every ensemble scores on every case of a pool."""

    pool: Pool
    scorer: Scorer
    path: Path  # JSON lines, one an ensemble

    def __post_init__(self) -> None:
        """Read what an earlier run left."""
        self.columns = selection_columns(self.scorer, self.pool.scheme)
        self._fingerprint = _fingerprint(self.pool, self.scorer)
        self._rows: dict[str, Rows] = {}
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:  # the last line of a run that was killed
                continue
            if entry.get("fingerprint") == self._fingerprint:
                self._rows[entry["ensemble"]] = entry["rows"]

    def of(self, ensembles: Sequence[Ensemble]) -> np.ndarray:
        """Return scores (ensemble, case, column); infinite and NaN where the scorer says so."""
        missing = list({_key(e): e for e in ensembles if _key(e) not in self._rows}.values())
        if missing:
            parallel = joblib.Parallel(n_jobs=None)
            by_case = parallel(
                joblib.delayed(score_case)(self.pool, case, missing, self.scorer, self.columns)
                for case in self.pool.cases
            )
            for i, ensemble in enumerate(missing):
                self._store(_key(ensemble), [rows[i] for rows in by_case])
        return np.array([self._rows[_key(ensemble)] for ensemble in ensembles], float)

    def _store(self, key: str, rows: Rows) -> None:
        self._rows[key] = rows
        with self.path.open("a", encoding="utf-8") as stream:
            entry = {"fingerprint": self._fingerprint, "ensemble": key, "rows": rows}
            stream.write(json.dumps(entry) + "\n")


def score_case(
    pool: Pool,
    case: CohortCase,
    ensembles: Sequence[Ensemble],
    scorer: Scorer,
    columns: Sequence[Column],
) -> Rows:
    """Score several ensembles on one case; its maps are read once."""
    maps, box, shape = pool.maps_of(case)
    reference = case.read_reference()
    unwritten = [v for name, v in pool.scheme.labels.items() if name not in pool.scheme.written]
    truth = np.where(np.isin(reference.array, unwritten), 0, reference.array).astype(np.uint8)
    rows = []
    for ensemble in ensembles:
        in_box = labels_of(ensemble, maps, pool.head, pool.scheme, reference.spacing_mm)
        in_box[np.isin(in_box, unwritten)] = 0
        labels = np.zeros(shape, np.uint8)
        labels[box] = in_box
        rows.append(selection_row(scorer.score(Pair(labels, truth, reference.spacing_mm)), columns))
    return rows


def _key(ensemble: Ensemble) -> str:
    """Name an ensemble; weights in the same proportions are the same ensemble."""
    weights = np.array(ensemble.weights)
    return str(np.round(weights / weights.sum(), 9).tolist())


def _fingerprint(pool: Pool, scorer: Scorer) -> str:
    """Hash what scores depend on beside the weights: map sizes and times, cases, scorer."""
    lines = [scorer.name, pool.scheme.name, *scorer.ranked_by]
    for candidate in pool.candidates:
        lines.append(candidate.name)
        for case in pool.cases:
            stat = (candidate.folder / f"{case.files.id}.npz").stat()
            lines.append(f"{case.files.id} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
