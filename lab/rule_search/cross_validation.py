"""Rules evaluated on cases that they were not learned on.

Everything that is learned is learned again without the held-out cases: scaling, PCA,
centres, the number of clusters (by a further cross-validation inside) and every threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.metrics.objective import reported_values
from lab.rule_search.cluster_rules import apply, fit
from lab.rule_search.clustering import RESAMPLES, Stability, fit_space, stability
from lab.rule_search.config import SearchConfig
from lab.rule_search.feature_table import FeatureTable
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import Setting

FOLDS = 5


@dataclass(frozen=True)
class HeldOut:
    """What each case gets from what was fitted without it; all (case, ...)."""

    settings: list[Setting]
    clusters: np.ndarray  # -1 where the pooled rules applied
    k: np.ndarray  # number of clusters of the fit


@dataclass(frozen=True)
class ClusterCount:
    """The number of clusters chosen, and a row of numbers for every candidate."""

    k: int
    candidates: list[dict[str, float]]


def cross_validate(
    features: FeatureTable,
    cache: ScoreCache,
    config: SearchConfig,
    train: np.ndarray,
    k: int | None = None,
    applied_to: FeatureTable | None = None,
) -> HeldOut:
    """Fit on all folds of `train` (case,) but one and apply to that one, for each fold.

    Args:
        features: of all cases.
        cache: scores of the same cases, in the same order.
        config: how to fit and choose.
        train: numbers of the cases that take part.
        k: number of clusters; None chooses it anew inside each fold.
        applied_to: the same features of another system's predictions of the same cases, which then
            decide what a held-out case gets.
    """
    settings: dict[int, Setting] = {}
    clusters, used = np.full(len(features.ids), -1), np.zeros(len(features.ids), int)
    for held_out in folds_of(train, config.seed):
        rest = np.setdiff1d(train, held_out)
        fold_k = choose_k(features, cache, config, rest).k if k is None else k
        fitted = fit(features, cache, config, rest, fold_k)
        assigned = apply(applied_to or features, fitted, held_out)
        cache.progress.fitted()
        settings |= dict(zip(held_out.tolist(), assigned.settings, strict=True))
        clusters[held_out], used[held_out] = assigned.clusters, fold_k
    return HeldOut([settings[case] for case in train.tolist()], clusters[train], used[train])


def choose_k(
    features: FeatureTable, cache: ScoreCache, config: SearchConfig, train: np.ndarray
) -> ClusterCount:
    """Choose the number of clusters of the cases `train` (case,).

    `published` takes the clearest silhouette. `validated` takes, of the numbers whose clusters are
    reproduced in resamples and from other seeds, the smallest within one standard error of the
    best held-out gain.
    """
    rows = features.rows[train[features.described[train]]]
    if len(rows) < 2:
        return ClusterCount(1, [])
    space = fit_space(rows, features.names, config)
    different = len(np.unique(space.project(rows), axis=0))
    most = min(config.most_clusters, different - 1)
    draws = RESAMPLES if len(train) == len(features.ids) else RESAMPLES // 2
    stabilities = [stability(space, rows, k, config.seed, draws) for k in range(1, most + 1)]
    if config.choice_of_k == "silhouette":
        clearest = max(stabilities[1:], key=lambda s: s.silhouette, default=stabilities[0])
        return _cluster_count(clearest.k, stabilities, {})
    without = case_objectives(cache, config, [cache.no_rules] * len(train), train)
    gains = {}
    # A part of the cases may hold fewer different ones than all of them.
    most = min(
        _different(features, np.setdiff1d(train, out)) for out in folds_of(train, config.seed)
    )
    tried = [s.k for s in stabilities if s.is_stable and s.k <= max(most, 1)]
    if len(train) == len(features.ids):
        cache.progress.expect(expected_fits(len(tried), len(train)))
    for k in tried:
        settings = cross_validate(features, cache, config, train, k).settings
        gains[k] = case_objectives(cache, config, settings, train) - without
    return _cluster_count(_smallest_as_good(gains), stabilities, gains)


def expected_fits(tried: int, cases: int, is_nested: bool = True) -> int:
    """Return how many fits a search of so many cases makes inside its folds.

    Args:
        tried: numbers of clusters that are cross-validated, of all cases.
        cases: how many there are.
        is_nested: whether each fold chooses its number of clusters; it is taken to try as many.
    """
    folds = min(FOLDS, cases)
    outermost = 2 + is_nested * folds * tried  # of `far_answer`
    return folds * tried + 2 * folds + is_nested * folds * folds * tried + outermost


def folds_of(cases: np.ndarray, seed: int) -> list[np.ndarray]:
    """Deal cases into folds at random."""
    order = np.random.default_rng(seed).permutation(cases)
    return [np.sort(order[i::FOLDS]) for i in range(min(FOLDS, len(order)))]


def _different(features: FeatureTable, cases: np.ndarray) -> int:
    """Return how many of the cases (case,) are described, and by different features."""
    return len(np.unique(features.rows[cases[features.described[cases]]], axis=0))


def case_objectives(
    cache: ScoreCache, config: SearchConfig, settings: Sequence[Setting], cases: np.ndarray
) -> np.ndarray:
    """Return what is reported of the objective (case,) of each case with its setting."""
    scores = cache.scores(settings, cases)[:, None]
    without = cache.scores([cache.no_rules] * len(cases), cases)
    return reported_values(scores, without, cache.columns, config.objective)[:, 0]


def _smallest_as_good(gains: dict[int, np.ndarray]) -> int:
    """Return the smallest k whose gains (case,) are within one standard error of the best."""
    best = max(gains, key=lambda k: float(gains[k].mean()))
    for k in sorted(gains):
        loss = gains[best] - gains[k]
        if loss.mean() <= loss.std(ddof=1) / np.sqrt(len(loss)):
            break
    return k


def _cluster_count(
    chosen: int, stabilities: Sequence[Stability], gains: dict[int, np.ndarray]
) -> ClusterCount:
    return ClusterCount(chosen, [_row(s, gains.get(s.k), s.k == chosen) for s in stabilities])


def _row(candidate: Stability, gain: np.ndarray | None, chosen: bool) -> dict[str, float]:
    mean, error = np.nan, np.nan
    if gain is not None:
        mean, error = float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain)))
    return {**vars(candidate), "held_out_gain": mean, "error": error, "chosen": chosen}
