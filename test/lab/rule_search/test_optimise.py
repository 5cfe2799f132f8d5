"""Rules for a group of cases: those that gain are chosen, no others."""

import numpy as np
import pytest
from toy import ET, NETC, cohort, search_case, tumour_with_islands

from lab.rule_search.group import Group
from lab.rule_search.optimise import choose_rules, smallest_as_good
from lab.rule_search.score_cache import ScoreCache

ALL = (0, 1, 2)


def uniform(n: int) -> np.ndarray:
    return np.full(n, 1 / n)


def cache_of(cases: list[list[tuple[int, int, int]]]) -> ScoreCache:
    search_cases = [search_case(f"case-{i}", components) for i, components in enumerate(cases)]
    return cohort(search_cases, np.zeros((len(search_cases), 2))).cache


@pytest.mark.parametrize("search", ["stepwise", "label-by-label"])
def test_false_islands_are_removed_at_the_smallest_size_that_does(search):
    rng = np.random.default_rng(0)
    cache = cache_of([tumour_with_islands(rng, 12, are_true=False) for _ in range(20)])
    assert choose_rules(cache, uniform(20), ALL, "overlap", search) == (3, 0, 0)


@pytest.mark.parametrize("search", ["stepwise", "label-by-label"])
def test_true_islands_stay(search):
    rng = np.random.default_rng(0)
    cache = cache_of([tumour_with_islands(rng, 12, are_true=True) for _ in range(20)])
    assert choose_rules(cache, uniform(20), ALL, "overlap", search) == (0, 0, 0)


@pytest.mark.parametrize("search", ["stepwise", "label-by-label"])
def test_an_invented_label_is_relabelled(search):
    cases = [[(ET, 900, ET), (NETC, 60 + i, ET)] for i in range(10)]
    cache = cache_of(cases)
    assert choose_rules(cache, uniform(10), ALL, "overlap", search) == (0, 0, 2)


def test_a_parameter_that_may_not_be_used_is_not():
    rng = np.random.default_rng(0)
    cache = cache_of([tumour_with_islands(rng, 12, are_true=False) for _ in range(20)])
    assert choose_rules(cache, uniform(20), (1, 2), "overlap", "stepwise") == (0, 0, 0)


def test_chance_is_not_a_rule_stepwise_though_the_best_of_a_grid_is_one_label_by_label():
    rng = np.random.default_rng(1)
    cache = cache_of([tumour_with_islands(rng, 4, are_true=bool(i % 20 >= 11)) for i in range(20)])
    chosen = {
        search: choose_rules(cache, uniform(20), ALL, "overlap", search)
        for search in ("stepwise", "label-by-label")
    }
    assert chosen == {"stepwise": (0, 0, 0), "label-by-label": (1, 0, 0)}


def test_only_cases_with_weight_count():
    rng = np.random.default_rng(0)
    kinds = [False] * 10 + [True] * 10
    cache = cache_of([tumour_with_islands(rng, 12, are_true) for are_true in kinds])
    first = np.where(np.arange(20) < 10, 0.1, 0.0)
    assert choose_rules(cache, first, ALL, "overlap", "stepwise") == (3, 0, 0)
    assert choose_rules(cache, 0.1 - first, ALL, "overlap", "stepwise") == (0, 0, 0)


def test_ranks_lead_to_the_same_tumour_with_islands():
    rng = np.random.default_rng(0)
    cache = cache_of([tumour_with_islands(rng, 12, are_true=False) for _ in range(20)])
    assert choose_rules(cache, uniform(20), ALL, "rank", "label-by-label") == (3, 0, 0)


def test_the_standard_error_is_the_usual_one_where_all_weigh_the_same():
    gains = np.random.default_rng(0).normal(size=(12, 3))
    group = Group(cache_of([[(ET, 9, ET)]] * 12), uniform(12), "overlap")
    np.testing.assert_allclose(group.error(gains), gains.std(0, ddof=1) / np.sqrt(12))
    np.testing.assert_allclose(group.mean(gains), gains.mean(0))


def test_a_single_case_has_no_error_and_takes_the_best():
    group = Group(cache_of([[(ET, 9, ET)]]), uniform(1), "overlap")
    assert smallest_as_good(group, np.array([[0.0, 0.1, 0.3, 0.3]])) == 2


def test_variants_are_scored_once():
    rng = np.random.default_rng(0)
    cache = cache_of([tumour_with_islands(rng, 12, are_true=False) for _ in range(20)])
    choose_rules(cache, uniform(20), ALL, "overlap", "stepwise")
    # As predicted, without islands, and NETC gone: no threshold of 20 makes a fourth.
    assert cache.variants <= 3 * 20
    before = cache.variants
    choose_rules(cache, uniform(20), ALL, "overlap", "label-by-label")
    assert cache.variants == before
