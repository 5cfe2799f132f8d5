"""Planted cases as a search meets them: features, search_cases, and the truth about them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import joblib
import numpy as np

from challenge.scheme import SCHEMES, Head
from lab.metrics.objective import search_columns
from lab.metrics.pair import Pair
from lab.metrics.scorers import scorer_named
from lab.rule_search.cases import Task, make_search_case
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.cross_validation import Cohort
from lab.rule_search.feature_table import FeatureTable, informative
from lab.rule_search.score_cache import ScoreCache, SearchCase
from lab.rule_search.search_space import make_search_space
from lab.rule_search.workspace import Setup
from lab.study.planted import SHAPE, PlantedCase, PlantedCluster, planted_case
from postprocess.feature_names import group_names
from postprocess.features import FeatureError
from postprocess.refine_input import RefineInput, case_features

SCHEME = SCHEMES["brats-gli"]
HEAD = Head("softmax", ((), *((name,) for name in SCHEME.labels)), ("", *SCHEME.labels))


@dataclass(frozen=True)
class Planted:
    """A planted cohort, ready to be searched, and which planted cluster each case is of."""

    cohort: Cohort
    features: FeatureTable  # every feature, the constant ones too, which the cohort leaves out
    clusters: np.ndarray  # (case,)
    pairs: tuple[tuple[np.ndarray, np.ndarray], ...]  # prediction and reference of each case


def make_planted(
    clusters: Sequence[PlantedCluster],
    cases: int,
    seed: int,
    config: str = "validated",
    predictions: Sequence[np.ndarray] | None = None,
) -> Planted:
    """Make a cohort in the processes of the surrounding joblib backend.

    Args:
        clusters: kinds of tumour, dealt in turn.
        cases: how many.
        seed: of the cohort.
        config: whose features and thresholds.
        predictions: label maps (z, y, x) to take instead of the planted ones.
    """
    task = Task(Setup(SCHEME.name, config, "", "", None, ()), scorer_named("2025-gli", SCHEME))
    given = predictions if predictions is not None else [None] * cases
    found = joblib.Parallel(n_jobs=None)(
        joblib.delayed(_open)(number, (clusters, seed), task, labels)
        for number, labels in enumerate(given)
    )
    search_cases, counts, rows, pairs = zip(*found, strict=True)
    names = names_of(config)
    reasons = tuple("" if np.isfinite(row).all() else "no features" for row in rows)
    table = FeatureTable(
        tuple(search_case.id for search_case in search_cases), names, np.stack(rows), reasons
    )
    parameters = make_search_space(SCHEME, SEARCH_CONFIGS[config], np.sum(counts, axis=0))
    columns = search_columns(task.scorer, SCHEME)
    cohort = Cohort(
        table=informative(table, SEARCH_CONFIGS[config].drops_constant)[0],
        cache=ScoreCache(search_cases, parameters, columns, SCHEME),
        config=SEARCH_CONFIGS[config],
        objective=SEARCH_CONFIGS[config].objective,
        parameters=tuple(range(len(parameters))),
        most_clusters=SEARCH_CONFIGS[config].most_clusters,
        seed=seed,
    )
    return Planted(cohort, table, np.arange(cases) % len(clusters), pairs)


def names_of(config: str, groups: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the features of some groups, by default all that the configuration knows."""
    groups = SEARCH_CONFIGS[config].groups if groups is None else groups
    return tuple(name for group in groups for name in group_names(SCHEME, group))


def with_groups(planted: Planted, groups: Sequence[str]) -> Cohort:
    """Return the cohort with the features of some groups alone."""
    wanted = set(names_of(planted.cohort.config.name, groups))
    table = planted.cohort.table
    return replace(planted.cohort, table=table.named([n for n in table.names if n in wanted]))


def with_parameters(cohort: Cohort, unit: str | None) -> Cohort:
    """Return the cohort with parameters of sizes ("size"), of shares ("share"), or all (None)."""
    parameters = [
        i
        for i, parameter in enumerate(cohort.cache.parameters)
        if unit is None or (parameter.unit == "share") == (unit == "share")
    ]
    return replace(cohort, parameters=tuple(parameters))


def _open(
    number: int,
    where: tuple[Sequence[PlantedCluster], int],
    task: Task,
    prediction: np.ndarray | None,
) -> tuple[SearchCase, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    clusters, seed = where
    kind = number % len(clusters)
    made = planted_case(number, kind, clusters[kind], (seed, SHAPE), SCHEME)
    labels = made.prediction if prediction is None else prediction
    pair = Pair(labels, made.reference, made.case.spacing_mm)
    search_case, counts = make_search_case(made.case.id, pair, task)
    return search_case, counts, _features(made, labels, task), (labels, made.reference)


def _features(made: PlantedCase, labels: np.ndarray, task: Task) -> np.ndarray:
    votes = np.mean([SCHEME.mask(fold, SCHEME.tumour) for fold in made.folds], axis=0)
    observed = RefineInput(
        made.case, labels, SCHEME, made.probabilities, HEAD, votes.astype(np.float32)
    )
    names = names_of(task.setup.config_name)
    try:
        return case_features(observed, names, task.setup.config.settings)
    except FeatureError:
        return np.full(len(names), np.nan)
