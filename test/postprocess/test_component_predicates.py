"""What spares a component from removal, on cubes that can be counted and measured by hand."""

import json

import numpy as np
import pytest
from cubes import GLI, box, random_map
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from postprocess.apply_rules import apply_rules
from postprocess.rule_base import EnsembleMaps
from postprocess.rule_kinds import row_from, rule_from

NETC, SNFH, ET, RC = (GLI.labels[name] for name in ("NETC", "SNFH", "ET", "RC"))
MM = (1.0, 1.0, 1.0)
EVERYWHERE = np.ones((3, 3, 3), bool)


def remove(labels, conditions, key="unless_any", spacing_mm=MM, **more):
    """Apply one rule on ET; `more` may hold a probability or votes of every voxel."""
    row = {"kind": "remove-component", "label": "ET", "becomes": "background", key: conditions}
    row |= {name: more.pop(name) for name in ("region", "becomes", "connectivity") if name in more}
    if "region" in row:
        row["label"] = None
    values = more.get("probability")
    probability = None if values is None else lambda names: values
    rules = [rule_from(json.loads(json.dumps(row)), GLI)]
    return apply_rules(labels, rules, GLI, spacing_mm, EnsembleMaps(probability, more.get("votes")))


def line(*values):
    """A label map of one row."""
    return np.array([[values]], np.uint8)


def of_line(*values, dtype=np.float32):
    """Probabilities or votes of one row."""
    return np.array([[values]], dtype)


def row(result):
    return result.labels.ravel().tolist()


LARGE_OR_SURE = {"min_voxels": 3, "min_peak_probability": 0.65}
# Small and sure, large and doubtful, small and doubtful, large and sure.
FOUR = line(ET, ET, 0, ET, ET, ET, 0, ET, 0, ET, ET, ET)
FOUR_SURE = of_line(0.1, 0.9, 0, 0.3, 0.2, 0.6, 0, 0.6, 0, 0.1, 0.7, 0.1)


def test_large_or_sure_goes_only_where_it_is_neither():
    result = remove(FOUR, LARGE_OR_SURE, probability=FOUR_SURE)
    assert row(result) == [ET, ET, 0, ET, ET, ET, 0, 0, 0, ET, ET, ET]
    assert result.applied == [
        {
            "kind": "remove-component",
            "label": "ET",
            "becomes": "background",
            "unless_any": LARGE_OR_SURE,
            "voxels": 1,
        }
    ]


def test_large_and_sure_stays_only_where_it_is_both():
    result = remove(FOUR, LARGE_OR_SURE, "unless_all", probability=FOUR_SURE)
    assert row(result) == [0] * 9 + [ET] * 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_peak_at_the_minimum_stays_whatever_its_type(dtype):
    """No float16 or float32 is 0.65: the minimum is rounded to the type of the probabilities."""
    at, below = dtype(0.65), np.nextafter(dtype(0.65), dtype(0))
    labels = line(ET, 0, ET)
    result = remove(
        labels, {"min_peak_probability": 0.65}, probability=of_line(at, 1, below, dtype=dtype)
    )
    assert row(result) == [ET, 0, 0]


def test_the_mean_is_compared_in_double_precision():
    labels, exact = line(ET, ET, 0, ET), of_line(0.5, 0.25, 0, np.float32(0.2))
    assert row(remove(labels, {"min_mean_probability": 0.375}, probability=exact)) == [
        ET,
        ET,
        0,
        0,
    ]
    assert np.float64(np.float32(0.2)) > 0.2
    assert row(remove(labels, {"min_mean_probability": 0.2}, probability=exact))[3] == ET


def test_votes_are_the_highest_share_of_members_in_one_voxel():
    labels = line(ET, ET, 0, ET, ET)
    thirds = of_line(1 / 3, 1, 1, 1 / 3, 2 / 3)
    assert row(remove(labels, {"min_votes": 1}, votes=thirds)) == [ET, ET, 0, 0, 0]
    three_of_five = of_line(0.2, 0.2, 0, np.float32(3) / np.float32(5), 0)
    assert row(remove(labels, {"min_votes": 0.6}, votes=three_of_five)) == [0, 0, 0, ET, ET]


def test_what_is_missing_skips_the_rule_and_says_so():
    labels = line(ET, 0, ET)
    for conditions, reason in (
        ({"min_votes": 0.5}, "no votes of members"),
        ({"min_peak_probability": 0.5}, "no probabilities"),
        ({"min_voxels": 9, "min_mean_probability": 0.5}, "no probabilities"),
    ):
        result = remove(labels, conditions)
        assert (row(result), result.applied[0]["skipped"]) == ([ET, 0, ET], reason)


def islands():
    """A cube of 27 voxels; one voxel three steps from it along z, and a second beyond that one."""
    labels = np.zeros((12, 5, 9), np.uint8)
    box(labels, ET, (1, 1, 1), (3, 3, 3))
    labels[6, 2, 2] = labels[9, 2, 2] = labels[2, 2, 6] = ET
    return labels


def test_distance_is_to_the_nearest_larger_component_in_mm():
    """Of equally large ones the first is the larger: the second speck is 15 mm from the first."""
    spacing_mm = (5.0, 3.0, 2.0)
    for limit_mm, left in ((15.0, (27, 1, 1, 1)), (14.9, (27, 0, 0, 1)), (5.9, (27, 0, 0, 0))):
        after = remove(islands(), {"max_distance_mm": limit_mm}, spacing_mm=spacing_mm).labels
        counts = [
            np.count_nonzero(after[:5, :, :5]),
            *(after[[6, 9], 2, 2] > 0),
            after[2, 2, 6] > 0,
        ]
        assert tuple(counts) == left


def test_distance_to_another_label_is_from_what_is_not_of_the_rule():
    labels = islands()
    labels[6, 2, 7] = RC  # five steps of 2 mm along x from the first speck
    rule = {"max_distance_to_mm": {"RC": 10.0}}
    after = remove(labels, rule, spacing_mm=(5.0, 3.0, 2.0)).labels
    assert np.argwhere(after == ET).tolist() == [[6, 2, 2]]
    labels[6, 2, 7] = 0
    assert not (remove(labels, rule).labels == ET).any()  # there is none


def test_a_region_around_is_what_the_rule_is_not_about():
    labels = line(ET, 0, 0, SNFH, 0, ET)
    after = row(remove(labels, {"max_distance_to_mm": {"WT": 2.0}}))
    assert after == [0, 0, 0, SNFH, 0, ET]


def test_inside_and_touching():
    labels = np.zeros((5, 5, 12), np.uint8)
    box(labels, NETC, (0, 0, 0), (5, 5, 5))
    labels[2, 2, 2] = labels[2, 2, 5] = labels[2, 2, 10] = ET  # inside, at a face of it, apart
    labels[0, 0, 0] = ET  # in the corner: beyond the edge there are no voxels
    for conditions, left in (
        ({"inside": "TC"}, [0, 2]),
        ({"touches": "TC"}, [0, 2, 5]),
        ({"touches": "NETC"}, [0, 2, 5]),
        ({"touches": "SNFH"}, []),
    ):
        assert np.argwhere(remove(labels, conditions).labels == ET)[:, 2].tolist() == left
    labels = np.zeros((3, 3, 3), np.uint8)
    labels[0, 0, 0], labels[1, 1, 1] = ET, SNFH
    for connectivity, left in ((26, 1), (6, 0)):
        after = remove(labels, {"touches": "SNFH"}, connectivity=connectivity).labels
        assert np.count_nonzero(after == ET) == left


def test_a_component_that_fills_the_volume_is_inside_nothing():
    assert not remove(np.full((2, 2, 2), ET, np.uint8), {"inside": "WT"}).labels.any()


def test_what_holds_a_lesion_stays():
    labels = line(NETC, ET, ET, 0, NETC, NETC, 0, 0, ET)
    after = row(remove(labels, {"holds": {"ET": 1.0}}, region="TC"))
    assert after == [NETC, ET, ET, 0, 0, 0, 0, 0, ET]


def test_remove_small_is_short_for_a_table_of_predicates():
    small = {
        "kind": "remove-small",
        "region": "TC",
        "becomes": "surrounding",
        "min_volume_mm3": 9.0,
        "min_mean_probability": 0.5,
        "unless_holds": "ET",
        "holds_share": 0.75,
    }
    long = {
        "kind": "remove-component",
        **{key: small[key] for key in ("region", "becomes")},
        "unless_any": {
            "min_volume_mm3": 9.0,
            "min_mean_probability": 0.5,
            "holds": {"ET": 0.75},
        },
    }
    changed = 0
    for seed in range(60):
        labels = random_map(seed, (10, 12, 12))
        sure = np.random.default_rng(seed).random(labels.shape).astype(np.float32)
        maps = EnsembleMaps(lambda names, p=sure: p)
        first, second = (
            apply_rules(labels, [rule_from(r, GLI)], GLI, MM, maps).labels for r in (small, long)
        )
        np.testing.assert_array_equal(first, second)
        changed += (first != labels).any()
    assert changed > 20


def by_hand(mask, name, value, known):
    """Return which of scipy's 26-connected components (id from 1) a predicate holds for."""
    ids, n = ndimage.label(mask, EVERYWHERE)
    numbers = range(1, n + 1)
    voxels = [np.count_nonzero(ids == i) for i in numbers]
    if name == "min_voxels":
        holds = [count >= value for count in voxels]
    elif name == "min_peak_probability":
        holds = [known["probability"][ids == i].max() >= np.float32(value) for i in numbers]
    elif name == "min_mean_probability":
        holds = [known["probability"][ids == i].astype(float).mean() >= value for i in numbers]
    elif name == "max_distance_mm":
        rank = sorted(numbers, key=lambda i: (-voxels[i - 1], i))
        larger = {i: np.isin(ids, rank[:at]) for at, i in enumerate(rank)}
        holds = [
            not larger[i].any() or away_mm(larger[i])[ids == i].min() <= value for i in numbers
        ]
    else:
        away = away_mm(known["labels"] == RC)
        holds = [away[ids == i].min() <= value["RC"] for i in numbers]
    return ids, np.array([False, *holds])


def away_mm(mask):
    """Return the distance of each voxel from a mask; infinite where it is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return ndimage.distance_transform_edt(~mask, sampling=(2.0, 1.0, 0.5))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    key=st.sampled_from(["unless_any", "unless_all"]),
    conditions=st.fixed_dictionaries(
        {"min_peak_probability": st.integers(0, 64).map(lambda n: n / 64)},
        optional={
            "min_voxels": st.integers(0, 30),
            "min_mean_probability": st.integers(0, 64).map(lambda n: n / 64),
            "max_distance_mm": st.integers(0, 8).map(lambda n: n / 2),
            "max_distance_to_mm": st.integers(0, 8).map(lambda n: {"RC": n / 2}),
        },
    ),
)
def test_any_table_of_predicates_does_what_a_loop_over_components_does(seed, key, conditions):
    labels = random_map(seed)
    rng = np.random.default_rng(seed)
    probability = (rng.integers(0, 65, labels.shape) / 64).astype(np.float32)
    known = {"probability": probability, "labels": labels}
    mask = np.isin(labels, [NETC, ET])
    spacing_mm = (2.0, 1.0, 0.5)
    after = remove(labels, conditions, key, spacing_mm, probability=probability, region="TC").labels
    held = [by_hand(mask, name, value, known) for name, value in conditions.items()]
    ids = held[0][0]
    stays = (np.any if key == "unless_any" else np.all)([holds for _, holds in held], axis=0)
    np.testing.assert_array_equal(after, np.where(mask & ~stays[ids], 0, labels))


def test_conditions_are_their_row():
    row_in = {
        "kind": "remove-component",
        "region": "ET",
        "becomes": "surrounding",
        "unless_any": {"min_volume_mm3": 300, "max_distance_to_mm": {"SNFH": 5.0}},
    }
    rule = rule_from(row_in, GLI)
    assert json.loads(json.dumps(row_from(rule))) == row_in
    assert len({rule, rule_from(row_in, GLI)}) == 1
