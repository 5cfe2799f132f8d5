"""The difference between seeds of one method, by hand."""

from pathlib import Path

import pytest

from lab.evaluation.columns import ComparisonError, RequestedColumns
from lab.evaluation.comparison import comparison_of
from lab.evaluation.pair import MEAN_RANK, MEAN_SCORE
from lab.evaluation.results import Results
from lab.evaluation.seed_floor import SeedFloor, seed_floor
from lab.evaluation.standings import Rule


def scored(scorer: str = "2025-ssa", **dice: float) -> Results:
    return Results(scorer, {id: {"WT": {"dice": value}} for id, value in dice.items()})


A, B = scored(a=0.5, b=0.7, c=0.9), scored(a=0.6, b=0.8, d=0.1)
COMPARED = comparison_of({"A": Path("a"), "B": Path("b")}, [A, B], RequestedColumns())


def floor(*seeds: Results, what: str = MEAN_SCORE) -> SeedFloor:
    return seed_floor({Path(str(i)): each for i, each in enumerate(seeds)}, COMPARED, what, Rule())


def test_the_floor_is_the_largest_difference_over_the_cases_that_are_compared() -> None:
    # Over a and b alone: means 0.6, 0.61 and 0.58; c, where the seeds differ most, is not compared.
    second, third = scored(a=0.52, b=0.7, c=0.0), scored(a=0.5, b=0.66, c=0.9)
    assert floor(A, second) == SeedFloor(MEAN_SCORE, pytest.approx(0.01), 2, 2)
    assert floor(A, second, third) == SeedFloor(MEAN_SCORE, pytest.approx(0.03), 3, 2)
    assert floor(A, A, what=MEAN_RANK).value == 0
    # The second seed wins in one of two cases and ties in the other: ranks 1.25 and 1.75.
    assert floor(A, second, what=MEAN_RANK).value == pytest.approx(0.5)


def test_seeds_scored_otherwise_are_refused() -> None:
    with pytest.raises(ComparisonError, match="scorer 2025-gli, but 0: scorer 2025-ssa"):
        floor(A, scored("2025-gli", a=0.5, b=0.7))
    with pytest.raises(ComparisonError, match="1 case in all of 0, 1"):
        floor(A, scored(a=0.5))
