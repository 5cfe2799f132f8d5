"""Each candidate by itself, and its difference to the first, where both have a number."""

from types import SimpleNamespace

import numpy as np
import pytest

from lab.member_selection.per_candidate import candidate_scores

NAN = np.nan


def rows_of(table: np.ndarray, *columns: tuple[str, str]) -> dict:
    """Score candidates named a, b, ... whose numbers (candidate, case, column) are known."""
    candidates = [SimpleNamespace(name=name) for name in "abc"[: len(table)]]
    pool = SimpleNamespace(candidates=candidates)
    scores = SimpleNamespace(pool=pool, columns=columns, of=lambda ensembles: table)
    return {(row.candidate, row.metric): row for row in candidate_scores(scores)}


def test_a_difference_is_of_the_cases_where_both_have_a_number() -> None:
    """b has no number in the case that a does badly in; where both have one, they are equal."""
    table = np.array([[[0.8], [0.8], [0.2]], [[0.8], [0.8], [NAN]]])
    rows = rows_of(table, ("WT", "dice"))
    assert rows["a", "dice"].value == pytest.approx(0.6)
    assert rows["b", "dice"].value == pytest.approx(0.8)
    assert rows["b", "dice"].over_first == pytest.approx(0.0)
    assert rows["b", "dice"].over_first_interval == pytest.approx((0.0, 0.0))
    assert rows["a", "dice"].over_first == 0.0


def test_distances_are_in_mm_and_volume_errors_root_mean_squares() -> None:
    table = np.array([[[4.0, 3.0], [6.0, -4.0]], [[3.0, 0.0], [3.0, 5.0]]])
    rows = rows_of(table, ("tumour", "hd95"), ("tumour", "volume_error_mm3"))
    assert rows["a", "hd95"].value == pytest.approx(5.0)
    assert rows["b", "hd95"].over_first == pytest.approx(-2.0)
    assert rows["a", "volume_error_mm3"].value == pytest.approx(12.5**0.5)
    assert rows["b", "volume_error_mm3"].over_first == pytest.approx(0.0)
    low, high = rows["b", "hd95"].over_first_interval
    assert low == pytest.approx(-3.0) and high == pytest.approx(-1.0)
