"""Instances matched one to one, by hand."""

import math

import numpy as np
import pytest

from lab.metrics.brats2026 import REGIONS, Instance, MetParser, match_instances, parse_mets, score
from lab.metrics.pair import Pair


def line(*runs: tuple[int, int], length: int = 40) -> np.ndarray:
    mask = np.zeros((3, 3, length), bool)
    for start, stop in runs:
        mask[1, 1, start:stop] = True
    return mask


def test_a_lesion_in_two_pieces_is_one_hit_and_one_false() -> None:
    instances, false = match_instances(line((0, 6), (7, 10)), line((0, 10)), (1, 1, 1))
    assert false == 1
    assert instances[0].scores is not None
    assert instances[0].scores[0] == pytest.approx(2 * 6 / 16)


def test_matching_takes_the_best_sum_not_the_first() -> None:
    # The first prediction meets both lesions, the second only the first.
    prediction, reference = line((0, 4), (5, 20)), line((0, 10), (11, 20))
    instances, false = match_instances(prediction, reference, (1, 1, 1))
    assert false == 0
    dice = [i.scores[0] for i in instances if i.scores]
    assert dice == pytest.approx([2 * 4 / 14, 2 * 9 / 24])


def test_edge_values() -> None:
    nothing, tumour = np.zeros((3, 3, 40), np.uint8), 3 * line((0, 9)).astype(np.uint8)
    elsewhere = 3 * line((20, 29)).astype(np.uint8)
    region = REGIONS["goat"]
    empty = score(Pair(nothing, nothing, (1, 1, 1)), region)["ET"]
    assert all(math.isnan(empty[name]) for name in ("dice", "hd95", "nsd", "rq", "global_bin_dsc"))
    for pair in (
        Pair(nothing, tumour, (1, 1, 1)),
        Pair(tumour, nothing, (1, 1, 1)),
        Pair(elsewhere, tumour, (1, 1, 1)),
    ):
        result = score(pair, region)["ET"]
        assert (result["dice"], result["hd95"], result["nsd"], result["rq"]) == (0, 373, 0, 0)
        assert result["sq_hd95"] == result["global_bin_hd95"] == math.inf


def test_mets_punishes_every_miss_and_every_false_instance_twice() -> None:
    instances = [
        Instance(100, 100.0, (0.8, 2.0, 0.9)),
        Instance(50, 50.0, None),
        Instance(27, 27.0, (0.1, 5.0, 0.2)),
        Instance(10, 10.0, (0.2, 1.0, 1.0)),
        Instance(9, 9.0, (0.1, 1.0, 1.0)),
    ]
    result = parse_mets(instances, false=1)
    assert result["lesionwise_dsc_mean"] == pytest.approx((0.8 + 0.1 + 0 + 0) / 4)
    assert result["lesionwise_hd95_mean"] == pytest.approx((2 + 5 + 373 + 373) / 4)
    assert [result[f"large_instance_{k}"] for k in ("tp", "fp", "fn")] == [1, 1, 2]
    assert [result[f"small_instance_{k}"] for k in ("tp", "fp", "fn")] == [1, 1, 1]
    assert result["small_instance_f1"] == pytest.approx(2 / 4)
    gentle = parse_mets(instances, false=1, parser=MetParser(penalises=False))
    assert gentle["lesionwise_dsc_mean"] == pytest.approx(0.45)


def test_mets_without_a_large_lesion_has_no_mean() -> None:
    result = parse_mets([Instance(5, 5.0, None)], false=3)
    assert math.isnan(result["lesionwise_dsc_mean"])
    assert result["small_instance_fn"] == 1
    assert math.isnan(parse_mets([], false=3)["small_instance_f1"])


def test_distances_take_the_spacing_in_the_evaluators_order() -> None:
    """Moved by one voxel along x, the spacing that counts is that of z."""
    reference = np.zeros((8, 8, 8), np.uint8)
    reference[2:6, 2:6, 2:6] = 3
    pair = Pair(np.roll(reference, 1, axis=2), reference, (3.0, 1.0, 1.0))
    result = score(pair, REGIONS["goat"])["ET"]
    assert result["hd95"] == 3.0
    assert result["global_bin_hd95"] == 1.0


def test_goat_scores_whole_masks_at_one_millimetre() -> None:
    """A cube moved by a voxel of 1 mm: its border is near. One of 2 mm: half of it is not."""
    reference = np.zeros((10, 10, 10), np.uint8)
    reference[3:7, 3:7, 3:7] = 3
    moved = np.roll(reference, 1, axis=0)
    result = score(Pair(moved, reference, (1, 1, 1)), REGIONS["goat"], global_nsd_mm=1.0)["ET"]
    assert result["global_dice"] == result["global_bin_dsc"] == pytest.approx(48 / 64)
    assert result["global_nsd_1.0"] == 1
    assert result["global_bin_nsd"] < 1  # half a voxel, as the evaluator has it
    thick = score(Pair(moved, reference, (2, 1, 1)), REGIONS["goat"], global_nsd_mm=1.0)["ET"]
    # Of 56 border voxels the 16 of the far face are 2 mm away; those inside of it, 1 mm.
    assert thick["global_nsd_1.0"] == pytest.approx(1 - 16 / 56)
    sideways = Pair(np.roll(reference, 1, axis=2), reference, (2, 1, 1))
    assert score(sideways, REGIONS["goat"], global_nsd_mm=1.0)["ET"]["global_nsd_1.0"] == 1


def test_whole_masks_that_share_nothing_or_are_not_there() -> None:
    nothing, tumour = np.zeros((3, 3, 40), np.uint8), 3 * line((0, 9)).astype(np.uint8)
    beside = 3 * line((9, 18)).astype(np.uint8)  # as near as can be
    for pair, expected in (
        ((nothing, nothing), math.nan),
        ((nothing, tumour), 0),
        ((tumour, nothing), 0),
        ((beside, tumour), 0),
    ):
        result = score(Pair(*pair, (1, 1, 1)), REGIONS["goat"], global_nsd_mm=1.0)["ET"]
        for name in ("global_dice", "global_nsd_1.0"):
            assert result[name] == pytest.approx(expected, nan_ok=True)


def test_meningioma_has_the_regions_of_its_configurations() -> None:
    labels = np.array([0, 1, 2, 3], np.uint8).reshape(1, 2, 2)
    pair = Pair(labels, labels, (1, 1, 1))
    assert set(score(pair, REGIONS["men"])) == {"ET", "TC", "WT"}
    assert {
        r: row["global_bin_volume_ref"] for r, row in score(pair, REGIONS["men-rt"]).items()
    } == {"GTV": 1}
