"""A cohort's cases as search_cases: cut into components once, ready to be scored in any state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import joblib
import numpy as np
from tqdm import tqdm

from challenge.case import check_same_grid, read_volume
from lab.data.cohort import CohortCase
from lab.metrics.label_components import find_label_components
from lab.metrics.pair import Pair, crop
from lab.metrics.scorer import Scorer
from lab.metrics.variant_scorers import VariantScorer, variant_scorer
from lab.metrics.voxel import confusion
from lab.rule_search.component_rules import find_parts
from lab.rule_search.observation import predicted
from lab.rule_search.score_cache import SearchCase
from lab.rule_search.workspace import Setup
from postprocess.apply_rules import apply_rules
from postprocess.empty_prediction import Evidence, restore_tumour
from postprocess.rule_base import Rule


@dataclass(frozen=True)
class Written:
    """Scores a case as the container would write it: labels that are not written count as none."""

    scorer: VariantScorer
    unwritten: tuple[int, ...]

    def score(self, values: np.ndarray) -> Mapping[str, Mapping[str, float]]:
        """Return region -> metric -> value when atom i carries the label values[i]."""
        if self.unwritten:
            values = np.where(np.isin(values, self.unwritten), 0, values).astype(np.uint8)
        return self.scorer.score(values)


@dataclass(frozen=True)
class Task:
    """What every case of a search has in common."""

    setup: Setup
    scorer: Scorer

    @property
    def unwritten(self) -> tuple[int, ...]:
        """Values of the labels that the challenge does not ask for."""
        scheme = self.setup.scheme
        return tuple(v for name, v in scheme.labels.items() if name not in scheme.written)


def open_search_cases(
    cases: Sequence[CohortCase], task: Task
) -> tuple[list[SearchCase], np.ndarray]:
    """Cut every case into parts, in the processes of the surrounding joblib backend.

    Returns:
        The cases, and the cohort's voxels by (reference, predicted) label, background first.
    """
    running = joblib.Parallel(n_jobs=None, return_as="generator")
    found = running(joblib.delayed(open_search_case)(case, task) for case in cases)
    pairs = list(tqdm(found, total=len(cases), unit="case", disable=None))
    return [search_case for search_case, _ in pairs], np.sum(
        [counts for _, counts in pairs], axis=0
    )


def open_search_case(case: CohortCase, task: Task) -> tuple[SearchCase, np.ndarray]:
    """Cut one case into parts, and count its voxels by (reference, predicted) label."""
    return make_search_case(case.files.id, read_pair(case, task.setup), task)


def make_search_case(id: str, pair: Pair, task: Task) -> tuple[SearchCase, np.ndarray]:
    """Cut a pair of label maps in the scheme's values into parts."""
    scheme, config = task.setup.scheme, task.setup.config
    voxel_mm3 = float(np.prod(pair.spacing_mm))
    atoms = find_label_components(crop(pair, 1).prediction)
    most = max(config.sizes) * (voxel_mm3 if config.unit == "voxels" else 1.0)
    parts = find_parts(atoms.ids, atoms.values, atoms.touching, voxel_mm3, most)
    reference = without(pair.reference, task.unwritten)
    scorer = variant_scorer(task.scorer, replace(pair, reference=reference))
    search_case = SearchCase(id, parts, Written(scorer, task.unwritten))
    return search_case, confusion(pair, list(scheme.labels.values()))


def read_pair(case: CohortCase, setup: Setup) -> Pair:
    """Read a case's prediction and reference, label maps (z, y, x) in the scheme's values.

    Raises:
        CaseError: a file is missing, unreadable or on another grid; the message names it.
    """
    path = predicted(setup.predictions, case)
    prediction, reference = read_volume(path, np.uint8), case.read_reference()
    check_same_grid(prediction, reference, path, case.reference)
    return Pair(prediction.array, reference.array, prediction.spacing_mm)


def without(labels: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Return a label map (z, y, x) with some values made background."""
    return np.where(np.isin(labels, values), 0, labels).astype(np.uint8) if values else labels


def score_on_images(
    case: CohortCase, rules: Sequence[Rule], task: Task
) -> Mapping[str, Mapping[str, float]]:
    """Apply rules to a case's own label map, and score it as any prediction is scored."""
    pair, scheme = read_pair(case, task.setup), task.setup.scheme
    labels = apply_rules(pair.prediction, rules, scheme, pair.spacing_mm).labels
    evidence = Evidence(pair.prediction, None, pair.spacing_mm)
    labels, _ = restore_tumour(labels, evidence, scheme)
    return task.scorer.score(
        replace(
            pair,
            prediction=without(labels, task.unwritten),
            reference=without(pair.reference, task.unwritten),
        )
    )
