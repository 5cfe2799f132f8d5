"""What ships: rules that gain on held-out cases, and nothing where nothing is gained."""

from dataclasses import replace

import numpy as np
import pytest
from toy import ET, VALIDATED, cohort, search_case, tumour_with_islands, two_kinds

from lab.rule_search.cluster_rules import fit
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.decision import curves, decide, failures
from lab.rule_search.effects import gain_statistics
from lab.rule_search.loss_limit import describe_loss
from lab.rule_search.lost_lesions import ReferenceLesions


def test_adaptive_rules_ship_where_they_gain():
    decision = decide(*two_kinds(seed=0, cases=60))
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
        search_case(f"case-{i}", tumour_with_islands(rng, 12, bool(rng.random() < 0.5)))
        for i in range(40)
    ]
    decision = decide(*cohort(search_cases, rng.normal(size=(40, 6))))
    assert decision.ships == "identity"
    assert not decision.pooled_ships


def test_a_gain_must_be_more_than_chance_and_more_than_nothing():
    """Of 60 cases 4 improve and none suffers: the interval is clear, the sign-flip test is not."""
    few, many, tiny = np.zeros((3, 60))
    few[:4], many[:12], tiny[:] = 0.1, 0.1, 1e-5
    lost = {"lost": describe_loss(np.zeros(60), np.zeros(60)), "common_support": {"high": 0.0}}
    gains = (few, many, tiny)
    rows = [gain_statistics(gain, np.random.default_rng(0)) | lost for gain in gains]
    assert [row["low"] > 0 for row in rows] == [True, True, True]
    assert rows[0]["p"] == pytest.approx(1 / 8, abs=0.02)  # 2 of the 2^4 sign patterns
    assert [failures(row, VALIDATED) == () for row in rows] == [False, True, False]


def test_rules_that_may_lose_too_many_lesions_do_not_ship():
    """The islands that they remove are false to the scorer, and one of four lesions each case."""
    toy = two_kinds(0, 60, are_true=(False, False))
    assert decide(*toy).ships == "pooled"
    components = toy.cache.search_cases[0].components.values.size
    met = np.zeros((4, components), bool)
    met[[0, 1, 2, 3], [1, 1, 1, components - 1]] = True
    lesions = ReferenceLesions({"ET": met}, {"ET": (ET,)})
    cases = [replace(case, lesions=lesions) for case in toy.cache.search_cases]
    limited = replace(toy.config, lost_at_most=0.1)
    decision = decide(*cohort(cases, toy.features.rows, limited))
    assert decision.ships == "identity"
    row = next(row for row in decision.effects if row["method"] == "pooled")
    assert row["lost"]["mean"] == 0.25 < row["lost"]["at_most"] < 0.4
    generous = replace(toy.config, lost_at_most=0.5)
    assert decide(*cohort(cases, toy.features.rows, generous)).ships == "pooled"


def test_the_published_method_ships_its_best_of_grid_whatever_it_gains():
    rng = np.random.default_rng(1)
    search_cases = [
        search_case(f"case-{i}", tumour_with_islands(rng, 12, i % 20 >= 11)) for i in range(20)
    ]
    config = replace(SEARCH_CONFIGS["published"], most_clusters=2)
    decision = decide(*cohort(search_cases, rng.normal(size=(20, 6)), config))
    assert decision.ships == "adaptive"
    assert decision.gain_in_sample > 0


def test_too_few_cases_with_features_are_refused():
    search_cases = [search_case(f"case-{i}", [(ET, 9, ET)]) for i in range(6)]
    rows = np.full((6, 3), np.nan)
    rows[0] = 1.0
    with pytest.raises(ValueError, match="1 cases with features, at least 2"):
        decide(*cohort(search_cases, rows))


def test_curves_have_an_interval_at_every_grid_point_and_say_where_the_rule_is():
    toy = two_kinds(seed=0, cases=20, are_true=(False, False))
    everything = np.arange(20)
    fitted = fit(*toy, everything, 1)
    rows = curves(toy.cache, toy.config, fitted.pooled, everything, fitted.parameters)
    assert [row["parameter"] for row in rows] == [0, 1, 2]
    assert rows[0]["grid_index"] == 3
    assert rows[0]["mean"][3] > 0.01
    assert rows[0]["low"][3] <= rows[0]["mean"][3] <= rows[0]["high"][3]
    assert rows[0]["mean"][:3] == [0.0, 0.0, 0.0]
