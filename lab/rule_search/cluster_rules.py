"""Clusters of cases and the rules of each: learned on some cases, looked up for others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from challenge.refusal import Refusal
from lab.rule_search.clustering import (
    assign,
    distance_limits,
    fit_space,
    with_clusters,
)
from lab.rule_search.config import SearchConfig
from lab.rule_search.feature_table import FeatureTable
from lab.rule_search.optimise import choose_rules
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import Setting, searched_parameters
from postprocess.clusters import ClusterModel


@dataclass(frozen=True)
class ClusterRules:
    """Clusters and their rules. Cases that belong to none get the pooled rules."""

    model: ClusterModel
    max_distance: np.ndarray  # (cluster,) from the centre; a case farther away belongs to none
    sizes: np.ndarray  # (cluster,) training cases
    settings: tuple[Setting, ...]  # of each cluster
    pooled: Setting
    parameters: tuple[int, ...]  # numbers of those that were searched, chosen by the training cases


@dataclass(frozen=True)
class AssignedRules:
    """What each of some cases gets."""

    settings: list[Setting]  # (case,)
    clusters: np.ndarray  # (case,) -1 where the pooled rules apply


def fit(
    features: FeatureTable, cache: ScoreCache, config: SearchConfig, train: np.ndarray, k: int
) -> ClusterRules:
    """Fit k clusters on training cases and choose the rules of each, and of all together.

    Args:
        features: of all cases.
        cache: scores of the same cases, in the same order.
        config: how to fit and choose.
        train: (case,) numbers of the training cases.
        k: number of clusters.

    Raises:
        Refusal: too few training cases have features, or too few of them differ.
    """
    described = train[features.described[train]]
    parameters = searched_parameters(cache.parameters, config, cache.scheme, cache.confusion(train))
    pooled = _choose(cache, config, _uniform(cache, train), parameters)
    if k == 1 or len(described) < 2:
        if len(described) < 2:
            raise Refusal(f"{len(described)} cases with features, at least 2 are needed")
        rows = features.rows[described]
        model = fit_space(rows, features.names, config)
        sizes = np.array([len(described)])
        limits = distance_limits(model, rows, config)
        return ClusterRules(model, limits, sizes, (pooled,), pooled, parameters)
    rows = features.rows[described]
    model = with_clusters(fit_space(rows, features.names, config), rows, k, config.seed)
    members, _ = assign(model, rows)
    weights = [_shrunken_weights(cache, config, train, described[members == c]) for c in range(k)]
    settings = tuple(_choose(cache, config, of_cluster, parameters) for of_cluster in weights)
    sizes = np.bincount(members, minlength=k)
    limits = distance_limits(model, rows, config)
    return ClusterRules(model, limits, sizes, settings, pooled, parameters)


def apply(features: FeatureTable, fitted: ClusterRules, cases: np.ndarray) -> AssignedRules:
    """Return the setting and the cluster of each of `cases` (case,)."""
    nearest, distances = assign(fitted.model, np.nan_to_num(features.rows[cases]))
    belongs = features.described[cases] & (distances <= fitted.max_distance[nearest])
    clusters = np.where(belongs, nearest, -1)
    settings = [fitted.settings[c] if c >= 0 else fitted.pooled for c in clusters]
    return AssignedRules(settings, clusters)


def _shrunken_weights(
    cache: ScoreCache, config: SearchConfig, train: np.ndarray, members: np.ndarray
) -> np.ndarray:
    """Weigh a cluster's cases (case,) and, the more the smaller it is, all training cases."""
    trust = min(1.0, len(members) / config.least_cases)
    weights = (1 - trust) * _uniform(cache, train)
    if len(members):
        weights = weights + trust * _uniform(cache, members)
    return np.asarray(weights / weights.sum())


def _choose(
    cache: ScoreCache, config: SearchConfig, weights: np.ndarray, parameters: Sequence[int]
) -> Setting:
    return choose_rules(cache, weights, parameters, config.objective, config.search)


def _uniform(cache: ScoreCache, cases: np.ndarray) -> np.ndarray:
    weights = np.zeros(len(cache.search_cases))
    weights[cases] = 1 / len(cases)
    return weights
