"""What each kind of rule changes, on cubes that can be counted by hand and on random maps."""

import numpy as np
import pytest
from cubes import GLI, PANTHER, box

from postprocess.apply_rules import apply_rules
from postprocess.rule_base import EnsembleMaps
from postprocess.rules_by_size import KeepLargest, KeepOne, RelabelMinor, RemoveSmall

MM = (1.0, 1.0, 1.0)
NETC, SNFH, ET, RC = (GLI.labels[name] for name in ("NETC", "SNFH", "ET", "RC"))


def apply(labels, *rules, scheme=GLI, probability=None):
    return apply_rules(labels, rules, scheme, MM, EnsembleMaps(probability)).labels


def line(*values):
    """A label map of one row."""
    return np.array([[values]], np.uint8)


def row(labels):
    return labels.ravel().tolist()


# Regions


def test_a_region_is_taken_as_one_piece_and_goes_with_all_its_labels():
    labels = line(NETC, ET, 0, NETC, ET, ET, 0, SNFH)
    assert row(apply(labels, RemoveSmall(region="TC", min_voxels=3))) == [
        0,
        0,
        0,
        NETC,
        ET,
        ET,
        0,
        SNFH,
    ]


def test_a_core_that_goes_from_oedema_leaves_no_hole():
    labels = np.full((5, 5, 5), SNFH, np.uint8)
    labels[2, 2, 1:4] = NETC, ET, NETC
    after = apply(labels, RemoveSmall(region="TC", becomes="surrounding", min_voxels=4))
    assert (after == SNFH).all()


def test_removal_from_the_inside_out_repairs_every_hole():
    """Enhancement in the core becomes core, core in the oedema oedema, the rest background."""
    labels = np.zeros((9, 9, 18), np.uint8)
    box(labels, SNFH, (0, 0, 0), (9, 9, 9))
    box(labels, NETC, (2, 2, 2), (5, 5, 5))
    labels[4, 4, 4] = labels[1, 1, 1] = labels[4, 4, 14] = ET
    rules = [RemoveSmall(region=r, becomes="surrounding", min_voxels=9) for r in ("ET", "TC", "WT")]
    after = apply(labels, *rules)
    assert (after[4, 4, 4], after[1, 1, 1], after[4, 4, 14]) == (NETC, SNFH, 0)


def test_a_label_of_the_same_name_as_a_region_is_the_label():
    tumour, pancreas = PANTHER.labels["tumour"], PANTHER.labels["pancreas"]
    labels = line(pancreas, 0, tumour, pancreas)
    rule = RemoveSmall("pancreas", min_voxels=2)
    assert row(apply(labels, rule, scheme=PANTHER)) == [0, 0, tumour, 0]
    rule = RemoveSmall(region="pancreas", min_voxels=2)
    assert row(apply(labels, rule, scheme=PANTHER)) == [0, 0, tumour, pancreas]


def test_only_voxels_that_change_are_counted():
    labels = line(NETC, ET, ET, NETC)
    result = apply_rules(labels, [RemoveSmall(region="TC", becomes="NETC", min_voxels=9)], GLI, MM)
    assert (row(result.labels), result.applied[0]["voxels"]) == ([NETC] * 4, 2)


# Connectivity


@pytest.mark.parametrize(("connectivity", "left"), [(6, 0), (18, 2), (26, 3)])
def test_connectivity_decides_what_is_small(connectivity, left):
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, 0] = labels[1, 1, 0] = labels[2, 2, 1] = ET  # an edge, then a corner
    after = apply(labels, RemoveSmall("ET", min_voxels=2, connectivity=connectivity))
    assert np.count_nonzero(after) == left


def test_connectivity_decides_what_is_enclosed_and_what_piece_is_kept():
    labels = np.full((5, 5, 5), SNFH, np.uint8)
    labels[1, 1, 1] = labels[2, 2, 2] = ET
    labels[1, 1, 0] = 0
    for connectivity, left in ((26, 0), (6, SNFH)):
        rule = RemoveSmall("ET", "surrounding", min_voxels=9, connectivity=connectivity)
        assert apply(labels, rule)[2, 2, 2] == left
    for connectivity, left in ((26, 2), (6, 1)):
        rules = RemoveSmall("ET", min_voxels=9), KeepOne("ET", connectivity=connectivity)
        assert np.count_nonzero(apply(labels, *rules) == ET) == left


# Probability


def certainty(values):
    def probability(names):
        assert names == ("ET",)
        return np.array([[values]], np.float32)

    return probability


def test_small_and_improbable_goes_small_or_improbable_stays():
    labels = line(ET, ET, 0, ET, ET, 0, ET, ET, ET)
    probability = certainty([0.25, 0.5, 0, 1.0, 0.25, 0, 0.125, 0.125, 0.125])
    rule = RemoveSmall("ET", min_voxels=3, min_mean_probability=0.5)
    after = row(apply(labels, rule, probability=probability))
    assert after == [0, 0, 0, ET, ET, 0, ET, ET, ET]  # means 0.375, 0.625, 0.125


def test_a_mean_at_the_minimum_stays():
    rule = RemoveSmall("ET", min_voxels=3, min_mean_probability=0.375)
    probability = certainty([0.25, 0.5])
    assert row(apply(line(ET, ET), rule, probability=probability)) == [ET, ET]


def test_without_probabilities_the_rule_is_skipped_with_a_warning():
    rule = RemoveSmall("ET", min_voxels=3, min_mean_probability=0.5)
    result = apply_rules(line(ET, ET), [rule], GLI, MM)
    assert row(result.labels) == [ET, ET]
    assert result.applied[0]["skipped"] == "no probabilities"
    assert (result.applied[0]["label"], result.applied[0]["voxels"]) == ("ET", 0)


def test_probabilities_of_unknown_challenge_are_as_good_as_none():
    def probability(names):
        raise ValueError(f"no channel holds all of {names}")

    rule = RemoveSmall("ET", min_voxels=3, min_mean_probability=0.5)
    result = apply_rules(line(ET), [rule], GLI, MM, EnsembleMaps(probability))
    assert row(result.labels) == [ET]
    assert result.applied[0]["skipped"].startswith("no probabilities: no channel holds")


# Nested objects


def test_a_core_that_holds_enhancement_stays():
    labels = line(NETC, ET, 0, NETC, NETC, 0, SNFH)
    rule = RemoveSmall(region="TC", min_voxels=5, unless_holds="ET")
    assert row(apply(labels, rule)) == [NETC, ET, 0, 0, 0, 0, SNFH]


@pytest.mark.parametrize(("share", "left"), [(0.5, 1), (0.6, 0)])
def test_an_object_spread_over_two_pieces_is_held_by_its_share(share, left):
    labels = np.zeros((2, 2, 2), np.uint8)
    labels[0, 0, 0] = labels[1, 1, 0] = ET  # two components at 6, one at 26
    labels[1, 1, 1] = NETC
    rule = RemoveSmall(
        region="TC", min_voxels=2, connectivity=6, unless_holds="ET", holds_share=share
    )
    assert apply(labels, rule)[0, 0, 0] == left * ET


# Largest


def test_the_largest_stay_and_the_first_of_equals():
    labels = line(ET, 0, ET, ET, 0, ET, ET, ET, 0, ET, ET)
    assert row(apply(labels, KeepLargest("ET", k=1)))[5:8] == [ET] * 3
    assert np.count_nonzero(apply(labels, KeepLargest("ET", k=1))) == 3
    assert row(apply(labels, KeepLargest("ET", k=2))) == [0, 0, ET, ET, 0, ET, ET, ET, 0, 0, 0]
    assert row(apply(labels, KeepLargest("ET", k=9))) == row(labels)
    assert row(apply(labels, KeepLargest("ET", "SNFH", k=3)))[0] == SNFH


def test_all_that_are_as_large_as_the_last_to_stay_can_stay():
    labels = line(ET, 0, ET, ET, 0, ET, ET, ET, 0, ET, ET)
    assert row(apply(labels, KeepLargest("ET", k=1, ties="all"))) == [0] * 5 + [ET] * 3 + [0] * 3
    assert row(apply(labels, KeepLargest("ET", k=2, ties="all"))) == [0, 0, *row(labels)[2:]]
    assert row(apply(labels, KeepLargest("ET", k=4, ties="all"))) == row(labels)
    assert row(apply(line(0, 0), KeepLargest("ET", k=1, ties="all"))) == [0, 0]


def test_the_foreground_is_a_region_of_all_labels():
    labels = line(NETC, RC, SNFH, 0, ET, RC)  # RC is part of no region of the challenge
    rule = KeepLargest(region="foreground", k=1)
    assert row(apply(labels, rule)) == [NETC, RC, SNFH, 0, 0, 0]


def test_the_largest_are_chosen_after_small_ones_went_and_before_shares_are_taken():
    labels = line(ET, ET, ET, 0, ET, ET, 0, SNFH)
    rules = (RelabelMinor("ET", "NETC", 0.76), KeepLargest("ET", k=1))
    after = apply(labels, *rules)  # 3 of 4 is 0.75, 5 of 6 would not be
    assert row(after) == [NETC, NETC, NETC, 0, 0, 0, 0, SNFH]
    # The core without its specks is in two, and only the larger of them stays.
    labels = line(NETC, NETC, NETC, ET, NETC, NETC)
    rules = (KeepLargest(region="TC", k=1), RemoveSmall("ET", min_voxels=2))
    assert row(apply(labels, *rules)) == [NETC, NETC, NETC, 0, 0, 0]


# Shares


def test_shares_can_be_taken_in_each_piece_of_the_tumour():
    labels = line(ET, SNFH, SNFH, SNFH, 0, ET, SNFH, SNFH, 0, SNFH)
    rule = RelabelMinor("ET", "NETC", 0.3, per="component")  # 1 of 4, then 1 of 3
    assert row(apply(labels, rule)) == [NETC, SNFH, SNFH, SNFH, 0, ET, SNFH, SNFH, 0, SNFH]
    at_it = RelabelMinor("ET", "NETC", 0.25, per="component")
    assert row(apply(labels, at_it)) == row(labels)
    whole = RelabelMinor("ET", "NETC", 0.3)  # 2 of 8
    assert row(apply(labels, whole))[5] == NETC


def test_pieces_of_the_tumour_are_those_of_the_connectivity():
    labels = np.zeros((2, 2, 2), np.uint8)
    labels[0, 0, 0], labels[1, 1, 1] = ET, SNFH
    rule = {"becomes": "NETC", "min_share": 0.6, "per": "component"}
    assert apply(labels, RelabelMinor("ET", **rule))[0, 0, 0] == NETC
    assert apply(labels, RelabelMinor("ET", **rule, connectivity=6))[0, 0, 0] == ET


# Never empty


def test_what_would_be_gone_keeps_its_largest_piece_with_its_labels():
    labels = line(NETC, ET, SNFH, 0, ET, ET, 0, RC)
    removal = RemoveSmall(region="WT", min_voxels=9)
    result = apply_rules(labels, [KeepOne(region="WT"), removal], GLI, MM)
    assert row(result.labels) == [NETC, ET, SNFH, 0, 0, 0, 0, RC]
    assert [(r["kind"], r["voxels"]) for r in result.applied] == [
        ("remove-small", 5),
        ("keep-one", 3),
    ]


def test_what_never_was_does_not_come_and_what_is_left_is_left():
    labels = line(SNFH, 0, ET)
    assert row(apply(labels, KeepOne("NETC"), KeepOne("ET"))) == row(labels)
    after = apply(labels, RemoveSmall("ET", min_voxels=2), KeepOne(region="WT"))
    assert row(after) == [SNFH, 0, 0]


@pytest.mark.parametrize("order", [("NETC", "ET"), ("ET", "NETC")])
def test_giving_one_label_back_does_not_take_the_last_of_another(order):
    labels = line(NETC, 0, ET, ET)
    rules = [RemoveSmall("NETC", min_voxels=9), RemoveSmall("ET", "NETC", min_voxels=9)]
    after = apply(labels, *rules, *(KeepOne(name) for name in order))
    assert row(after) == row(labels)
