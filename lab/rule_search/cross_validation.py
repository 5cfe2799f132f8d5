"""Clusters and rules, fitted on some cases and judged on others.

Everything that is learned is learned again without the cases it is judged on: scaling, PCA,
centres, the number of clusters (by a further cross-validation inside) and every threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from challenge.refusal import Refusal
from lab.metrics.objective import objective_values, reported_objective
from lab.rule_search.clustering import (
    RESAMPLES,
    Stability,
    assign,
    fit_space,
    reach,
    stability,
    with_clusters,
)
from lab.rule_search.config import SearchConfig
from lab.rule_search.feature_table import FeatureTable
from lab.rule_search.optimise import choose_rules
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import Setting
from postprocess.clusters import ClusterModel

FOLDS = 5


@dataclass(frozen=True)
class Cohort:
    """Cases with their features and scores, and how to learn from them."""

    table: FeatureTable  # row i and search_case i of the cache are the same case
    cache: ScoreCache
    config: SearchConfig
    objective: str
    parameters: tuple[int, ...]  # which may be used
    most_clusters: int
    seed: int = 0

    @property
    def judge(self) -> str:
        """The objective that differences are judged by."""
        return reported_objective(self.objective)


@dataclass(frozen=True)
class Fitted:
    """Clusters and their rules. Cases that belong to none get the pooled rules."""

    model: ClusterModel
    reach: np.ndarray  # (cluster,)
    sizes: np.ndarray  # (cluster,) cases
    settings: tuple[Setting, ...]
    pooled: Setting


@dataclass(frozen=True)
class HeldOut:
    """What each case got from what was fitted without it; all (case, ...)."""

    settings: list[Setting]
    clusters: np.ndarray  # -1 where the pooled rules applied
    k: np.ndarray  # number of clusters of the fit


def fit(cohort: Cohort, train: np.ndarray, k: int) -> Fitted:
    """Fit k clusters on the cases `train` and choose the rules of each, and of all together."""
    described = train[cohort.table.described[train]]
    pooled = _choose(cohort, _uniform(cohort, train))
    if k == 1 or len(described) < 2:
        model, sizes = _one_cluster(cohort, described), np.array([len(described)])
        return Fitted(model, reach(model, cohort.table.rows[described]), sizes, (pooled,), pooled)
    rows = cohort.table.rows[described]
    model = with_clusters(fit_space(rows, cohort.table.names, cohort.config), rows, k, cohort.seed)
    members, _ = assign(model, rows)
    settings = []
    for cluster in range(k):
        own = described[members == cluster]
        # A small cluster leans on all cases, the more the smaller it is.
        lean = min(1.0, len(own) / cohort.config.least_cases)
        weights = (1 - lean) * _uniform(cohort, train)
        if len(own):
            weights = weights + lean * _uniform(cohort, own)
        settings.append(_choose(cohort, weights / weights.sum()))
    sizes = np.bincount(members, minlength=k)
    return Fitted(model, reach(model, rows), sizes, tuple(settings), pooled)


def apply(cohort: Cohort, fitted: Fitted, cases: np.ndarray) -> tuple[list[Setting], np.ndarray]:
    """Return the setting and the cluster of each case; -1 where the pooled rules apply."""
    found, far = assign(fitted.model, np.nan_to_num(cohort.table.rows[cases]))
    limit = fitted.reach[found] if cohort.config.gated else np.full(len(found), np.inf)
    clusters = np.where(cohort.table.described[cases] & (far <= limit), found, -1)
    return [fitted.settings[c] if c >= 0 else fitted.pooled for c in clusters], clusters


def cross_fit(cohort: Cohort, train: np.ndarray, k: int | None) -> HeldOut:
    """Judge k clusters on held-out parts of `train`; None chooses k anew inside each part."""
    settings: dict[int, Setting] = {}
    clusters, used = np.full(len(cohort.table.ids), -1), np.zeros(len(cohort.table.ids), int)
    for held in folds_of(train, cohort.seed):
        rest = np.setdiff1d(train, held)
        own = choose_k(cohort, rest)[0] if k is None else k
        found, numbers = apply(cohort, fit(cohort, rest, own), held)
        settings |= dict(zip(held.tolist(), found, strict=True))
        clusters[held], used[held] = numbers, own
    return HeldOut([settings[case] for case in train.tolist()], clusters[train], used[train])


def choose_k(cohort: Cohort, train: np.ndarray) -> tuple[int, list[dict[str, float]]]:
    """Choose the number of clusters; return it, and a row of numbers for every candidate.

    `published` takes the clearest silhouette. `validated` takes, of the numbers whose clusters are
    found again in resamples and from other seeds, the smallest within one standard error of the
    best held-out gain.
    """
    described = train[cohort.table.described[train]]
    rows = cohort.table.rows[described]
    if len(described) < 2:
        return 1, []
    space = fit_space(rows, cohort.table.names, cohort.config)
    different = len(np.unique(space.project(rows), axis=0))
    most = min(cohort.most_clusters, different - 1)
    draws = RESAMPLES if len(train) == len(cohort.table.ids) else RESAMPLES // 2
    found = [stability(space, rows, k, cohort.seed, draws) for k in range(1, most + 1)]
    if cohort.config.choice_of_k == "silhouette":
        clearest = max(found[1:], key=lambda s: s.silhouette, default=found[0])
        return clearest.k, [_row(s, None, s.k == clearest.k) for s in found]
    return _best_held_out(cohort, train, found)


def folds_of(cases: np.ndarray, seed: int) -> list[np.ndarray]:
    """Deal cases into parts at random."""
    order = np.random.default_rng(seed).permutation(cases)
    return [np.sort(order[i::FOLDS]) for i in range(min(FOLDS, len(order)))]


def judged(cohort: Cohort, settings: Sequence[Setting], cases: np.ndarray) -> np.ndarray:
    """Return the objective (case,) of each case with its setting."""
    scores = cohort.cache.scores(settings, cases)
    return objective_values(scores[:, None], cohort.cache.columns, cohort.judge)[:, 0]


def _best_held_out(
    cohort: Cohort, train: np.ndarray, found: Sequence[Stability]
) -> tuple[int, list[dict[str, float]]]:
    without = judged(cohort, [cohort.cache.nothing] * len(train), train)
    gains = {
        s.k: judged(cohort, cross_fit(cohort, train, s.k).settings, train) - without
        for s in found
        if s.is_stable
    }
    best = max(gains, key=lambda k: float(gains[k].mean()))
    for k in sorted(gains):
        loss = gains[best] - gains[k]
        if loss.mean() <= loss.std(ddof=1) / np.sqrt(len(loss)):
            break
    return k, [_row(s, gains.get(s.k), s.k == k) for s in found]


def _row(found: Stability, gain: np.ndarray | None, chosen: bool) -> dict[str, float]:
    mean, error = np.nan, np.nan
    if gain is not None:
        mean, error = float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain)))
    return {**vars(found), "held_out_gain": mean, "error": error, "chosen": chosen}


def _one_cluster(cohort: Cohort, described: np.ndarray) -> ClusterModel:
    if len(described) < 2:
        raise Refusal(f"{len(described)} cases with features, at least 2 are needed")
    return fit_space(cohort.table.rows[described], cohort.table.names, cohort.config)


def _choose(cohort: Cohort, weights: np.ndarray) -> Setting:
    return choose_rules(
        cohort.cache, weights, cohort.parameters, cohort.objective, cohort.config.search
    )


def _uniform(cohort: Cohort, cases: np.ndarray) -> np.ndarray:
    weights = np.zeros(len(cohort.table.ids))
    weights[cases] = 1 / len(cases)
    return weights
