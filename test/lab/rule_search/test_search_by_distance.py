"""A rule by distance from files to the refined labels: search, explain, freeze, refine."""

from pathlib import Path

import numpy as np
import pytest
from stroke_cohort import StrokeCohort

CASES = 12


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> StrokeCohort:
    """A dozen lesions, each with a true island three slices below it and a false one far away.

    All islands are of one size, and nothing but the distance tells them apart.
    """
    cohort = StrokeCohort(tmp_path_factory.mktemp("cohort"), (1.0, 1.0, 2.0))
    rng = np.random.default_rng(5)
    for i in range(CASES):
        reference = np.zeros((14, 24, 30), np.uint8)
        reference[3:7, 4 : 11 + i % 3, 4:12] = 1
        reference[9:11, 4:6, 6:8] = 1
        prediction = reference.copy()
        prediction[9:11, 16:18, 24:26] = 1
        cohort.write_case(f"p{i:02d}", reference, prediction, rng)
    cohort.search("--config", "every-predicate")
    return cohort


def test_the_far_island_goes_and_the_near_one_stays(searched: StrokeCohort) -> None:
    rule = searched.shipped_rule()
    # The near island is three slices of 2 mm below, the far one at least 13 mm away.
    assert 6 <= rule.unless_any["max_distance_mm"] < 15
    searched.check_refined()


def test_the_page_draws_the_curve_of_distances(searched: StrokeCohort, tmp_path: Path) -> None:
    text = searched.explain(tmp_path / "page.html")
    assert "mm from a larger one" in text
    assert "components farther from a larger one than, mm" in text
