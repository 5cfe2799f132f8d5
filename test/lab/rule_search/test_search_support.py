"""A rule that only moves cases out of the mean does not ship, and the search names these cases."""

from dataclasses import replace

import numpy as np
import pytest
from toy import ET, GLI, NETC, Toy, cohort, search_case

from lab.rule_search.common_support import rule_support, support_line
from lab.rule_search.decision import decide, failures
from lab.rule_search.score_cache import SearchCase
from lab.rule_search.summary import decision_lines

SMALL_ET = (3, 0, 0)  # ET below 20 voxels goes


def case_of(id: str, components: list[tuple[int, int, int]]) -> SearchCase:
    """Make a case whose confusion says which labels its reference holds."""
    confusion = np.zeros((1 + len(GLI.labels),) * 2, int)
    for predicted, voxels, true in components:
        confusion[true, predicted] += voxels
    return replace(search_case(id, components), confusion=confusion)


def trap(cases: int, loses: int) -> Toy:
    """Half of the cases have no ET but a false island of it; the others lose an island.

    Each has the same NETC. `loses` is the size in voxels of what the others lose.
    """
    tumour = (NETC, 300, NETC)
    without = [case_of(f"without{i}", [tumour, (ET, 10, 0)]) for i in range(cases // 2)]
    real = [tumour, (ET, 300, ET), (ET, loses, ET)]
    others = [case_of(f"with{i}", real) for i in range(cases // 2)]
    rows = np.random.default_rng(0).normal(size=(cases, 3))
    return cohort([*without, *others], rows)


def test_the_mean_gains_and_common_support_loses() -> None:
    _, cache, _ = trap(24, loses=10)
    support = rule_support(cache, [SMALL_ET] * 24, np.arange(24), "dice", 0)
    lost = 1 - 2 * 300 / 610  # of ET's Dice in the half that has ET; ET is one of two regions
    assert support.official == pytest.approx((0.5 - lost / 2) / 2)
    assert support.difference == pytest.approx(-lost / 2 / 2)
    assert support.high < 0 < support.official
    assert support.left == tuple(range(12)) and support.entered == ()


def test_such_a_rule_does_not_ship_and_the_cases_are_named() -> None:
    toy = trap(24, loses=10)
    decision = decide(*toy, k=1)
    row = next(row for row in decision.effects if row["method"] == "pooled")
    assert row["gain"] > 0.2 and row["p"] < 0.01
    assert decision.ships == "identity"
    assert failures(row, toy.config) == (
        "on common support it loses: -0.0041, "
        f"{row['common_support']['low']:+.4f} to {row['common_support']['high']:+.4f}",
    )
    lines = "\n".join(decision_lines(toy.cache, toy.config, decision))
    assert "pooled, on common support (24 cases): -0.0041" in lines
    assert (
        "12 cases have a score of the labels as they are only: without0, without1, without2, "
        "without3, without4 and 7 more"
    ) in lines
    assert "pooled does not pass: on common support it loses" in lines


def test_a_rule_that_loses_nothing_there_ships_as_before() -> None:
    """The same false islands, and nothing true that is as small."""
    toy = trap(24, loses=40)
    decision = decide(*toy, k=1)
    assert decision.ships == "pooled"
    (row,) = [row for row in decision.effects if row["method"] == "pooled"]
    assert row["common_support"]["difference"] == 0


def test_nothing_is_said_where_the_same_cases_count() -> None:
    _, cache, _ = trap(24, loses=10)
    cases = np.arange(12, 24)
    support = rule_support(cache, [SMALL_ET] * 12, cases, "dice", 0)
    assert support.official == pytest.approx(support.difference)
    assert support_line("pooled", vars(support), [f"with{i}" for i in range(12)]) == ""
