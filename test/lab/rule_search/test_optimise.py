"""Rules for a group of cases: those that gain are chosen, no others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toy import ET, NETC, PARAMETERS, SIZES, cohort, search_case, tumour_with_islands

from lab.rule_search.config import by_intervention
from lab.rule_search.group import Group
from lab.rule_search.optimise import choose_rules, smallest_as_good
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_parameter import SearchParameter
from lab.rule_search.summary import rules_in_words

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


def doubtful_islands(peaks: tuple[float, float]) -> ScoreCache:
    """Twenty cases with three false islands and three true ones as large; their peaks."""
    search_cases = []
    for i in range(20):
        rng = np.random.default_rng(i)
        components = tumour_with_islands(rng, 12, False) + [(ET, 12, ET)] * 3
        case = search_case(f"case-{i:02d}", components)
        of_et = np.array([0, 0.99, 0, *[peaks[0]] * 3, *[peaks[1]] * 3], np.float32)
        case_peaks = replace(case.components, peaks={("ET",): of_et})
        search_cases.append(replace(case, components=case_peaks))
    cache = cohort(search_cases, np.zeros((20, 2))).cache
    points = by_intervention(SIZES[1:], (0.5, 0.9, 0.995))
    return replace(
        cache,
        parameters=(
            SearchParameter("ET", "", "background", "probability", (0, 0.5, 0.9, 0.995), "peak"),
            SearchParameter("ET", "", "background", "voxels", points, "size or peak"),
            *PARAMETERS,
        ),
    )


def test_false_islands_go_by_their_peak_where_true_ones_are_as_large():
    cache = doubtful_islands((0.6, 0.95))
    chosen = choose_rules(cache, uniform(20), range(5), "overlap", "stepwise")
    assert chosen == (2, 0, 0, 0, 0)  # below 0.9
    words = rules_in_words(cache.parameters, chosen)
    assert words == "ET components of peak < 0.9 -> background"


def test_size_or_peak_goes_where_neither_does_by_itself():
    """The main tumour is doubtful too, and large."""
    cache = doubtful_islands((0.6, 0.95))
    for case in cache.search_cases:
        case.components.peaks["ET",][1] = 0.55
    chosen = choose_rules(cache, uniform(20), range(5), "overlap", "stepwise")
    assert chosen[0] == 0 and chosen[2:] == (0, 0, 0)
    assert cache.parameters[1].grid[chosen[1]] == (20, 0.9)
    words = rules_in_words(cache.parameters, chosen)
    assert words == "ET components < 20 voxels and peak < 0.9 -> background"


def test_where_a_size_does_as_well_no_probability_is_needed():
    cache = doubtful_islands((0.6, 0.95))
    for case in cache.search_cases:
        case.scorer.truth[case.components.voxels == 12] = 0
    chosen = choose_rules(cache, uniform(20), range(5), "overlap", "stepwise")
    assert chosen == (0, 0, 3, 0, 0)


def test_of_two_pairs_the_one_that_removes_less_comes_first():
    points = by_intervention((5, 10, 20, 50), (0.3, 0.5, 0.9))
    assert points[0] == (0, 0) and len(points) == len(set(points)) == 13
    for at, (size, peak) in enumerate(points):
        assert not any(s <= size and p <= peak for s, p in points[at + 1 :])


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


class TwoOnly:
    """A cache of ten alike cases in which a threshold alone harms, and with a peak gains."""

    no_rules = (0, 0)
    parameters = (
        SearchParameter("ET", "", "ET", "probability", (0, 0.4, 0.3), "threshold"),
        SearchParameter("ET", "", "surrounding", "probability", (0, 0.6, 0.9), "peak"),
    )
    # (threshold, peak); the lower threshold gains no more, the higher peak less
    values = np.array([[0.0, 0.0, -0.1], [-0.2, 0.3, 0.1], [-0.3, 0.3, 0.1]])

    def chosen(self, key: str, choose: Callable[[], tuple[int, ...]]) -> tuple[int, ...]:
        return choose()

    def grid_objectives(
        self, setting: tuple[int, ...], parameter: int, cases: np.ndarray, objective: str
    ) -> np.ndarray:
        threshold, peak = setting
        row = self.values[:, peak] if parameter == 0 else self.values[threshold]
        return np.tile(row, (len(cases), 1))


def test_a_threshold_and_a_peak_are_tried_together() -> None:
    cache: Any = TwoOnly()
    assert choose_rules(cache, uniform(10), (0, 1), "overlap", "stepwise") == (1, 1)
    assert choose_rules(cache, uniform(10), (0,), "overlap", "stepwise") == (0, 0)
    assert choose_rules(cache, uniform(10), (1,), "overlap", "stepwise") == (0, 0)


def test_two_that_gain_nothing_together_are_no_rules() -> None:
    cache: Any = TwoOnly()
    cache.values = -np.abs(TwoOnly.values)
    assert choose_rules(cache, uniform(10), (0, 1), "overlap", "stepwise") == (0, 0)
