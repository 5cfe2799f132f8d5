"""Which columns of a scorer a search looks at."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.scheme import SCHEMES
from lab.metrics.objective import (
    cohort_numbers,
    objective_values,
    reported_values,
    selection_columns,
    unmeasured_line,
)
from lab.metrics.panther import volume_rmse_mm3
from lab.metrics.scorers import SCORERS
from lab.metrics.search_columns import search_columns, searched_scorer


def metrics_of(name: str, objective: str = "overlap") -> set[str]:
    scorer = SCORERS[name]
    columns = search_columns(scorer, SCHEMES[str(scorer.scheme)], objective)
    return {metric for _, metric in columns}


@pytest.mark.parametrize(
    ("scorer", "metrics"),
    [
        ("2023-gli", {"dice"}),
        ("2025-gli", {"dice", "nsd_0.5", "nsd_1.0"}),
        ("2026-mets", {"dice", "nsd"}),
        ("2026-ped", {"dice", "nsd"}),
        ("2026-goat", {"global_dice", "global_nsd_1.0"}),
        ("2026-isles", {"dice", "lesion_f1", "volume_difference_ml", "lesion_count_difference"}),
        ("panther", {"dice", "surface_dice_5mm"}),
    ],
)
def test_a_search_looks_at_what_ranks(scorer: str, metrics: set[str]) -> None:
    assert metrics_of(scorer) == metrics


@pytest.mark.parametrize(
    ("scorer", "metrics"),
    [
        ("2023-gli", {"dice", "hd95"}),  # as its organisers rank: Dice and HD95
        ("2024-men-rt", {"dice", "hd95"}),
        ("2025-gli", {"dice", "nsd_0.5", "nsd_1.0"}),  # they do not say
        ("2026-mets", {"dice", "nsd"}),
        ("panther", {"dice", "surface_dice_5mm", "hd95", "masd"}),
    ],
)
def test_ranks_count_distances_where_the_organisers_rank_by_them(
    scorer: str, metrics: set[str]
) -> None:
    assert metrics_of(scorer, "rank") == metrics


@pytest.mark.parametrize("name", list(SCORERS))
def test_what_scores_variants_has_all_columns_and_is_fast_where_it_can_be(name: str) -> None:
    scorer = SCORERS[name]
    if scorer.by_cohort:  # a search does not take it
        return
    scheme = SCHEMES[str(scorer.scheme)]
    for objective in ("overlap", "rank", "positions"):
        columns = search_columns(scorer, scheme, objective)
        searched = searched_scorer(scorer, columns)
        assert (searched.fast_scorer is None) == (scorer.fast_scorer is None)
    quick = searched_scorer(scorer, search_columns(scorer, scheme))
    assert quick.fast_scorer is scorer.fast_scorer  # without distances, which take longer


@pytest.mark.parametrize(
    ("scorer", "metrics"),
    [
        ("2025-gli", ["dice", "nsd_0.5", "nsd_1.0", "hd95"]),
        ("2026-mets", ["dice", "nsd", "small_instance_f1"]),
        ("2026-goat", ["global_dice", "global_nsd_1.0"]),
        ("2026-isles", ["dice", "lesion_f1", "volume_difference_ml", "lesion_count_difference"]),
        ("panther", ["dice", "surface_dice_5mm", "hd95", "masd", "volume_error_mm3"]),
    ],
)
def test_a_selection_ranks_what_the_challenge_ranks(scorer: str, metrics: list[str]) -> None:
    result = SCORERS[scorer]
    columns = selection_columns(result, SCHEMES[str(result.scheme)])
    first = columns[0][0]
    assert [metric for region, metric in columns if region == first] == metrics


def test_what_ranks_and_is_not_measured_on_label_maps_is_said() -> None:
    line = unmeasured_line(SCORERS["2026-isles"])
    assert line.startswith("pr_auc, by which 2026-isles ranks too, is not measured: ")
    others = [scorer for name, scorer in SCORERS.items() if name != "2026-isles"]
    assert {unmeasured_line(scorer) for scorer in others} == {""}


def test_objectives_know_metrics_of_whole_masks() -> None:
    columns = [("WT", "global_dice"), ("WT", "global_nsd_1.0")]
    scores = np.array([[[0.8, 0.4]]])
    for objective, expected in (("overlap", 0.6), ("dice", 0.8), ("nsd", 0.4)):
        assert objective_values(scores, columns, objective) == pytest.approx(expected)


def test_an_infinite_number_of_a_case_that_does_not_count_does_not_count() -> None:
    """A candidate that misses a held-out case must not lose where it is chosen without it."""
    columns = [("WT", "hd95")]
    table = np.array([[[2.0], [np.inf]], [[3.0], [4.0]]])
    numbers = cohort_numbers(table, columns, np.array([1.0, 0.0]))
    np.testing.assert_array_equal(numbers, [[-2.0], [-3.0]])
    assert cohort_numbers(table, columns, np.ones(2)).tolist() == [[-np.inf], [-3.5]]


def test_distances_are_better_when_lower_and_of_no_region_0() -> None:
    columns = [("WT", "dice"), ("WT", "hd95"), ("ET", "hd95")]
    scores = np.array([[[0.9, 4.0, np.nan], [0.9, 2.0, 6.0]]])
    assert objective_values(scores, columns, "hd95").tolist() == [[-2.0, -4.0]]


ERRORS = st.lists(st.floats(-1e5, 1e5).map(lambda x: round(x, 3)), min_size=4, max_size=4)


@given(st.lists(ERRORS, min_size=2, max_size=6))
def test_the_mean_of_volume_orders_as_the_cohorts_rmse(errors: list[list[float]]) -> None:
    """Candidates with an RMSE in order have means in order, PANTHER's own RMSE the second hand."""
    columns = [("tumour", "volume_error_mm3")]
    scores = np.array(errors).T[:, :, None]  # (case, candidate, column)
    means = objective_values(scores, columns, "volume").mean(0)
    reference = np.full(4, 2e5)
    rmse = [volume_rmse_mm3(reference + np.array(each), reference) for each in errors]
    np.testing.assert_allclose(np.sqrt(-means) * 1000, rmse, rtol=1e-9, atol=1e-9)
    assert rmse[int(means.argmax())] == pytest.approx(min(rmse))


def test_positions_of_a_case_are_ranks_against_no_rules() -> None:
    """A case better in Dice, worse in HD95 and as far from the volume, too small not too large."""
    columns = [("tumour", metric) for metric in ("dice", "hd95", "volume_error_mm3")]
    without = np.array([[0.5, 4.0, -30.0]])
    scores = np.array([[[0.6, 5.0, 30.0], [0.6, 3.0, 10.0], [0.5, 4.0, -30.0]]])
    values = reported_values(scores, without, columns, "positions")
    assert values.tolist() == [[0.0, 1.0, 0.0]]
