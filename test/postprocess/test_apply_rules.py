"""Rules on cubes that can be counted by hand, and against a plain loop on random maps."""

import json
from pathlib import Path

import numpy as np
import pytest
from cubes import GLI, PED, box, random_map
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from postprocess.apply_rules import apply_rules
from postprocess.rule_base import RuleError
from postprocess.rule_kinds import row_from, rule_from
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

MM = (1.0, 1.0, 1.0)
NETC, SNFH, ET, RC = (GLI.labels[name] for name in ("NETC", "SNFH", "ET", "RC"))


def apply(labels, *rules, scheme=GLI, volume=1.0):
    return apply_rules(labels, rules, scheme, (1.0, 1.0, volume)).labels


def count(labels, value):
    return int((labels == value).sum())


@pytest.fixture
def labels():
    """SNFH of 60 voxels, ET of 8 beside it and another ET of 7 far away: 75 in all."""
    labels = np.zeros((10, 10, 20), np.uint8)
    box(labels, SNFH, (1, 1, 1), (3, 4, 5))
    box(labels, ET, (4, 1, 1), (2, 2, 2))
    box(labels, ET, (8, 8, 10), (1, 1, 7))
    return labels


def test_components_below_the_minimum_go_and_those_at_it_stay(labels):
    assert count(apply(labels, RemoveSmall("ET", min_voxels=7)), ET) == 15
    assert count(apply(labels, RemoveSmall("ET", min_voxels=8)), ET) == 8
    assert count(apply(labels, RemoveSmall("ET", min_voxels=9)), ET) == 0


def test_removed_voxels_take_the_named_label(labels):
    after = apply(labels, RemoveSmall("ET", "NETC", min_voxels=8))
    assert (count(after, NETC), count(after, ET)) == (7, 8)


def test_corner_contact_makes_one_component():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1, 1, 1] = labels[2, 2, 2] = ET
    assert count(apply(labels, RemoveSmall("ET", min_voxels=2)), ET) == 2


def test_components_are_of_the_label_not_of_the_tumour():
    labels = np.full((3, 3, 3), SNFH, np.uint8)
    labels[1, 1, 1] = ET
    assert count(apply(labels, RemoveSmall("ET", "SNFH", min_voxels=2)), SNFH) == 27


def test_volumes_are_in_mm3(labels):
    rule = RemoveSmall("ET", min_volume_mm3=16.0)
    assert count(apply(labels, rule, volume=1.0), ET) == 0
    assert count(apply(labels, rule, volume=2.0), ET) == 8  # 16 mm3 stays, 14 goes
    assert count(apply(labels, rule, volume=2.3), ET) == 15
    assert count(apply(labels, RemoveSmall("ET", min_voxels=8), volume=100.0), ET) == 8


def test_spacing_rounded_to_float32_does_not_move_a_volume_below_its_minimum(labels):
    volume = float(np.prod(np.float32([0.99999994, 0.99999994, 0.99999994]).astype(float)))
    assert volume < 1
    assert count(apply(labels, RemoveSmall("ET", min_volume_mm3=8.0), volume=volume), ET) == 8


def test_share_is_strictly_below_and_of_the_whole_foreground(labels):
    assert count(apply(labels, RelabelMinor("ET", "NETC", 0.20)), ET) == 15  # 15 of 75 is 0.20
    assert count(apply(labels, RelabelMinor("ET", "NETC", 0.21)), NETC) == 15
    box(labels, RC, (0, 9, 0), (1, 1, 10))  # a cavity counts too: 15 of 85 is 0.176
    assert count(apply(labels, RelabelMinor("ET", "NETC", 0.20)), NETC) == 15


def test_small_components_go_before_shares_are_taken_whatever_the_order_in_the_table(labels):
    rules = (RelabelMinor("ET", "NETC", 0.12), RemoveSmall("ET", min_voxels=8))
    after = apply(labels, *rules)  # 8 of 68 is 0.118; 15 of 75 would have been 0.20
    assert (count(after, NETC), count(after, ET), count(after, 0)) == (8, 0, 2000 - 68)


def test_shares_are_sequential_with_the_first_denominator(labels):
    labels[labels == SNFH] = 0
    box(labels, NETC, (1, 1, 1), (1, 1, 5))  # 15 ET and 5 NETC of 20
    after = apply(labels, RelabelMinor("ET", "NETC", 0.8), RelabelMinor("NETC", "SNFH", 1.0))
    assert count(after, NETC) == 20  # ET went first, so NETC is all of 20, not 5 of 20
    after = apply(labels, RelabelMinor("ET", "background", 0.8), RelabelMinor("NETC", "ET", 0.5))
    assert count(after, ET) == 5  # 5 of 20 still, not 5 of 5


def test_nothing_happens_on_an_empty_map_and_the_input_stays():
    empty = np.zeros((4, 4, 4), np.uint8)
    rules = (RelabelMinor("ET", "NETC", 1.0), RemoveSmall("ET", min_voxels=10))
    assert not apply(empty, *rules).any()
    labels = np.full((2, 2, 2), ET, np.uint8)
    assert not apply(labels, *rules).any()
    assert (labels == ET).all()


def test_only_rules_that_changed_something_are_reported(labels):
    rules = (RemoveSmall("ET", min_voxels=8), RemoveSmall("RC", min_voxels=99))
    applied = apply_rules(labels, rules, GLI, MM).applied
    row = {"kind": "remove-small", "label": "ET", "becomes": "background", "min_voxels": 8}
    assert applied == [{**row, "voxels": 7}]
    json.dumps(applied)


GOOD = {"kind": "remove-small", "label": "ET", "min_voxels": 5, "becomes": "background"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "remove-all"}, "remove-all"),
        ({"kind": None}, "known kind"),
        ({"kind": ["remove-small"]}, "known kind"),
        ({"label": "ED"}, "'ED'"),
        ({"label": ["ET"]}, "ET"),
        ({"becomes": "ED"}, "'ED'"),
        ({"becomes": "ET"}, "itself"),
        ({"min_volume": 3}, "min_volume"),
        ({"min_volume_mm3": 3}, "exactly one"),
        ({"min_voxels": None}, "exactly one"),
        ({"min_voxels": -1}, "-1"),
        ({"min_voxels": 2.5}, "2.5"),
        ({"min_voxels": True}, "True"),
        ({"min_voxels": "5"}, "'5'"),
        ({"min_voxels": None, "min_volume_mm3": float("nan")}, "nan"),
        ({"kind": "relabel-minor"}, "min_voxels"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(change, message):
    with pytest.raises(RuleError, match=message):
        rule_from({**GOOD, **change}, GLI)


def test_a_share_above_one_is_refused():
    with pytest.raises(RuleError, match=r"1\.5"):
        rule_from(
            {"kind": "relabel-minor", "label": "ET", "becomes": "NETC", "min_share": 1.5}, GLI
        )


def test_rows_and_rules_are_the_same_thing():
    share = {"kind": "relabel-minor", "label": "ET", "becomes": "NETC", "min_share": 0.04}
    volume = {"kind": "remove-small", "label": "RC", "becomes": "ET", "min_volume_mm3": 50.0}
    for row in (GOOD, share, volume):
        assert row_from(rule_from(row, GLI)) == row


def by_definition(labels, sizes, shares):
    """Apply the published definition component by component and label by label."""
    labels = labels.copy()
    for value, minimum in sizes.items():
        ids, number = ndimage.label(labels == value, structure=np.ones((3, 3, 3)))
        for i in range(1, number + 1):
            if (ids == i).sum() < minimum:
                labels[ids == i] = 0
    volume = (labels > 0).sum()
    for value, (cutoff, target) in shares.items():
        share = (labels == value).sum() / volume if volume else 1.0
        if share < cutoff:
            labels[labels == value] = target
    return labels


def table_rules(sizes, shares, scheme):
    name = {value: label for label, value in scheme.labels.items()}
    return (
        *(RemoveSmall(name[v], min_voxels=n) for v, n in sizes.items()),
        *(RelabelMinor(name[v], name[to], cutoff) for v, (cutoff, to) in shares.items()),
    )


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.dictionaries(st.integers(1, 4), st.integers(0, 60)),
    cutoffs=st.dictionaries(st.sampled_from([1, 3, 4]), st.floats(0, 1)),
)
def test_rules_are_the_published_definition(seed, sizes, cutoffs):
    labels = random_map(seed)
    shares = {value: (cutoff, 2) for value, cutoff in cutoffs.items()}
    after = apply(labels, *table_rules(sizes, shares, PED), scheme=PED)
    np.testing.assert_array_equal(after, by_definition(labels, sizes, shares))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    label=st.sampled_from(list(GLI.labels)),
    becomes=st.sampled_from(["background", *GLI.labels]),
    size=st.integers(0, 60),
    share=st.floats(0, 1),
)
def test_rules_never_add_foreground_and_removal_repeats_without_effect(
    seed, label, becomes, size, share
):
    labels = random_map(seed)
    if label == becomes:
        becomes = "background"
    removal = RemoveSmall(label, becomes, min_voxels=size)
    once = apply(labels, removal, RelabelMinor(label, becomes, share))
    assert not once[labels == 0].any()
    removed = apply(labels, removal)
    np.testing.assert_array_equal(apply(removed, removal), removed)


def test_published_tables_can_be_expressed(shared_data: Path):
    """63 numbers of a published paediatric table, read in place and applied to random maps."""
    folder = shared_data / "hope-segmenter-artefacts-NC"
    if not folder.is_dir():
        pytest.skip(f"no published tables at {folder}")
    sizes = json.loads((folder / "cc_thresholds_cv.json").read_text())["BraTS-PED"]
    shares = json.loads((folder / "lblredef_thresholds_cv.json").read_text())["BraTS-PED"]
    assert len(sizes) == len(shares) == 9
    for i, cluster in enumerate(sizes):
        size = {int(k[-1]): row["th"] for k, row in sizes[cluster].items()}
        share = {int(k[-1]): (r["th"], r["redefine_to"]) for k, r in shares[cluster].items()}
        labels = random_map(i, shape=(16, 16, 16))
        rows = [row_from(rule) for rule in table_rules(size, share, PED)]
        rules = [rule_from(row, PED) for row in json.loads(json.dumps(rows))]
        after = apply_rules(labels, rules, PED, MM).labels
        np.testing.assert_array_equal(after, by_definition(labels, size, share))
