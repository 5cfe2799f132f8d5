"""Clusters and rules judged on cases that chose neither."""

from dataclasses import replace

import numpy as np
import pytest
from toy import ET, VALIDATED, cohort, search_case, specks, two_kinds

from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.cross_validation import apply, choose_k, cross_fit, fit, folds_of, judged
from lab.rule_search.decision import curves, decide, is_clear
from lab.rule_search.effects import gain_of


def test_parts_hold_every_case_once():
    cases = np.arange(3, 26)
    parts = folds_of(cases, seed=1)
    assert sorted(np.concatenate(parts).tolist()) == cases.tolist()
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_two_kinds_get_their_own_rules():
    made = two_kinds(seed=0, cases=40)
    everything = np.arange(40)
    k, rows = choose_k(made, everything)
    assert k == 2
    assert [row["chosen"] for row in rows] == [False, True, False]
    fitted = fit(made, everything, k)
    found, clusters = apply(made, fitted, everything)
    assert [setting[0] for setting in found] == [3, 0] * 20
    assert set(clusters) == {0, 1}


def test_what_each_case_gets_was_fitted_without_it(monkeypatch):
    made = two_kinds(seed=0, cases=20)
    seen = []
    from lab.rule_search import cross_validation as crossfit

    plain = crossfit.fit
    monkeypatch.setattr(crossfit, "fit", lambda *given: seen.append(given[1]) or plain(*given))
    held = cross_fit(made, np.arange(20), 2)
    assert len(held.settings) == 20
    left_out = [np.setdiff1d(np.arange(20), train) for train in seen]
    assert sorted(np.concatenate(left_out).tolist()) == list(range(20))


def test_one_kind_stays_one_cluster():
    rng = np.random.default_rng(3)
    search_cases = [search_case(f"case-{i}", specks(rng, 12, are_true=False)) for i in range(40)]
    made = cohort(search_cases, rng.normal(size=(40, 6)))
    assert choose_k(made, np.arange(40))[0] == 1


def test_a_small_cluster_leans_on_all_cases():
    rng = np.random.default_rng(0)
    kinds = [True] * 3 + [False] * 37
    search_cases = [
        search_case(f"case-{i}", specks(rng, 12, are_true)) for i, are_true in enumerate(kinds)
    ]
    rows = rng.normal(np.where(kinds, 9.0, 0.0)[:, None], 0.3, (40, 4))
    small = fit(cohort(search_cases, rows, replace(VALIDATED, least_cases=30)), np.arange(40), 2)
    assert small.sizes.tolist() == [37, 3]
    assert [setting[0] for setting in small.settings] == [3, 3]
    trusted = fit(cohort(search_cases, rows, replace(VALIDATED, least_cases=1)), np.arange(40), 2)
    assert [setting[0] for setting in trusted.settings] == [3, 0]


def test_far_cases_and_those_without_features_get_the_pooled_rules():
    made = two_kinds(seed=0, cases=40)
    rows = made.table.rows.copy()
    rows[0], rows[1] = np.nan, 1e6
    reasons = ("the tumour is empty", *made.table.reasons[1:])
    made = replace(made, table=replace(made.table, rows=rows, reasons=reasons))
    train = np.arange(2, 40)
    fitted = fit(made, train, 2)
    found, clusters = apply(made, fitted, np.array([0, 1, 2]))
    assert clusters[:2].tolist() == [-1, -1] or clusters[0] == -1
    assert found[0] == fitted.pooled
    published = replace(made, config=replace(SEARCH_CONFIGS["published"], scaling="features"))
    assert apply(published, fitted, np.array([1]))[1].tolist() != [-1]


def test_adaptive_rules_ship_where_they_gain():
    decision = decide(two_kinds(seed=0, cases=60))
    rows = {row["method"]: row for row in decision.effects}
    assert decision.ships == "adaptive"
    assert rows["adaptive"]["low"] > 0
    assert rows["adaptive"]["gain"] > rows["pooled"]["gain"]
    assert rows["adaptive"]["better"] == 30
    assert rows["adaptive"]["worse"] == 0
    assert rows["identity"]["gain"] == 0
    assert rows["adaptive"]["mean_rank"] < rows["identity"]["mean_rank"]
    assert decision.gain_in_sample == pytest.approx(rows["adaptive"]["gain"])


@pytest.mark.parametrize("seed", range(4))
def test_identity_ships_where_nothing_is_to_be_gained(seed):
    rng = np.random.default_rng(seed)
    search_cases = [
        search_case(f"case-{i}", specks(rng, 12, bool(rng.random() < 0.5))) for i in range(40)
    ]
    decision = decide(cohort(search_cases, rng.normal(size=(40, 6))))
    assert decision.ships == "identity"
    assert not decision.pooled_ships


def test_a_gain_must_be_more_than_chance_and_more_than_nothing():
    """Of 60 cases 4 improve and none suffers: the interval is clear, the sign-flip test is not."""
    few, many, tiny = np.zeros((3, 60))
    few[:4], many[:12], tiny[:] = 0.1, 0.1, 1e-5
    rows = [gain_of(gain, np.random.default_rng(0)) for gain in (few, many, tiny)]
    assert [row["low"] > 0 for row in rows] == [True, True, True]
    assert rows[0]["p"] == pytest.approx(1 / 8, abs=0.02)  # 2 of the 2^4 ways to flip
    assert [is_clear(row) for row in rows] == [False, True, False]


def test_the_published_method_ships_its_best_of_grid_whatever_it_gains():
    rng = np.random.default_rng(1)
    search_cases = [search_case(f"case-{i}", specks(rng, 12, i % 20 >= 11)) for i in range(20)]
    config = replace(SEARCH_CONFIGS["published"], most_clusters=2)
    decision = decide(cohort(search_cases, rng.normal(size=(20, 6)), config))
    assert decision.ships == "adaptive"
    assert decision.gain_in_sample > 0


def test_too_few_cases_with_features_are_told():
    search_cases = [search_case(f"case-{i}", [(ET, 9, ET)]) for i in range(6)]
    rows = np.full((6, 3), np.nan)
    rows[0] = 1.0
    with pytest.raises(ValueError, match="1 cases with features, at least 2"):
        decide(cohort(search_cases, rows))


def test_more_clusters_than_cases_are_told():
    with pytest.raises(ValueError, match="9 clusters of 6 different cases"):
        fit(two_kinds(seed=0, cases=6), np.arange(6), 9)


def test_curves_have_an_interval_at_every_step_and_say_where_the_rule_is():
    made = two_kinds(seed=0, cases=20, are_true=(False, False))
    everything = np.arange(20)
    setting = fit(made, everything, 1).pooled
    found = curves(made, setting, everything)
    assert [row["parameter"] for row in found] == [0, 1, 2]
    assert found[0]["grid_index"] == 3
    assert found[0]["mean"][3] > 0.01
    assert found[0]["low"][3] <= found[0]["mean"][3] <= found[0]["high"][3]
    assert found[0]["mean"][:3] == [0.0, 0.0, 0.0]


def test_judged_is_the_mean_over_regions():
    made = cohort([search_case("one", [(ET, 10, ET), (ET, 10, 0)])], np.zeros((1, 2)))
    value = judged(made, [made.cache.nothing], np.array([0]))
    assert value[0] == pytest.approx((2 * 10 / 30 + 1) / 2)
