"""MIST's strategies become rules that do the same, and rules become strategies."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from challenge.scheme import SCHEMES
from lab.rule_search.mist_strategy import mist_from_rules, rules_from_mist
from postprocess.apply_rules import apply_rules
from postprocess.fill_holes import FillHoles
from postprocess.rules_by_size import KeepLargest, KeepOne, RelabelMinor, RemoveSmall

MM = (1.0, 1.0, 1.0)
GLI, SSA = SCHEMES["brats-gli"], SCHEMES["brats-ssa"]


def step(transform, labels, per_label=True, **kwargs):
    return {
        "transform": transform,
        "apply_to_labels": labels,
        "per_label": per_label,
        "kwargs": kwargs,
    }


REMOVE, REPLACE = "remove_small_objects", "replace_small_objects_with_label"
LARGEST, FILL = "get_top_k_connected_components", "fill_holes_with_label"


def test_a_step_is_a_rule_for_each_label_or_one_for_a_region():
    assert rules_from_mist([step(REMOVE, [1, 3], small_object_threshold=9)], GLI) == [
        RemoveSmall("NETC", min_voxels=9),
        RemoveSmall("ET", min_voxels=9),
    ]
    assert rules_from_mist([step(REMOVE, [3, 1], False, small_object_threshold=9)], GLI) == [
        RemoveSmall(region="TC", min_voxels=9)
    ]
    assert rules_from_mist([step(LARGEST, [-1], False)], SSA) == [KeepLargest(region="WT", k=1)]
    assert rules_from_mist([step(LARGEST, [-1], False)], GLI) == [
        KeepLargest(region="foreground", k=1)
    ]
    assert rules_from_mist([step(LARGEST, [4], False)], GLI) == [KeepLargest("RC", k=1)]


def test_defaults_are_those_of_mist():
    bare = {"transform": REMOVE, "apply_to_labels": [3], "apply_sequentially": True}
    assert rules_from_mist([bare], GLI) == [RemoveSmall("ET", min_voxels=64)]
    assert rules_from_mist([step(REPLACE, [3])], GLI) == [RemoveSmall("ET", min_voxels=64)]
    assert rules_from_mist([step(FILL, [3])], GLI) == [FillHoles("ET", "background")]


def test_a_threshold_of_zero_is_no_rule():
    assert rules_from_mist([step(REMOVE, [1, 3], small_object_threshold=0)], GLI) == []


def test_a_label_that_would_replace_itself_has_no_rule():
    steps = [step(REPLACE, [1, 3], small_object_threshold=5, replacement_label=1)]
    assert rules_from_mist(steps, GLI) == [RemoveSmall("ET", "NETC", min_voxels=5)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (step(FILL, [1, 3]), "fill_holes_with_label: .*give each label a step"),
        (step(FILL, [1], fill_holes_label=9), "label 9"),
        (step("smooth", [1]), "smooth: unknown transform"),
        (step(LARGEST, [1], apply_morphological_cleaning=True), "apply_morphological_cleaning"),
        (step(REMOVE, [1], min_size=5), "unknown kwargs.*min_size"),
        (step(REMOVE, [-1]), r"\[-1\] one by one"),
        (step(REMOVE, [2, 3], False), r"\[2, 3\] together are no region"),
        (step(REMOVE, [9]), "label 9"),
        (step(REMOVE, 3), "3 is not a list"),
        (step(REMOVE, [1], None), "per_label: None"),
        (step(REPLACE, [1], False), "needs per_label"),
        (step(REPLACE, [1], replacement_label=9), "label 9"),
        (step(REMOVE, [1], small_object_threshold=-3), "-3"),
        (step(LARGEST, [1], top_k_connected_components=0), "k: 0"),
        ({"apply_to_labels": [1]}, "no transform"),
        ([], "no transform"),
    ],
)
def test_a_step_without_counterpart_is_refused_by_name(wrong, message):
    with pytest.raises(ValueError, match=f"step 1: .*{message}"):
        rules_from_mist([step(REMOVE, [1]), wrong], GLI)


def test_an_order_that_rules_do_not_have_is_refused():
    for steps in ([step(LARGEST, [1]), step(REMOVE, [1])], [step(FILL, [1]), step(LARGEST, [1])]):
        with pytest.raises(ValueError, match=r"another order.*remove-small, keep-largest"):
            rules_from_mist(steps, GLI)
    with pytest.raises(ValueError, match="list of steps"):
        rules_from_mist({"steps": []}, GLI)


def test_rules_become_steps_in_the_order_in_which_they_apply():
    rules = [
        KeepLargest(region="TC", k=2),
        RemoveSmall("ET", "NETC", min_voxels=7),
        RemoveSmall("RC", min_voxels=0),
    ]
    assert mist_from_rules(rules, GLI) == [
        step(REPLACE, [3], small_object_threshold=7, replacement_label=1),
        step(LARGEST, [1, 3], False, top_k_connected_components=2),
    ]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (RelabelMinor("ET", "NETC", 0.1), "relabel-minor"),
        (KeepOne("ET"), "keep-one"),
        (RemoveSmall("ET", min_volume_mm3=5.0), "no min_volume_mm3"),
        (RemoveSmall("ET", min_voxels=5, min_mean_probability=0.5), "no min_mean_probability"),
        (RemoveSmall("ET", "surrounding", min_voxels=5), "'surrounding'"),
        (RemoveSmall(region="ET", becomes="NETC", min_voxels=5), "'NETC'"),
        (KeepLargest("ET", "NETC", k=1), "'NETC'"),
        (KeepLargest("ET", k=1, connectivity=18), "no connectivity"),
    ],
)
def test_what_a_strategy_cannot_say_is_refused_by_name(rule, message):
    with pytest.raises(ValueError, match=message):
        mist_from_rules([rule], GLI)


SUBJECTS = st.sampled_from(
    [{"label": name} for name in GLI.labels] + [{"region": "WT"}, {"region": "TC"}]
)
REMOVALS = st.builds(
    lambda subject, n: RemoveSmall(**subject, min_voxels=n), SUBJECTS, st.integers(1, 40)
)
REPLACEMENTS = st.builds(
    lambda pair, n: RemoveSmall(pair[0], pair[1], min_voxels=n),
    st.permutations(list(GLI.labels)).map(lambda names: names[:2]),
    st.integers(1, 40),
)
FILLINGS = st.builds(
    lambda subject, becomes: FillHoles(**subject, becomes=becomes),
    SUBJECTS,
    st.sampled_from(["background", *GLI.labels]),
)
LARGEST_ONES = st.builds(lambda subject, k: KeepLargest(**subject, k=k), SUBJECTS, st.integers(1))


@given(
    st.lists(REMOVALS | REPLACEMENTS, max_size=4),
    st.lists(LARGEST_ONES, max_size=3),
    st.lists(FILLINGS, max_size=3),
)
def test_rules_survive_export_and_import(removals, largest, fillings):
    rules = removals + largest + fillings
    steps = json.loads(json.dumps(mist_from_rules(rules, GLI)))
    assert rules_from_mist(steps, GLI) == rules


def plainly(labels, steps):
    """Carry out the steps of a strategy, piece by piece; all labels of a step see its start."""
    for one in steps:
        start, labels = labels, labels.copy()
        values = one["apply_to_labels"]
        groups = [[v] for v in values] if one["per_label"] else [values]
        for group in groups:
            if one["transform"] == FILL:
                mask = np.isin(start, group)
                holes = ndimage.binary_fill_holes(mask) & ~mask
                labels[holes] = one["kwargs"]["fill_holes_label"]
                continue
            ids, n = ndimage.label(np.isin(start, group), np.ones((3, 3, 3)))
            for i in range(1, n + 1):
                if (ids == i).sum() < one["kwargs"]["small_object_threshold"]:
                    labels[ids == i] = one["kwargs"].get("replacement_label", 0)
    return labels


LISTS = st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, unique=True)
THRESHOLDS = st.integers(0, 40)
STEPS = st.one_of(
    st.builds(lambda v, n: step(REMOVE, v, small_object_threshold=n), LISTS, THRESHOLDS),
    st.builds(lambda n: step(REMOVE, [1, 3], False, small_object_threshold=n), THRESHOLDS),
    st.builds(
        lambda v, n, to: step(REPLACE, v, small_object_threshold=n, replacement_label=to),
        LISTS,
        THRESHOLDS,
        st.integers(0, 4),
    ),
)


FILL_STEPS = st.builds(
    lambda values, to: step(FILL, values, len(values) == 1, fill_holes_label=to),
    st.sampled_from([[1], [2], [3], [4], [1, 3], [1, 2, 3]]),
    st.integers(0, 4),
)


@settings(max_examples=100)
@given(
    seed=st.integers(0, 10**6),
    removing=st.lists(STEPS, max_size=3),
    filling=st.lists(FILL_STEPS, max_size=2),
)
def test_rules_do_what_the_steps_say(seed, removing, filling):
    steps = removing + filling
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(5, 7, 8, 9)), (0, 0.8, 0.8, 0.8))
    labels = smooth.argmax(0).astype(np.uint8)
    after = apply_rules(labels, rules_from_mist(steps, GLI), GLI, MM).labels
    np.testing.assert_array_equal(after, plainly(labels, steps))
