"""Thresholds of labels and regions: rows that can be counted by hand, and what always holds."""

from dataclasses import replace

import numpy as np
import pytest
from cubes import GLI, PANTHER, random_map
from hypothesis import given, settings
from hypothesis import strategies as st

from challenge.scheme import Head, labels_from, probability_of
from postprocess.apply_rules import apply_rules
from postprocess.rule_base import EnsembleMaps, RuleError
from postprocess.rule_kinds import row_from, rule_from
from postprocess.rules_by_probability import AddForDice, AddProbable, DropDoubtful
from postprocess.rules_by_size import KeepOne, RemoveSmall

MM = (1.0, 1.0, 1.0)
NETC, SNFH, ET, RC = (GLI.labels[name] for name in ("NETC", "SNFH", "ET", "RC"))
REGIONS = Head("regions", (("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",)), ("SNFH", "NETC", "ET"))


def line(*values):
    """A label map of one row."""
    return np.array([[values]], np.uint8)


def row(labels):
    return labels.ravel().tolist()


def apply(labels, *rules, probability):
    """Apply rules with one probability a voxel, whatever the labels."""
    values = np.asarray(probability, np.float32).reshape(labels.shape)
    return apply_rules(labels, rules, GLI, MM, EnsembleMaps(lambda names: values)).labels


# Below the minimum


def test_what_is_below_the_minimum_goes_and_what_is_at_it_stays():
    labels = line(ET, ET, ET, SNFH, 0)
    rule = DropDoubtful("ET", min_probability=0.2)  # no float32 is 0.2
    after = apply(labels, rule, probability=[0.1, 0.2, 0.3, 0.1, 0.1])
    assert row(after) == [0, ET, ET, SNFH, 0]


def test_a_region_is_evaluated_as_one():
    labels = line(NETC, ET, SNFH, NETC)
    rule = DropDoubtful(region="TC", becomes="SNFH", min_probability=0.5)
    after = apply(labels, rule, probability=[0.4, 0.4, 0.4, 0.6])
    assert row(after) == [SNFH, SNFH, SNFH, NETC]


def test_doubt_inside_the_tumour_becomes_what_is_around_it():
    labels = np.full((5, 5, 5), SNFH, np.uint8)
    labels[2, 2, 1:4] = ET
    labels[0, 0, 0], labels[0, 0, 1] = 0, ET
    probability = np.full(labels.shape, 0.3)
    probability[2, 2, 3] = 0.9
    rule = DropDoubtful("ET", "surrounding", min_probability=0.5)
    after = apply(labels, rule, probability=probability)
    assert row(after[2, 2, 1:4]) == [SNFH, SNFH, ET]
    assert after[0, 0, 1] == 0


# At the minimum and above


def test_what_is_at_the_minimum_joins_whatever_it_was():
    labels = line(0, NETC, RC, ET, 0)
    rule = AddProbable("ET", min_probability=0.3)
    after = apply(labels, rule, probability=[0.3, 0.5, 0.31, 0.1, 0.29])
    assert row(after) == [ET, ET, ET, ET, 0]


def test_what_joins_a_region_takes_the_label_named_and_what_is_in_it_keeps_its_own():
    labels = line(0, SNFH, ET, NETC, 0)
    rule = AddProbable(region="TC", becomes="NETC", min_probability=0.4)
    after = apply(labels, rule, probability=[0.4, 0.5, 0.9, 0.1, 0.3])
    assert row(after) == [NETC, NETC, ET, NETC, 0]


@pytest.mark.parametrize("rule", [AddProbable("ET", min_probability=0.3), AddForDice("ET")])
def test_what_a_gate_took_does_not_join_again(rule):
    predicted, gated = line(ET, NETC, 0, 0, 0), line(0, SNFH, 0, 0, 0)
    probability = np.array([0.9, 0.8, 0.7, 0.1, 0.1], np.float32).reshape(gated.shape)
    maps = EnsembleMaps(lambda names: probability)
    after = apply_rules(gated, [rule], GLI, MM, replace(maps, predicted=predicted))
    # It took ET from the first voxel; the second was none, so it may become ET.
    assert row(after.labels) == [0, ET, ET, 0, 0]
    assert row(apply_rules(gated, [rule], GLI, MM, maps).labels)[0] == ET


def test_both_together_are_a_threshold():
    labels = line(ET, ET, 0, 0)
    probability = [0.45, 0.55, 0.45, 0.55]
    for at, expected in ((0.4, [ET] * 4), (0.5, [0, ET, 0, ET]), (0.6, [0] * 4)):
        rules = DropDoubtful("ET", min_probability=at), AddProbable("ET", min_probability=at)
        assert row(apply(labels, *rules, probability=probability)) == expected


# In the flow


def test_thresholds_come_before_sizes_whatever_the_order_in_the_table():
    labels = line(ET, ET, ET, 0, ET, 0)
    rules = (
        RemoveSmall("ET", min_voxels=2),
        AddProbable("ET", min_probability=0.4),
        DropDoubtful("ET", min_probability=0.2),
    )
    after = apply(labels, *rules, probability=[0.9, 0.1, 0.9, 0, 0.9, 0.4])
    assert row(after) == [0, 0, 0, 0, ET, ET]  # two specks left of three voxels, two of one


def test_what_doubt_left_nothing_of_is_given_back_where_asked():
    rules = KeepOne("ET"), DropDoubtful("ET", min_probability=0.5)
    assert row(apply(line(ET, 0), *rules, probability=[0.4, 0])) == [ET, 0]


@pytest.mark.parametrize(
    "rule", [DropDoubtful("ET", min_probability=0.5), AddProbable("ET", min_probability=0.5)]
)
def test_without_probabilities_the_rule_is_skipped_with_a_warning(rule):
    result = apply_rules(line(ET, 0), [rule], GLI, MM)
    assert row(result.labels) == [ET, 0]
    assert result.applied == [{**row_from(rule), "voxels": 0, "skipped": "no probabilities"}]


def test_regions_tell_the_labels_between_them_and_no_others():
    """Were the core's probability taken for necrosis', all enhancement would be repainted."""
    regions = np.array([[0.9, 0.9], [0.9, 0.8], [0.9, 0.2]]).reshape(3, 1, 1, 2)
    labels = labels_from(regions, REGIONS, GLI)

    def probability(names):
        return probability_of(regions, REGIONS, names)

    rules = (AddProbable("NETC", min_probability=0.4), AddProbable("RC", min_probability=0.4))
    result = apply_rules(labels, rules, GLI, MM, EnsembleMaps(probability))
    assert row(result.labels) == row(labels) == [ET, NETC]
    assert [rule["label"] for rule in result.applied] == ["RC"]
    assert result.applied[0]["skipped"].startswith("no probabilities: no channel")


# Rows

DROP = {"kind": "drop-doubtful", "label": "ET", "min_probability": 0.3}
ADD = {"kind": "add-probable", "region": "TC", "becomes": "NETC", "min_probability": 0.3}


def test_what_joins_a_label_takes_it_unsaid():
    rule = rule_from({"kind": "add-probable", "label": "ET", "min_probability": 0.3}, GLI)
    assert (
        rule
        == AddProbable("ET", min_probability=0.3)
        == AddProbable("ET", "ET", min_probability=0.3)
    )
    assert row_from(rule)["becomes"] == "ET"


def test_a_label_that_is_named_like_a_region_is_the_label():
    row = {"kind": "add-probable", "label": "pancreas", "min_probability": 0.5}
    assert rule_from(row, PANTHER).becomes == "pancreas"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (DROP | {"min_probability": None}, "drop-doubtful: min_probability is missing"),
        (DROP | {"min_probability": 1.5}, r"min_probability: 1\.5 is not between 0 and 1"),
        (DROP | {"min_probability": -0.1}, r"min_probability: -0\.1"),
        (DROP | {"min_probability": float("nan")}, "min_probability: nan"),
        (DROP | {"min_probability": "half"}, "min_probability: 'half' is not a number"),
        (DROP | {"min_probability": True}, "min_probability: True is not a number"),
        (DROP | {"becomes": "ET"}, "becomes: 'ET' cannot become itself"),
        (DROP | {"becomes": "ED"}, "becomes: 'ED'"),
        (DROP | {"min_voxels": 3}, "drop-doubtful: 'min_voxels'"),
        (DROP | {"label": "ED"}, "label: 'ED'"),
        (ADD | {"min_probability": 0}, "min_probability: 0 would add every voxel"),
        (ADD | {"becomes": None}, "becomes is missing, one of NETC, ET"),
        (ADD | {"becomes": "SNFH"}, "becomes: 'SNFH' is not one of NETC, ET"),
        (ADD | {"becomes": "background"}, "becomes: 'background' is not one of NETC, ET"),
        (ADD | {"becomes": "surrounding"}, "becomes: 'surrounding'"),
        (ADD | {"region": None, "label": "ET"}, "becomes: 'NETC' is not one of ET"),
        (ADD | {"connectivity": 6}, "add-probable: 'connectivity' is not one of its keys"),
    ],
)
def test_a_wrong_row_is_refused_by_name(row, message):
    with pytest.raises(RuleError, match=message):
        rule_from(row, GLI)


# What holds for every map

SEEDS = st.integers(0, 10**6)
SUBJECTS = st.one_of(
    st.sampled_from(list(GLI.labels)).map(lambda name: {"label": name}),
    st.sampled_from(list(GLI.regions)).map(lambda name: {"region": name}),
)


def random_case(seed):
    """A label map and, unrelated to it, a probability a voxel with 0, 0.5 and 1 among them."""
    labels = random_map(seed)
    return labels, np.random.default_rng(seed).integers(0, 33, labels.shape) / 32


def adding(subject, at):
    names = (subject["label"],) if "label" in subject else GLI.regions[subject["region"]]
    return AddProbable(**subject, becomes=names[-1], min_probability=at)


@settings(max_examples=60)
@given(seed=SEEDS, subject=SUBJECTS, becomes=st.sampled_from(["background", "surrounding"]))
def test_nothing_goes_at_zero_and_all_but_the_certain_at_one(seed, subject, becomes):
    labels, probability = random_case(seed)
    at_zero = DropDoubtful(**subject, becomes=becomes, min_probability=0)
    assert (apply(labels, at_zero, probability=probability) == labels).all()
    at_one = DropDoubtful(**subject, min_probability=1)
    inside = np.isin(labels, [GLI.labels[name] for name in at_one.names(GLI)])
    after = apply(labels, at_one, probability=probability)
    np.testing.assert_array_equal(after != labels, inside & (probability < 1))


@settings(max_examples=60)
@given(seed=SEEDS, subject=SUBJECTS)
def test_all_joins_at_next_to_nothing_and_only_the_certain_at_one(seed, subject):
    labels, probability = random_case(seed)
    everywhere = apply(labels, adding(subject, 1e-9), probability=probability.clip(0.1))
    rule = adding(subject, 1)
    inside = [GLI.labels[name] for name in rule.names(GLI)]
    assert np.isin(everywhere, inside).all()
    after = apply(labels, rule, probability=probability)
    np.testing.assert_array_equal(after != labels, ~np.isin(labels, inside) & (probability == 1))


@settings(max_examples=60)
@given(seed=SEEDS, subject=SUBJECTS, at=st.tuples(*[st.floats(0.01, 1)] * 2))
def test_a_higher_minimum_drops_no_fewer_voxels_and_adds_no_more(seed, subject, at):
    labels, probability = random_case(seed)
    low, high = sorted(at)
    for make, wider, narrower in (
        (lambda t: DropDoubtful(**subject, min_probability=t), high, low),
        (lambda t: adding(subject, t), low, high),
    ):
        fewer = apply(labels, make(narrower), probability=probability) != labels
        more = apply(labels, make(wider), probability=probability) != labels
        assert not (fewer & ~more).any()


@settings(max_examples=40)
@given(seed=SEEDS, subject=SUBJECTS, at=st.floats(0.01, 1))
def test_a_threshold_applied_again_changes_nothing(seed, subject, at):
    labels, probability = random_case(seed)
    rules = DropDoubtful(**subject, min_probability=at), adding(subject, at)
    once = apply(labels, *rules, probability=probability)
    inside = [GLI.labels[name] for name in rules[0].names(GLI)]
    np.testing.assert_array_equal(np.isin(once, inside), probability.astype(np.float32) >= at)
    np.testing.assert_array_equal(apply(once, *rules, probability=probability), once)
