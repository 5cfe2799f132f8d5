"""Which columns of a scorer a search looks at."""

import numpy as np
import pytest

from challenge.scheme import SCHEMES
from lab.metrics.objective import (
    cohort_numbers,
    objective_values,
    search_columns,
    selection_columns,
    unmeasured_line,
)
from lab.metrics.scorers import SCORERS


def metrics_of(name: str) -> set[str]:
    scorer = SCORERS[name]
    columns = search_columns(scorer, SCHEMES[str(scorer.scheme)])
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
