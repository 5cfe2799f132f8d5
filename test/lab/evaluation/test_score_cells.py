"""Which numbers of a result file are measured scores."""

import math

import numpy as np

from lab.evaluation.columns import Column
from lab.evaluation.results import Facts, Results
from lab.evaluation.score_cells import gather, volume_errors

NAN = math.nan
COLUMNS = (Column("RC", "dice"), Column("RC", "hd95"))


def facts(reference: int, predicted: int) -> Facts:
    """Voxel counts of one label that do not overlap."""
    return Facts("p", "r", 1.0, np.array([[90, predicted], [reference, 0]]), {})


def scored(dice: float, hd95: float, counts: dict | None = None, **more) -> Results:
    return Results(
        **{
            "scorer": "2025-gli",
            "cases": {"x": {"RC": {"dice": dice, "hd95": hd95} | (counts or {})}},
            "labels": {"RC": 4},
            "regions": {"RC": ("RC",)},
        }
        | more
    )


def test_a_region_in_neither_map_has_no_score_whatever_the_value() -> None:
    """As until 2025 (1 and 0) and since 2026 (NaN); a false region and a missed one have one."""
    systems = [
        scored(1.0, 0.0, facts={"x": facts(0, 0)}),
        scored(NAN, NAN, facts={"x": facts(0, 0)}),
        scored(0.0, 374.0, facts={"x": facts(0, 7)}),
        scored(0.0, 374.0, facts={"x": facts(7, 0)}),
    ]
    cells = gather(systems, ["x"], COLUMNS)
    assert cells.defined[0].tolist() == [[False, False, True, True]] * 2
    assert cells.both_absent[0].tolist() == [[False, True, False, False]] * 2
    assert cells.counted


def test_lesion_counts_tell_where_voxel_counts_lack() -> None:
    """As in the platforms' CSVs: a perfect value of no lesion is a convention's."""
    none = {"num_tp": 0, "num_fp": 0, "num_fn": 0}
    one = none | {"num_tp": 1}
    cells = gather([scored(1.0, 0.0, none), scored(1.0, 0.0, one)], ["x"], COLUMNS)
    assert cells.defined[0].tolist() == [[False, True]] * 2
    assert cells.counted


def test_a_count_of_nothing_is_measured() -> None:
    """No false lesion is better than two, where the reference has none."""
    none = {"num_tp": 0, "num_fp": 0, "num_fn": 0}
    systems = [scored(1.0, 0.0, none), scored(0.0, 374.0, none | {"num_fp": 2})]
    cells = gather(systems, ["x"], [Column("RC", "num_fp"), Column("RC", "dice")])
    assert cells.defined[0].tolist() == [[True, True], [False, True]]


def test_without_counts_every_number_is_taken_as_measured() -> None:
    cells = gather([scored(1.0, NAN)], ["x"], COLUMNS)
    assert cells.defined[0].tolist() == [[True], [False]]
    assert not cells.counted


def test_nnunets_own_voxel_counts() -> None:
    zeros = {"tp": 0, "fp": 0, "fn": 0}
    cells = gather(
        [scored(NAN, NAN, zeros, scorer="nnunet"), scored(0.0, 1.0, zeros | {"fp": 3})],
        ["x"],
        COLUMNS,
    )
    assert cells.both_absent[0, 0].tolist() == [True, False]


def test_volume_errors_are_predicted_minus_reference() -> None:
    row = {"volume_prediction_mm3": 30.0, "volume_reference_mm3": 50.0}
    results = [Results("panther", {"x": {"tumour": row}}), Results("panther", {"x": {}})]
    errors = volume_errors(results, ["x"], ["tumour"])
    assert errors[0, 0, 0] == -20
    assert np.isnan(errors[0, 0, 1])
    assert volume_errors(results, ["x"], []).shape == (1, 0, 2)
