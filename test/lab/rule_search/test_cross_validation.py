"""Clusters and rules evaluated on held-out cases."""

import numpy as np
import pytest
from toy import ET, cohort, search_case, tumour_with_islands, two_kinds

from lab.rule_search import cross_validation
from lab.rule_search.cross_validation import case_objectives, choose_k, cross_validate, folds_of


def test_folds_hold_every_case_once():
    cases = np.arange(3, 26)
    folds = folds_of(cases, seed=1)
    assert sorted(np.concatenate(folds).tolist()) == cases.tolist()
    assert max(map(len, folds)) - min(map(len, folds)) <= 1


def test_two_kinds_are_two_clusters():
    count = choose_k(*two_kinds(seed=0, cases=40), np.arange(40))
    assert count.k == 2
    assert [row["chosen"] for row in count.candidates] == [False, True, False]


def test_what_each_case_gets_was_fitted_without_it(monkeypatch):
    toy, fitted_on = two_kinds(seed=0, cases=20), []
    fit = cross_validation.fit
    monkeypatch.setattr(
        cross_validation, "fit", lambda *args: fitted_on.append(args[3]) or fit(*args)
    )
    held_out = cross_validate(*toy, np.arange(20), 2)
    assert len(held_out.settings) == 20
    left_out = [np.setdiff1d(np.arange(20), train) for train in fitted_on]
    assert sorted(np.concatenate(left_out).tolist()) == list(range(20))


def test_one_kind_stays_one_cluster():
    rng = np.random.default_rng(3)
    search_cases = [
        search_case(f"case-{i}", tumour_with_islands(rng, 12, are_true=False)) for i in range(40)
    ]
    toy = cohort(search_cases, rng.normal(size=(40, 6)))
    assert choose_k(*toy, np.arange(40)).k == 1


def test_a_case_objective_is_the_mean_over_regions():
    toy = cohort([search_case("one", [(ET, 10, ET), (ET, 10, 0)])], np.zeros((1, 2)))
    values = case_objectives(toy.cache, toy.config, [toy.cache.no_rules], np.array([0]))
    assert values[0] == pytest.approx((2 * 10 / 30 + 1) / 2)
