"""Clusters and the rules of each: fitted on some cases, applied to others."""

from dataclasses import replace

import numpy as np
import pytest
from toy import VALIDATED, cohort, search_case, tumour_with_islands, two_kinds

from lab.rule_search.cluster_rules import apply, fit
from lab.rule_search.config import SEARCH_CONFIGS


def test_two_kinds_get_their_own_rules():
    toy = two_kinds(seed=0, cases=40)
    everything = np.arange(40)
    assigned = apply(toy.features, fit(*toy, everything, 2), everything)
    assert [setting[0] for setting in assigned.settings] == [3, 0] * 20
    assert set(assigned.clusters) == {0, 1}


def test_a_small_cluster_shrinks_towards_all_cases():
    rng = np.random.default_rng(0)
    kinds = [True] * 3 + [False] * 37
    search_cases = [
        search_case(f"case-{i}", tumour_with_islands(rng, 12, are_true))
        for i, are_true in enumerate(kinds)
    ]
    rows = rng.normal(np.where(kinds, 9.0, 0.0)[:, None], 0.3, (40, 4))
    shrunken = cohort(search_cases, rows, replace(VALIDATED, least_cases=30))
    small = fit(*shrunken, np.arange(40), 2)
    assert small.sizes.tolist() == [37, 3]
    assert [setting[0] for setting in small.settings] == [3, 3]
    trusted = fit(*cohort(search_cases, rows, replace(VALIDATED, least_cases=1)), np.arange(40), 2)
    assert [setting[0] for setting in trusted.settings] == [3, 0]


def test_far_cases_and_those_without_features_get_the_pooled_rules():
    toy = two_kinds(seed=0, cases=40)
    rows = toy.features.rows.copy()
    rows[0], rows[1] = np.nan, 1e6
    reasons = ("the tumour is empty", *toy.features.reasons[1:])
    features = replace(toy.features, rows=rows, reasons=reasons)
    train = np.arange(2, 40)
    fitted = fit(features, toy.cache, toy.config, train, 2)
    assigned = apply(features, fitted, np.array([0, 1, 2]))
    assert assigned.clusters[:2].tolist() == [-1, -1] or assigned.clusters[0] == -1
    assert assigned.settings[0] == fitted.pooled
    published = replace(SEARCH_CONFIGS["published"], scaling="features")
    ungated = fit(features, toy.cache, published, train, 2)
    assert apply(features, ungated, np.array([1])).clusters.tolist() != [-1]


def test_only_the_rule_types_of_the_configuration_are_chosen():
    toy = two_kinds(seed=0, cases=40, are_true=(False, False))
    assert fit(*toy, np.arange(40), 1).pooled == (3, 0, 0)
    shares = replace(toy.config, rule_types=("share",))
    assert fit(toy.features, toy.cache, shares, np.arange(40), 1).pooled == (0, 0, 0)


def test_more_clusters_than_cases_are_refused():
    with pytest.raises(ValueError, match="9 clusters of 6 different cases"):
        fit(*two_kinds(seed=0, cases=6), np.arange(6), 9)
