"""Tiers by hand, where all permutations are counted, and p against scipy."""

import numpy as np
import pytest
import scipy.stats

from lab.evaluation.tiers import find_tiers


@pytest.mark.parametrize(("cases", "tier"), [(4, [1, 1]), (5, [1, 2])])
def test_a_lead_in_every_case_needs_five_cases(cases, tier) -> None:
    """One of 2^n permutations has the observed difference: 1/16 is no tier, 1/32 is one."""
    tiers = find_tiers(np.tile([1.0, 2.0], (cases, 1)), 1000, 0)
    assert tiers.tier.tolist() == tier
    assert tiers.p[0, 1] == 0.5**cases
    assert np.isnan(tiers.p[1, 0])


def test_the_best_of_a_tier_decides_who_shares_it() -> None:
    """b is not told from a, nor c from b, but c is behind a: a and b share the first tier."""
    # Ranks of a, b and c in nine cases: a is behind b in three of nine, b behind c in three.
    orders = ["abc"] * 4 + ["bac"] * 3 + ["acb"] * 2
    ranks = np.array([[float(order.index(name) + 1) for name in "abc"] for order in orders])
    tiers = find_tiers(ranks, 1000, 0)
    assert tiers.order == (0, 1, 2)
    assert tiers.p[0, 1] > 0.05
    assert tiers.p[0, 2] < 0.05
    assert tiers.tier.tolist() == [1, 1, 2]
    assert tiers.groups == ((0, 1), (2,))


def test_two_that_differ_within_a_tier_are_named() -> None:
    """c is behind b in all five cases, and behind a in four, by 2 2 2 1 against -1."""
    ranks = np.array([[1.0, 2.0, 3.0]] * 3 + [[3.0, 1.0, 2.0], [2.0, 1.0, 3.0]])
    tiers = find_tiers(ranks, 1000, 0)
    assert tiers.p[1, 2] == 1 / 32
    assert tiers.p[0, 2] == 3 / 32  # all cases as they lie, or one of the two small ones turned
    assert tiers.tier.tolist() == [1, 1, 1]
    assert tiers.apart_within == ((1, 2),)


def test_equal_systems_share_a_tier() -> None:
    tiers = find_tiers(np.full((6, 3), 2.0), 1000, 0)
    assert tiers.tier.tolist() == [1, 1, 1]
    assert tiers.p[0, 1] == 0.5


def test_p_is_that_of_scipys_one_sided_permutation_test() -> None:
    ranks = np.random.default_rng(1).permuted(np.tile([1.0, 2.0, 3.0], (9, 1)), axis=1)
    tiers = find_tiers(ranks, 1000, 0)
    for i, best in enumerate(tiers.order):
        for other in tiers.order[i + 1 :]:
            result = scipy.stats.permutation_test(
                (ranks[:, other], ranks[:, best]),
                lambda x, y, axis: (x - y).mean(axis).round(12),
                permutation_type="samples",
                alternative="greater",
                vectorized=True,
            )
            behind = (ranks[:, other] - ranks[:, best]).mean()
            # Of an observed difference of zero every permutation that gives zero counts half.
            if behind > 0:
                assert tiers.p[best, other] == pytest.approx(result.pvalue)
