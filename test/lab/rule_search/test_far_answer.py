"""Far cases stay as predicted where held-out ones are better so, and get pooled rules elsewhere."""

import datetime
import math
from dataclasses import replace

import numpy as np
import pytest
from toy import Toy, cohort, search_case, tumour_with_islands

from challenge.provenance import Provenance
from lab.rule_search.cluster_rules import AssignedRules
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.cross_validation import HeldOut
from lab.rule_search.decision import GATE, Decision, decide
from lab.rule_search.declared_answer import declare, far_line
from lab.rule_search.far_answer import NO_CASE, NO_LIMIT, Outermost, far_gains
from lab.rule_search.freeze import SearchRun, make_artefacts
from lab.rule_search.summary import decision_lines
from postprocess.artefacts import Fallback
from postprocess.declared_answers import AS_PREDICTED, POOLED

CASES = 56  # every eighth is far: 7 of them, of the outermost 11


def far_cohort(are_true: bool, are_far: bool = True, cases: int = CASES) -> Toy:
    """Make cases whose islands are wrong; every eighth is far, and its islands may be right."""
    rng = np.random.default_rng(0)
    search_cases, rows = [], []
    for number in range(cases):
        eighth = number % 8 == 7
        islands = tumour_with_islands(rng, 12, are_true and eighth)
        search_cases.append(search_case(f"case-{number:03d}", islands))
        side = 12.0 if number % 16 == 7 else -12.0
        rows.append(rng.normal(side if eighth and are_far else 0.0, 1.0, 6))
    return cohort(search_cases, np.array(rows))


def artefacts_of(toy: Toy, decision: Decision, forced: bool = False):
    record = Provenance("rules", "search.json", "0" * 64)
    run = SearchRun(datetime.date(2026, 11, 30), "2025-gli", record, forced)
    return make_artefacts(toy.features, toy.cache, toy.config, decision, run)


@pytest.fixture(scope="module")
def sparing() -> tuple[Toy, Decision]:
    toy = far_cohort(are_true=True)
    return toy, decide(*toy, k=1)


def test_far_cases_that_rules_harm_stay_as_predicted(sparing) -> None:
    """Rules remove three islands of 12 voxels, which are right in far cases alone."""
    toy, decision = sparing
    far = decision.far["pooled"]
    assert decision.ships == "pooled"
    assert (far.answer, far.failures, far.gain.cases) == (AS_PREDICTED, (), 7)
    assert 0.02 < far.gain.low < far.gain.mean < far.gain.high < 0.03
    assert decision.far_record()["ships"] == AS_PREDICTED
    artefacts = artefacts_of(toy, decision)
    assert artefacts.fallback == Fallback(AS_PREDICTED) and artefacts.clusters[0].rules
    assert artefacts.fit["far"]["gain"]["cases"] == 7
    lines = decision_lines(toy.cache, toy.config, decision)
    start = "cases far from all others: as-predicted; as predicted gains +0.02"
    assert [line for line in lines if line.startswith(start)]


def test_far_cases_that_rules_repair_too_get_the_pooled_rules() -> None:
    toy = far_cohort(are_true=False)
    decision = decide(*toy, k=1)
    far = decision.far["pooled"]
    assert (far.answer, far.gain.cases) == (POOLED, 7) and far.gain.high < 0
    assert far.failures == (f"gain {far.gain.mean:+.4f} is not above zero",)
    assert artefacts_of(toy, decision).fallback.name == POOLED


def test_without_far_cases_the_pooled_rules_stay_and_the_search_says_why() -> None:
    toy = far_cohort(are_true=False, are_far=False)
    decision = decide(*toy, k=1)
    assert (decision.far["pooled"].answer, decision.far["pooled"].failures) == (POOLED, (NO_CASE,))
    lines = decision_lines(toy.cache, toy.config, decision)
    assert f"cases far from all others: pooled; {NO_CASE}" in lines
    assert artefacts_of(toy, decision).fallback.name == POOLED


def test_no_case_is_far_where_the_configuration_has_no_limit() -> None:
    toy = far_cohort(are_true=True, cases=16)
    config = replace(SEARCH_CONFIGS["published"], most_clusters=2)
    decision = decide(toy.features, toy.cache, config, k=1)
    assert decision.far["adaptive"].failures == (NO_LIMIT,)
    assert artefacts_of(toy._replace(config=config), decision).fallback.name != AS_PREDICTED


def test_five_far_cases_are_too_few_however_clear() -> None:
    declared = declare(POOLED, np.full(5, 0.1), GATE, 0, NO_CASE)
    assert declared.answer == POOLED
    assert declared.failures[0].startswith("5 cases are too few, p below 0.05 needs at least 6")
    assert declare(POOLED, np.full(6, 0.1), GATE, 0, NO_CASE).answer == AS_PREDICTED
    content = declare(POOLED, np.zeros(0), GATE, 0, NO_CASE).to_json()
    assert content["gain"] == {"mean": None, "low": None, "high": None, "p": None, "cases": 0}
    assert not [v for v in content["gain"].values() if isinstance(v, float) and math.isnan(v)]


def test_where_no_pooled_rules_ship_the_line_says_so() -> None:
    declared = declare(POOLED, np.zeros(0), GATE, 0, NO_CASE).to_json()
    line = far_line({"ships": "identity", **declared})
    assert line == "cases far from all others: identity; the pooled rules do not ship"


def test_a_case_that_is_far_twice_counts_once_by_its_fold() -> None:
    """Case 1 is far in its fold, where no rule was chosen; 0 and 1 are outermost, 0 alone far."""
    toy = far_cohort(are_true=True, cases=16)
    none, sizes = toy.cache.no_rules, (3, 0, 0)  # ET below 20 voxels
    clusters = np.zeros(16, int)
    clusters[1] = -1
    held_out = HeldOut([none] * 16, clusters, np.ones(16, int))
    both = AssignedRules([sizes, sizes], np.array([-1, -1]))
    outer = Outermost(np.array([0, 1]), both)
    gains = far_gains(toy.cache, toy.config, held_out, outer)
    assert gains[0] < -0.01 and gains.tolist()[1:] == [0.0]
    near = Outermost(np.array([0, 1]), AssignedRules([sizes, sizes], np.array([0, 0])))
    assert far_gains(toy.cache, toy.config, held_out, near).tolist() == [0.0]
    assert far_gains(toy.cache, toy.config, held_out, None).tolist() == [0.0]
