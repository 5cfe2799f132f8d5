"""Rules on label components give what rules on the image give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from challenge.scheme import SCHEMES, Scheme
from lab.metrics.label_components import find_label_components
from lab.rule_search.case_components import CaseComponents, RemovalLimits, tabulate_components
from lab.rule_search.component_rules import restore_largest_tumour, values_after
from postprocess.apply_rules import apply_rules
from postprocess.rule_base import Rule
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

GLI, PANTHER = SCHEMES["brats-gli"], SCHEMES["panther-t1"]
REMOVABLE_MM3 = 200.0


def random_map(seed: int, labels: int, shape=(12, 13, 14)) -> np.ndarray:
    """Return components of every label, many of a few voxels, some inside others."""
    noise = np.random.default_rng(seed).normal(size=(labels + 2, *shape))
    smooth = ndimage.gaussian_filter(noise, (0, 0.8, 0.8, 0.8))
    return (smooth.argmax(0) % (labels + 1)).astype(np.uint8)


def components_of(labels: np.ndarray, voxel_mm3: float) -> tuple[np.ndarray, CaseComponents]:
    labelled = find_label_components(labels)
    limits = RemovalLimits(REMOVABLE_MM3)
    table = tabulate_components(labelled.ids, labelled.values, labelled.touching, voxel_mm3, limits)
    return labelled.ids, table


def by_components(
    labels: np.ndarray, rules: list[Rule], scheme: Scheme, voxel_mm3: float
) -> np.ndarray:
    ids, components = components_of(labels, voxel_mm3)
    return values_after(components, rules, scheme)[ids]


@st.composite
def rule_lists(draw: st.DrawFn) -> list[Rule]:
    """Draw size rules on labels and regions, then share rules, in any combination."""
    rules: list[Rule] = []
    names = list(GLI.labels)
    for _ in range(draw(st.integers(0, 3))):
        size = draw(st.floats(0, REMOVABLE_MM3 - 1))
        becomes = draw(st.sampled_from(["background", "surrounding"]))
        if draw(st.booleans()):
            rules.append(RemoveSmall(draw(st.sampled_from(names)), becomes, min_volume_mm3=size))
        else:
            region = draw(st.sampled_from(["WT", "TC"]))
            rules.append(RemoveSmall(becomes=becomes, region=region, min_volume_mm3=size))
    for _ in range(draw(st.integers(0, 3))):
        label, becomes = draw(st.permutations(names))[:2]
        rules.append(RelabelMinor(label, becomes, draw(st.floats(0, 0.6))))
    return rules


@settings(max_examples=150)
@given(seed=st.integers(0, 10**6), rules=rule_lists(), voxel_mm3=st.sampled_from([0.5, 1.0, 8.0]))
def test_components_and_images_agree(seed, rules, voxel_mm3):
    labels = random_map(seed, 4)
    expected = apply_rules(labels, rules, GLI, (1.0, 1.0, voxel_mm3)).labels
    np.testing.assert_array_equal(by_components(labels, rules, GLI, voxel_mm3), expected)


def test_a_component_inside_becomes_what_surrounds_it_and_one_outside_vanishes():
    labels = np.zeros((7, 7, 12), np.uint8)
    labels[1:6, 1:6, 1:6] = GLI.labels["NETC"]
    labels[3, 3, 3] = GLI.labels["ET"]
    labels[3, 3, 9] = GLI.labels["ET"]
    after = by_components(labels, [RemoveSmall("ET", "surrounding", min_volume_mm3=2.0)], GLI, 1.0)
    assert after[3, 3, 3] == GLI.labels["NETC"]
    assert after[3, 3, 9] == 0
    assert np.count_nonzero(after) == 125


def test_what_a_component_became_counts_with_its_new_neighbours():
    labels = np.zeros((3, 3, 9), np.uint8)
    labels[1, 1, 1:4] = GLI.labels["NETC"]
    labels[1, 1, 4:5] = GLI.labels["ET"]
    labels[1, 1, 5:8] = GLI.labels["NETC"]
    join = RelabelMinor("ET", "NETC", 0.2)
    assert np.count_nonzero(by_components(labels, [join], GLI, 1.0) == GLI.labels["NETC"]) == 7
    rules = [RemoveSmall("ET", "NETC", min_volume_mm3=2.0), RemoveSmall("NETC", min_volume_mm3=5.0)]
    assert (
        np.count_nonzero(by_components(labels, rules, GLI, 1.0)) == 7
    )  # one component of seven by then


def test_the_largest_tumour_comes_back_where_an_empty_answer_is_forbidden():
    labels = np.zeros((6, 6, 12), np.uint8)
    labels[1, 1, 1:4], labels[4, 4, 1:3], labels[1:5, 1:5, 7:11] = 1, 1, 2
    after = by_components(labels, [RemoveSmall("tumour", min_volume_mm3=9.0)], PANTHER, 1.0)
    assert np.count_nonzero(after == 1) == 3
    assert (after[1, 1, 1:4] == 1).all()
    assert np.count_nonzero(after == 2) == 64
    _, components = components_of(labels, 1.0)
    np.testing.assert_array_equal(
        restore_largest_tumour(components, components.values, PANTHER), components.values
    )


@pytest.mark.parametrize("rules", [[], [RelabelMinor("ET", "NETC", 1.0)]])
def test_an_empty_map_stays_empty(rules):
    assert not by_components(np.zeros((4, 4, 4), np.uint8), rules, GLI, 1.0).any()
