"""What was proven, in words that promise no more than the numbers."""

import pytest

from lab.packing.proof_summary import agreement

TILE = {"shape": [16, 16, 16], "of_patch": "whole"}
EQUAL = {"differing": 0, "voxels": 4096, "logits_in_deviations": 0.0}


@pytest.mark.parametrize(
    ("differing", "percent"), [(0, "100.0000%"), (4, "99.9999%"), (6_144_000, "50.0000%")]
)
def test_all_voxels_agree_only_where_none_differs(differing: int, percent: str) -> None:
    case = {"id": "x", "voxels": 12_288_000, "differing": differing, "dice": {}}
    case |= {"agreement": 1 - differing / 12_288_000}
    record = {"judge": "nnU-Net", "tiles": {"folds": {"0": TILE | {"as_packed": EQUAL}}}}
    _, text = agreement(record | {"case": case})
    assert text == f"case x: {differing:,} of 12,288,000 voxels differ from stock, {percent} agree"


def test_each_change_is_counted_against_the_unchanged_model() -> None:
    cost = {"half precision": {"differing": 3}, "no mirroring": {"differing": 1500}}
    case = {"id": "synthetic case", "voxels": 2000, "cost": cost}
    record = {"not_proven": "no such trainer", "tiles": {"folds": {"0": TILE}}, "case": case}
    assert list(agreement(record)) == [
        "not proven: no such trainer",
        "synthetic case: half precision changes 3 of 2,000 voxels",
        "synthetic case: no mirroring changes 1,500 of 2,000 voxels",
    ]
