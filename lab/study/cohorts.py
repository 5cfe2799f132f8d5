"""Cohorts as a search meets them, features and score cache, and the truth about planted ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import joblib
import numpy as np

from challenge.scheme import SCHEMES, Head
from lab.metrics.pair import Pair
from lab.metrics.scorers import scorer_named
from lab.metrics.search_columns import search_columns
from lab.rule_search.cases import common_peaks
from lab.rule_search.config import SEARCH_CONFIGS, SearchConfig
from lab.rule_search.feature_table import FeatureTable, informative
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_case import SearchCase
from lab.rule_search.search_space import make_search_space
from lab.rule_search.tabulate_case import make_search_case
from lab.study.planted import PlantedCase, PlantedCohort, planted_case
from postprocess.feature_names import group_names
from postprocess.features import FeatureError
from postprocess.refine_input import RefineInput, case_features, probability_function
from postprocess.rule_base import ONLY_LABELS, EnsembleMaps

SCHEME = SCHEMES["brats-gli"]
SCORER = "2025-gli"
HEAD = Head("softmax", ((), *((name,) for name in SCHEME.labels)), ("", *SCHEME.labels))


@dataclass(frozen=True)
class StudyCohort:
    """One system's predictions of a cohort, ready to be searched."""

    features: FeatureTable  # those that a search uses
    all_features: FeatureTable  # the constant ones too
    cache: ScoreCache
    config: SearchConfig

    @property
    def cases(self) -> np.ndarray:
        """The numbers of all cases; (case,)."""
        return np.arange(len(self.features.ids))


@dataclass(frozen=True)
class Planted(StudyCohort):
    """A planted cohort, and which planted cluster each case is of."""

    clusters: np.ndarray  # (case,)
    pairs: tuple[Pair, ...]  # prediction and reference of each case


def make_planted(
    cohort: PlantedCohort,
    cases: int,
    config: SearchConfig = SEARCH_CONFIGS["validated"],
    predictions: Sequence[np.ndarray] | None = None,
    has_probabilities: bool = False,
) -> Planted:
    """Make a cohort in the processes of the surrounding joblib backend.

    Args:
        cohort: kinds of tumour, dealt in turn, and the seed, which the search has too.
        cases: how many.
        config: whose features and thresholds.
        predictions: label maps (z, y, x) to take instead of the planted ones.
        has_probabilities: whether the search knows them, for rules by peaks and thresholds.
    """
    maps = predictions if predictions is not None else [None] * cases
    rows = joblib.Parallel(n_jobs=None)(
        joblib.delayed(_make_case)(number, cohort, config, labels, has_probabilities)
        for number, labels in enumerate(maps)
    )
    search_cases, vectors, pairs = zip(*rows, strict=True)
    reasons = tuple("" if np.isfinite(row).all() else "no features" for row in vectors)
    ids = tuple(case.id for case in search_cases)
    table = FeatureTable(ids, names_of(config.groups), np.stack(vectors), reasons)
    columns = search_columns(scorer_named(SCORER, SCHEME), SCHEME)
    parameters = make_search_space(SCHEME, config, common_peaks(search_cases))
    return Planted(
        features=informative(table, config.drops_constant)[0],
        all_features=table,
        cache=ScoreCache(search_cases, parameters, columns, SCHEME),
        config=replace(config, seed=cohort.seed),
        clusters=np.arange(cases) % len(cohort.clusters),
        pairs=pairs,
    )


def names_of(groups: Sequence[str]) -> tuple[str, ...]:
    """Return the features of some groups."""
    return tuple(name for group in groups for name in group_names(SCHEME, group))


def features_of_groups(features: FeatureTable, groups: Sequence[str]) -> FeatureTable:
    """Return the table with the features of some groups alone."""
    selected = set(names_of(groups))
    return features.named([name for name in features.names if name in selected])


def _make_case(
    number: int,
    cohort: PlantedCohort,
    config: SearchConfig,
    prediction: np.ndarray | None,
    has_probabilities: bool,
) -> tuple[SearchCase, np.ndarray, Pair]:
    """Return the case, its feature vector and its label maps."""
    planted = planted_case(number, cohort)
    labels = planted.prediction if prediction is None else prediction
    pair = Pair(labels, planted.reference, planted.case.spacing_mm)
    scorer = scorer_named(SCORER, SCHEME)
    inputs = refine_input_of(planted, labels)
    maps = EnsembleMaps(probability_function(inputs)) if has_probabilities else ONLY_LABELS
    search_case = make_search_case(planted.case.id, pair, SCHEME, config, scorer, maps)
    return search_case, _features(inputs, config), pair


def refine_input_of(planted: PlantedCase, labels: np.ndarray) -> RefineInput:
    """Return what post-processing sees of a case, with some label map (z, y, x)."""
    votes = np.mean([SCHEME.mask(fold, SCHEME.tumour) for fold in planted.folds], axis=0)
    return RefineInput(
        planted.case, labels, SCHEME, planted.probabilities, HEAD, votes.astype(np.float32)
    )


def _features(inputs: RefineInput, config: SearchConfig) -> np.ndarray:
    names = names_of(config.groups)
    try:
        return case_features(inputs, names, config.settings)
    except FeatureError:
        return np.full(len(names), np.nan)
