"""A rule by size or peak from files to the container's labels: search, freeze, refine."""

from pathlib import Path

import numpy as np
import pytest
from stroke_cohort import StrokeCohort

CASES = 12
LESION = 1


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> StrokeCohort:
    """A dozen cases: a large doubtful lesion, and true and false islands of one size.

    Only the peak tells the islands apart, and only the size keeps the lesion.
    """
    cohort = StrokeCohort(tmp_path_factory.mktemp("cohort"))
    rng = np.random.default_rng(5)
    for i in range(CASES):
        reference = np.zeros((14, 24, 24), np.uint8)
        reference[3:9, 4 : 11 + i % 3, 4:12] = LESION
        prediction = reference.copy()
        sure = np.where(reference, 0.52, 0.05) + rng.uniform(0, 0.02, reference.shape)
        for at in (4, 10):
            reference[11:13, at : at + 2, 18:20] = prediction[11:13, at : at + 2, 18:20] = LESION
            sure[11, at, 18:20] = rng.uniform(0.9, 0.99)
            prediction[11:13, at + 8 : at + 10, 22:24] = LESION
            sure[11, at + 8, 22:24] = rng.uniform(0.56, 0.64)
        cohort.write_case(f"p{i:02d}", reference, prediction, rng)
        path = cohort.root / "oof" / f"p{i:02d}.npz"
        np.savez(path, probabilities=np.stack([1 - sure, sure]))
    cohort.search("--probabilities", cohort.root / "oof")
    return cohort


def test_a_rule_by_size_or_peak_is_searched_shipped_and_applied(searched: StrokeCohort) -> None:
    rule = searched.shipped_rule()
    assert 0.6 < rule.unless_any["min_peak_probability"] <= 0.9
    assert rule.unless_any["min_volume_mm3"] > 8
    searched.check_refined("--probabilities", searched.root / "oof")


def test_the_page_shows_the_curve_of_both_thresholds(
    searched: StrokeCohort, tmp_path: Path
) -> None:
    text = searched.explain(tmp_path / "page.html")
    assert "lesion components &lt; " in text and "and peak &lt; " in text
    assert "and size, mm³" in text
