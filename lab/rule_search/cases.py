"""A cohort's cases, divided into label components once and ready to be scored in any variant."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import joblib
import numpy as np

from challenge.scheme import Scheme, probability_of
from challenge.volume import check_same_grid, read_volume
from lab.data.cohort import CohortCase
from lab.metrics.label_components import find_label_components
from lab.metrics.pair import Pair, crop, crop_box
from lab.metrics.scorer import Scorer
from lab.metrics.variant_scorers import VariantScorer, variant_scorer
from lab.metrics.voxel import confusion
from lab.progress import progress
from lab.rule_search.case_components import peaks_of, tabulate_components
from lab.rule_search.case_probabilities import read_case_probabilities
from lab.rule_search.component_rules import RemovalLimits, removable_components
from lab.rule_search.config import LOWERING, SearchConfig
from lab.rule_search.lost_lesions import find_lesions
from lab.rule_search.low_thresholds import keep_for_thresholds
from lab.rule_search.search_case import SearchCase
from lab.rule_search.search_space import Names, searched_masks
from lab.rule_search.workspace import Setup
from postprocess.apply_rules import apply_rules
from postprocess.empty_prediction import Evidence, restore_tumour
from postprocess.rule_base import Input, Probability, Rule

Scores = Mapping[str, Mapping[str, float]]  # region -> metric -> value


@dataclass(frozen=True)
class WrittenScorer:
    """Scores a case as the container writes it: labels that are not written are background."""

    scorer: VariantScorer
    unwritten: tuple[int, ...]

    def score(self, values: np.ndarray) -> Scores:
        """Return the scores when label component i carries the label values[i]."""
        return self.scorer.score(without(values, self.unwritten))


def open_search_cases(
    cases: Sequence[CohortCase], setup: Setup, scorer: Scorer
) -> list[SearchCase]:
    """Prepare every case, in the processes of the surrounding joblib backend."""
    run = joblib.Parallel(n_jobs=None, return_as="generator")
    results = run(joblib.delayed(open_search_case)(case, setup, scorer) for case in cases)
    return list(progress(results, len(cases), description="reading"))


def common_peaks(search_cases: Sequence[SearchCase]) -> set[Names]:
    """Return the labels and regions of whose components every case knows the peaks."""
    return set.intersection(*(set(case.components.peaks) for case in search_cases))


def open_search_case(case: CohortCase, setup: Setup, scorer: Scorer) -> SearchCase:
    """Read and prepare one case."""
    pair = read_pair(case, setup)
    probability = read_probability(case, setup, pair)
    return make_search_case(
        case.files.id, pair, setup.scheme, setup.config, scorer, probability=probability
    )


def make_search_case(
    id: str,
    pair: Pair,
    scheme: Scheme,
    config: SearchConfig,
    scorer: Scorer,
    *,
    probability: Probability | None = None,
) -> SearchCase:
    """Prepare a pair of label maps in the scheme's values, and its probabilities if there are."""
    make = partial(_tabulate_case, id, scheme, config, scorer)
    case = make(pair, probability)
    if probability is None or not set(LOWERING) & set(config.rule_types):
        return case
    known = {names: probability(names) for names in case.components.peaks}
    tabulate = keep_for_thresholds(
        pair, known, min(config.thresholds[1:], default=1.0), scheme, make, case
    )
    return replace(case, tabulate=tabulate)


def _tabulate_case(
    id: str,
    scheme: Scheme,
    config: SearchConfig,
    scorer: Scorer,
    pair: Pair,
    probability: Probability | None,
) -> SearchCase:
    voxel_mm3 = float(np.prod(pair.spacing_mm))
    cropped, unwritten = crop(pair, 1), unwritten_values(scheme)
    labelled = find_label_components(cropped.prediction)
    peaks = {}
    if probability is not None and len(config.peaks) > 1:
        box = crop_box(pair, 1)
        for names in searched_masks(scheme, config).values():
            with suppress(ValueError):  # a head of regions cannot tell every set of labels
                peaks[names] = peaks_of(labelled.ids, probability(names)[box], labelled.values.size)
    components = tabulate_components(
        labelled.ids,
        labelled.values,
        labelled.touching,
        voxel_mm3,
        removable_components(labelled, voxel_mm3, removal_limits(config, voxel_mm3), peaks, scheme),
        peaks,
    )
    reference = without(pair.reference, unwritten)
    scored = WrittenScorer(variant_scorer(scorer, replace(pair, reference=reference)), unwritten)
    confused = confusion(pair, list(scheme.labels.values()))
    lesions = find_lesions(cropped.reference, labelled.ids, scheme)
    return SearchCase(id, components, scored, confused, lesions)


def removal_limits(config: SearchConfig, voxel_mm3: float) -> RemovalLimits:
    """Return the highest thresholds that a configuration tries."""
    sizes, peaks = zip(*config.sizes_and_peaks, strict=True)
    largest = max(*config.sizes, *sizes)
    return RemovalLimits(
        largest * (voxel_mm3 if config.unit == "voxels" else 1.0), max(*config.peaks, *peaks)
    )


def read_probability(case: CohortCase, setup: Setup, pair: Pair) -> Probability | None:
    """Read a case's probabilities, as rules ask for them; None where none were given.

    Raises:
        CaseError: the file is missing, unreadable or on another grid; the message names it.
    """
    path = setup.probabilities_of(case)
    if path is None:
        return None
    array, head = read_case_probabilities(path, pair.prediction.shape, setup.scheme)
    return partial(probability_of, array, head)


def read_pair(case: CohortCase, setup: Setup) -> Pair:
    """Read a case's prediction and reference, label maps (z, y, x) in the scheme's values.

    Raises:
        CaseError: a file is missing, unreadable or on another grid; the message names it.
    """
    path = setup.prediction_of(case)
    prediction, reference = read_volume(path, np.uint8), case.read_reference()
    check_same_grid(prediction, reference, path, case.reference)
    return Pair(prediction.array, reference.array, prediction.spacing_mm)


def refine_on_image(case: CohortCase, rules: Sequence[Rule], setup: Setup) -> Pair:
    """Apply rules to a case's own label map, as the container does; the prediction is refined."""
    pair, scheme = read_pair(case, setup), setup.scheme
    needed = frozenset[Input]().union(*(rule.required_inputs() for rule in rules))
    probability = read_probability(case, setup, pair) if needed else None
    labels = apply_rules(pair.prediction, rules, scheme, pair.spacing_mm, probability).labels
    evidence = Evidence(pair.prediction, None, pair.spacing_mm)
    labels, _ = restore_tumour(labels, evidence, scheme)
    return replace(pair, prediction=labels)


def score_as_written(pair: Pair, scheme: Scheme, scorer: Scorer) -> Scores:
    """Score a pair as any prediction is scored: labels that are not written are background."""
    unwritten = unwritten_values(scheme)
    prediction, reference = (without(side, unwritten) for side in (pair.prediction, pair.reference))
    return scorer.score(replace(pair, prediction=prediction, reference=reference))


def unwritten_values(scheme: Scheme) -> tuple[int, ...]:
    """Return the values of the labels that the challenge does not ask for."""
    return tuple(value for name, value in scheme.labels.items() if name not in scheme.written)


def without(labels: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Return labels (any shape) with some values made background."""
    return np.where(np.isin(labels, values), 0, labels).astype(np.uint8) if values else labels
