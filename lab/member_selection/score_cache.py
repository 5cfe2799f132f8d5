"""Scores of ensembles, case by case: computed once, stored while they are computed, read again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import joblib
import numpy as np

from challenge.scheme import labels_from
from ensemble.member_weights import in_words
from ensemble.small_cases import SmallCases
from lab.data.cohort import CohortCase
from lab.member_selection.candidates import Pool
from lab.member_selection.combine import Ensemble, answer_of, labels_of, weighted
from lab.member_selection.score_file import Row, ScoreFile, score_inputs
from lab.metrics.objective import Column, selection_columns, selection_row
from lab.metrics.pair import Pair
from lab.metrics.scorer import Scorer
from lab.progress import progress_bar

# A worker hands over what it has after so long; with one more case it is below a minute.
CHECKPOINT_S = 20.0


@dataclass
class EnsembleScores:
    """What every ensemble scores on every case of a pool."""

    pool: Pool
    scorer: Scorer
    path: Path  # see `score_file`
    purpose: str = ""  # of what is scored now, for the progress bar

    def __post_init__(self) -> None:
        """Read what an earlier run of the same inputs left.

        Raises:
            ScoreFileError: an earlier run had other inputs; the message names them.
        """
        self._volumes: dict[str, np.ndarray] = {}
        self.columns = selection_columns(self.scorer, self.pool.scheme)
        self.file = ScoreFile(self.path, score_inputs(self.pool, self.scorer, self.columns))

    def of(self, ensembles: Sequence[Ensemble]) -> np.ndarray:
        """Return scores (ensemble, case, column); infinite and NaN where the scorer says so."""
        by_key = {key_of(ensemble, self.pool): ensemble for ensemble in ensembles}
        self._score_missing(by_key)
        ids = [case.files.id for case in self.pool.cases]
        keys = [key_of(ensemble, self.pool) for ensemble in ensembles]
        return np.array([[self.file.rows[id][key] for id in ids] for key in keys], float)

    def volumes_ml(self, ensemble: Ensemble) -> np.ndarray:
        """Return the volume (case,) of tumour that an ensemble predicts in each case."""
        key = key_of(ensemble, self.pool)
        if key not in self._volumes:
            parallel = joblib.Parallel(n_jobs=None)
            cases = self.pool.cases
            each = parallel(joblib.delayed(volume_of)(self.pool, c, ensemble) for c in cases)
            self._volumes[key] = np.array(each, float)
        return self._volumes[key]

    def _score_missing(self, by_key: dict[str, Ensemble]) -> None:
        total = sum(len(keys) for _, keys in self._missing(by_key))
        if not total:
            return
        with progress_bar(total, "score", self.purpose or "scoring ensembles") as bar:
            while missing := list(self._missing(by_key)):  # until no worker stopped early
                parallel = joblib.Parallel(n_jobs=None, return_as="generator_unordered")
                scored = parallel(
                    joblib.delayed(score_case)(
                        self.pool, case, [by_key[key] for key in keys], self.scorer, self.columns
                    )
                    for case, keys in missing
                )
                for id, rows in scored:
                    self.file.add(id, rows)
                    bar.update(len(rows))

    def _missing(self, by_key: dict[str, Ensemble]) -> Iterator[tuple[CohortCase, list[str]]]:
        """Yield the cases that some ensemble has no score of, and the ensembles."""
        for case in self.pool.cases:
            known = self.file.rows.get(case.files.id, {})
            if keys := [key for key in by_key if key not in known]:
                yield case, keys


def score_case(
    pool: Pool,
    case: CohortCase,
    ensembles: Sequence[Ensemble],
    scorer: Scorer,
    columns: Sequence[Column],
) -> tuple[str, dict[str, Row]]:
    """Score ensembles on one case, whose maps are read once, for `CHECKPOINT_S` seconds.

    Returns:
        The case's id, and the rows of the first ensembles, at least of one.
    """
    started = monotonic()
    reference = case.read_reference()
    maps = pool.maps_of(case, reference.spacing_mm)
    unwritten = [v for name, v in pool.scheme.labels.items() if name not in pool.scheme.written]
    truth = np.where(np.isin(reference.array, unwritten), 0, reference.array).astype(np.uint8)
    rows: dict[str, Row] = {}
    for ensemble in ensembles:
        labels = labels_of(ensemble, maps, pool.head_of(ensemble), pool.scheme)
        in_box = labels[maps.box]
        in_box[np.isin(in_box, unwritten)] = 0
        scores = scorer.score(Pair(labels, truth, reference.spacing_mm))
        rows[key_of(ensemble, pool)] = selection_row(scores, columns)
        if monotonic() - started > CHECKPOINT_S:
            break
    return case.files.id, rows


def key_of(ensemble: Ensemble, pool: Pool) -> str:
    """Name an ensemble by its members' shares; weights in the same proportions are the same."""
    if ensemble.by_channel:
        return ", ".join(
            f"{pool.candidates[i].name} ({in_words(ensemble.weight_of(i))})"
            for i in ensemble.members
        )
    if ensemble.small:
        usual, small = replace(ensemble, small=None), weighted(ensemble.small.weights)
        cases = ensemble.small.cases
        limit = f"below {cases.below_ml!r} mL of {cases.region}"
        return f"{key_of(usual, pool)}; {limit}: {key_of(small, pool)}"
    total = sum(ensemble.weights)
    shares = {
        pool.candidates[i].name: round(ensemble.weights[i] / total, 9) for i in ensemble.members
    }
    return ", ".join(f"{name} {share:.9g}" for name, share in sorted(shares.items()))


def volume_of(pool: Pool, case: CohortCase, ensemble: Ensemble) -> float:
    """Return the volume in mL of tumour by which an ensemble's weights are chosen in a case."""
    maps, head = pool.maps_of(case, case.read_reference().spacing_mm), pool.head_of(ensemble)
    labels = labels_from(answer_of(ensemble, maps, head, pool.scheme), head, pool.scheme)
    return SmallCases(pool.scheme.tumour, 1).outcome(labels, maps.spacing_mm, pool.scheme).volume_ml
