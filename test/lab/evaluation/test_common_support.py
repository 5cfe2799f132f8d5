"""A gain without its denominator, by hand and on the shape of a real one."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab.evaluation.common_support import (
    CommonSupport,
    common_support,
    common_support_of_score,
    defined_scores,
    moved_sentence,
    support_sentence,
)

NAN = math.nan
DRAWS = (2000, 2000, 0)


def column(first: list[float], second: list[float], absent: list[int] = ()) -> CommonSupport:
    """Compare one column; `absent` lists cases whose region the second system rightly lacks."""
    values = np.stack([first, second], -1)[:, None]
    both_absent = np.zeros(values.shape, bool)
    both_absent[list(absent), :, 1] = True
    return common_support(values, defined_scores(values, both_absent), *DRAWS)[0]


def test_a_zero_that_becomes_undefined_leaves_the_mean_and_common_support() -> None:
    support = column([0.0, 0.5, 0.9], [NAN, 0.4, 0.9])
    assert (support.first, support.second) == pytest.approx((1.4 / 3, 0.65))
    assert (support.n_first, support.n_second, support.n) == (3, 2, 2)
    assert support.official == pytest.approx(0.65 - 1.4 / 3)
    assert support.difference == pytest.approx(-0.05)
    assert (support.left, support.entered) == ((0,), ())


def test_the_value_of_a_convention_counts_in_the_mean_but_not_on_common_support() -> None:
    """As BraTS until 2025 scores: 1 where neither map holds the region."""
    support = column([0.0, 0.5, 0.9], [1.0, 0.4, 0.9], absent=[0])
    assert (support.first, support.second) == pytest.approx((1.4 / 3, 2.3 / 3))
    assert (support.n_first, support.n_second, support.n) == (3, 3, 2)
    assert support.difference == pytest.approx(-0.05)
    assert support.left == (0,)


def test_a_filter_that_gains_only_by_its_denominator() -> None:
    """18 zeros become undefined: .770 -> .797 by the means, -.005 where both have a score."""
    rng = np.random.default_rng(4)
    before = np.clip(rng.normal(0.802, 0.1, 433), 0.3, 1)
    before += 0.802 - before.mean()
    loss = np.where(rng.random(433) < 0.1, rng.uniform(0, 1, 433), 0)
    after = before - loss * 0.005 / loss.mean()
    zeros = [0.0] * 18
    support = column([*before, *zeros], [*after, *[NAN] * 18])
    assert (round(support.first, 3), round(support.second, 3)) == (0.770, 0.797)
    assert support.official == pytest.approx(0.027, abs=5e-4)
    assert support.difference == pytest.approx(-0.005)
    assert support.high < 0
    assert support.p < 0.001
    assert support.gains_by_denominator(1)
    assert not support.gains_by_denominator(-1)
    assert not support.reverse().shows_loss(1)
    assert support.reverse().shows_loss(-1)
    ids = [f"c{i}" for i in range(451)]
    sentence = support_sentence(support, "dice ET", ("plain", "filter"))
    assert sentence.startswith(
        "dice ET: mean 0.7970 of filter (n = 433) minus 0.7700 of plain (n = 451) is +0.0270; over "
        "the 433 cases with a score of both it is -0.0050 [-0.00"
    )
    assert moved_sentence(support, ids, ("plain", "filter")) == (
        "18 cases have a score of plain only: c433, c434, c435, c436, c437 and 13 more"
    )
    assert moved_sentence(support.reverse(), ids[:434] * 2, ("x", "y")).startswith(
        "18 cases have a score of y only: c433"
    )


def test_a_gain_on_common_support_is_no_loss() -> None:
    support = column([0.5, 0.6, 0.7, 0.0], [0.6, 0.7, 0.8, NAN])
    assert support.difference == pytest.approx(0.1)
    assert not support.shows_loss(1)
    assert support.shows_loss(-1)  # as if it were a distance


def test_nothing_in_common_shows_nothing() -> None:
    support = column([NAN, 0.5], [0.5, NAN])
    assert support.n == 0
    assert math.isnan(support.difference)
    assert (support.left, support.entered) == ((1,), (0,))
    assert not support.shows_loss(1)
    assert moved_sentence(support, ["a", "b"], ("x", "y")) == (
        "1 case has a score of x only: b; 1 case has a score of y only: a"
    )
    assert moved_sentence(column([0.5], [0.5]), ["a"], ("x", "y")) == ""


def test_the_mean_of_columns_leaves_out_each_undefined_cell() -> None:
    """Case 0 has no second column of the second system; the first still counts, alone."""
    values = np.array([[[0.5, 0.7], [0.0, NAN]], [[0.4, 0.4], [0.8, 0.6]]])
    defined = defined_scores(values, np.zeros(values.shape, bool))
    score = common_support_of_score(values, defined, np.array([0.5, 0.5]), *DRAWS)
    # Means of columns: 0.45 and 0.4 of the first, 0.55 and 0.6 of the second.
    assert (score.first, score.second) == pytest.approx((0.425, 0.575))
    # Differences of cases: +0.2 of the one column that is there; (0 - 0.2) / 2.
    assert score.difference == pytest.approx((0.2 - 0.1) / 2)
    assert (score.n, score.left, score.entered) == (2, (0,), ())


SCORES = st.sampled_from([0.0, 0.25, 0.5, 1.0, NAN])


@given(arrays(float, (6, 3, 2), elements=SCORES), arrays(bool, (6, 3, 2)))
def test_turning_the_systems_turns_every_sign(values, both_absent) -> None:
    defined = defined_scores(values, both_absent)
    there = common_support(values, defined, 200, 200, 0)
    back = common_support(values[..., ::-1], defined[..., ::-1], 200, 200, 0)
    for one, other in zip(there, back, strict=True):
        turned = other.reverse()
        assert (one.left, one.entered, one.n) == (turned.left, turned.entered, turned.n)
        numbers = [(x.official, x.difference, x.p, x.low) for x in (one, turned)]
        assert numbers[0] == pytest.approx(numbers[1], nan_ok=True)


@given(arrays(float, (7, 1, 2), elements=st.sampled_from([0.1, 0.2, 0.4, 0.8])))
def test_p_is_that_of_scipys_permutation_test(values) -> None:
    defined = defined_scores(values, np.zeros(values.shape, bool))
    p = common_support(values, defined, 10, 1000, 0)[0].p
    result = scipy.stats.permutation_test(
        (values[:, 0, 1], values[:, 0, 0]),
        lambda x, y, axis: np.mean(x - y, axis).round(12),
        permutation_type="samples",
        vectorized=True,
    )
    assert p == pytest.approx(min(result.pvalue, 1.0))
