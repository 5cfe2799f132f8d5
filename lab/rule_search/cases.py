"""A cohort's cases, divided into label components once and ready to be scored in any variant."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import joblib
import numpy as np

from challenge.scheme import probability_of
from challenge.volume import check_same_grid, read_volume
from lab.data.cohort import CohortCase
from lab.metrics.pair import Pair
from lab.metrics.scorer import Scorer
from lab.progress import progress
from lab.rule_search.case_components import Names
from lab.rule_search.case_probabilities import read_case_probabilities, read_votes
from lab.rule_search.search_case import SearchCase
from lab.rule_search.sparing import spares_of
from lab.rule_search.tabulate_case import make_search_case
from lab.rule_search.workspace import Setup
from postprocess.apply_rules import apply_rules
from postprocess.empty_prediction import Evidence, restore_tumour
from postprocess.rule_base import EnsembleMaps, Input, Probability, Rule


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


def all_have_votes(search_cases: Sequence[SearchCase]) -> bool:
    """Return whether every case knows what share of the members sees its components."""
    return all(case.components.votes is not None for case in search_cases)


def open_search_case(case: CohortCase, setup: Setup, scorer: Scorer) -> SearchCase:
    """Read and prepare one case."""
    pair, config = read_pair(case, setup), setup.config
    probability = read_probability(case, setup, pair)
    votes = votes_of_case(case, setup, pair) if "votes" in spares_of(config.grids) else None
    maps = EnsembleMaps(probability, votes)
    return make_search_case(case.files.id, pair, setup.scheme, config, scorer, maps)


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


def votes_of_case(case: CohortCase, setup: Setup, pair: Pair) -> np.ndarray | None:
    """Read the share of members (z, y, x) that see tumour; None where no members were given."""
    paths = setup.member_predictions_of(case)
    return read_votes(paths, pair.prediction.shape, setup.scheme) if paths else None


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
    probability = read_probability(case, setup, pair) if "probabilities" in needed else None
    votes = votes_of_case(case, setup, pair) if "votes" in needed else None
    maps = EnsembleMaps(probability, votes)
    labels = apply_rules(pair.prediction, rules, scheme, pair.spacing_mm, maps).labels
    evidence = Evidence(pair.prediction, None, pair.spacing_mm)
    labels, _ = restore_tumour(labels, evidence, scheme)
    return replace(pair, prediction=labels)
