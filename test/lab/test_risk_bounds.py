"""An upper bound on what is lost: by hand, against scipy, and as often wrong as it may be."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lab.risk_bounds import fewest_cases, upper_bound


@pytest.mark.parametrize("n", [1, 10, 100, 1351])
def test_where_nothing_was_lost_it_is_clopper_and_pearsons(n: int) -> None:
    exact = scipy.stats.binomtest(0, n).proportion_ci(0.8, method="exact").high  # one side of 0.9
    assert upper_bound(np.zeros(n)) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize(("lost", "n"), [(1, 50), (3, 100), (20, 200), (99, 100)])
def test_of_cases_that_lose_all_or_nothing_it_is_above_the_exact_one(lost: int, n: int) -> None:
    losses = np.repeat([1.0, 0.0], [lost, n - lost])
    exact = scipy.stats.binomtest(lost, n).proportion_ci(0.8, method="exact").high
    assert exact <= upper_bound(losses) <= exact + 0.06


def test_without_a_case_or_with_everything_lost_it_is_one() -> None:
    assert upper_bound(np.array([])) == 1
    assert upper_bound(np.full(5, np.nan)) == 1
    assert upper_bound(np.ones(30)) == 1


def test_cases_with_nothing_to_lose_do_not_count() -> None:
    losses = np.array([0.0, 0.5, 0.0, 0.25] * 10)
    assert upper_bound(np.append(losses, [np.nan] * 100)) == upper_bound(losses)


@pytest.mark.parametrize("losses", [[-0.1, 0.0], [0.2, 1.1]])
def test_a_loss_that_is_no_share_is_an_error(losses: list[float]) -> None:
    with pytest.raises(ValueError, match="not from 0 to 1"):
        upper_bound(np.array(losses))


@pytest.mark.parametrize("at_most", [0.5, 0.05, 0.02])
def test_so_many_cases_are_needed_and_no_fewer(at_most: float) -> None:
    n = fewest_cases(at_most)
    assert upper_bound(np.zeros(n)) <= at_most < upper_bound(np.zeros(n - 1))
    assert fewest_cases(1.0) == 0


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=60),
    st.floats(0.5, 0.99),
)
def test_it_lies_above_the_mean_and_rises_with_confidence(losses, confidence) -> None:
    array = np.array(losses)
    bound = upper_bound(array, confidence)
    assert array.mean() - 1e-12 <= bound <= 1
    assert upper_bound(array, confidence / 2 + 0.5) >= bound - 1e-9


@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize("kind", ["rare", "half", "spread"])
def test_the_true_mean_is_above_it_in_at_most_one_of_ten_cohorts(kind: str, n: int) -> None:
    """250 cohorts each: of 0.1 the standard error is 0.019."""
    rng = np.random.default_rng(7)
    draw, mean = {
        "rare": (lambda size: (rng.random(size) < 0.04) / 2, 0.02),
        "half": (lambda size: (rng.random(size) < 0.5).astype(float), 0.5),
        "spread": (lambda size: rng.beta(0.3, 2.7, size), 0.1),
    }[kind]
    wrong = np.mean([upper_bound(draw(n)) < mean for _ in range(250)])
    assert wrong <= 0.1 + 3 * 0.019
