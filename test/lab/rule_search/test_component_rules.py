"""Rules on label components give what rules on the image give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from challenge.scheme import SCHEMES, Scheme
from lab.metrics.label_components import find_label_components
from lab.rule_search.case_components import (
    CaseComponents,
    highest_of,
    tabulate_components,
)
from lab.rule_search.component_rules import (
    RemovalLimits,
    removable_components,
    restore_largest_tumour,
    values_after,
)
from lab.rule_search.config import by_intervention
from lab.rule_search.grid_variants import grid_variants
from postprocess.apply_rules import apply_rules
from postprocess.rule_base import EnsembleMaps, Probability, Rule
from postprocess.rules_by_component import RemoveComponent
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

GLI, PANTHER = SCHEMES["brats-gli"], SCHEMES["panther-t1"]
REMOVABLE_MM3 = 200.0
HIGHEST_PEAK = 14 / 32
MASKS = [(name,) for name in GLI.labels] + [GLI.regions["WT"], GLI.regions["TC"]]


def random_map(seed: int, labels: int, shape=(12, 13, 14)) -> np.ndarray:
    """Return components of every label, many of a few voxels, some inside others."""
    noise = np.random.default_rng(seed).normal(size=(labels + 2, *shape))
    smooth = ndimage.gaussian_filter(noise, (0, 0.8, 0.8, 0.8))
    return (smooth.argmax(0) % (labels + 1)).astype(np.uint8)


def components_of(
    labels: np.ndarray, voxel_mm3: float, probability: Probability | None = None
) -> tuple[np.ndarray, CaseComponents]:
    labelled = find_label_components(labels)
    masks, n = MASKS if probability else (), labelled.values.size
    peaks = {names: highest_of(labelled.ids, probability(names), n) for names in masks}
    limits = RemovalLimits(REMOVABLE_MM3, HIGHEST_PEAK)
    table = tabulate_components(
        labelled.ids,
        labelled.values,
        labelled.touching,
        voxel_mm3,
        removable_components(labelled, voxel_mm3, limits, peaks, GLI),
        peaks,
    )
    return labelled.ids, table


def by_components(
    labels: np.ndarray,
    rules: list[Rule],
    scheme: Scheme,
    voxel_mm3: float,
    probability: Probability | None = None,
) -> np.ndarray:
    ids, components = components_of(labels, voxel_mm3, probability)
    return values_after(components, rules, scheme)[ids]


def random_probability(seed: int, labels: np.ndarray, dtype: type) -> Probability:
    """Return probabilities of 17 values, so that many are equal and at a threshold.

    That of a region is the mean of its labels': most peaks are about the highest threshold.
    """
    names = list(GLI.labels)
    of_labels = np.random.default_rng(seed).integers(0, 17, (len(names), *labels.shape))

    def probability(of: tuple[str, ...]) -> np.ndarray:
        return (of_labels[[names.index(name) for name in of]].mean(0).round() / 32).astype(dtype)

    return probability


@st.composite
def rule_lists(draw: st.DrawFn, with_peaks: bool = False) -> list[Rule]:
    """Draw rules on labels and regions: by peaks if asked to, then by size, then by share."""
    rules: list[Rule] = []
    names = list(GLI.labels)
    subjects = [{"label": name} for name in names] + [{"region": "WT"}, {"region": "TC"}]
    for _ in range(draw(st.integers(1, 3)) if with_peaks else 0):
        spares = {"min_peak_probability": draw(st.integers(1, 14)) / 32}
        if draw(st.booleans()):
            spares["min_volume_mm3"] = draw(st.floats(0, REMOVABLE_MM3 - 1))
        subject = draw(st.sampled_from(subjects))
        key = draw(st.sampled_from(["unless_any", "unless_all"]))
        becomes = ["background", "surrounding", *(n for n in names if {"label": n} != subject)]
        rules.append(
            RemoveComponent(**subject, becomes=draw(st.sampled_from(becomes)), **{key: spares})
        )
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


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rules=rule_lists(with_peaks=True),
    voxel_mm3=st.sampled_from([0.5, 1.0, 8.0]),
    dtype=st.sampled_from([np.float16, np.float32]),
)
def test_components_and_images_agree_on_peaks(seed, rules, voxel_mm3, dtype):
    labels = random_map(seed, 4)
    probability = random_probability(seed, labels, dtype)
    spacing_mm = (1.0, 1.0, voxel_mm3)
    expected = apply_rules(labels, rules, GLI, spacing_mm, EnsembleMaps(probability)).labels
    after = by_components(labels, rules, GLI, voxel_mm3, probability)
    np.testing.assert_array_equal(after, expected)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    around=st.tuples(rule_lists(with_peaks=True), rule_lists()),
    subject=st.sampled_from([{"label": "ET"}, {"label": "SNFH"}, {"region": "WT"}]),
)
def test_a_grid_of_sizes_and_peaks_gives_what_each_of_its_rules_gives(seed, around, subject):
    """Between the rules of a setting before it, which are of the same kind, and those after it."""
    labels = random_map(seed, 4)
    _, components = components_of(labels, 1.0, random_probability(seed, labels, np.float32))
    before = [rule for rule in around[0] if isinstance(rule, RemoveComponent)]
    points = by_intervention((2, 5, 20, 100), (0.1, 0.2, 0.3, 0.4))
    rules = [
        RemoveComponent(
            **subject,
            becomes="surrounding",
            unless_any={"min_volume_mm3": size, "min_peak_probability": peak},
        )
        for size, peak in points[1:]
    ]
    variants = list(grid_variants(components, [None, *rules], (before, around[1]), GLI))
    for rule, variant in zip([None, *rules], variants, strict=True):
        applied = [*before, *([rule] if rule else []), *around[1]]
        np.testing.assert_array_equal(variant, values_after(components, applied, GLI))


def test_size_and_peak_is_one_rule_by_peak_and_one_by_size():
    """So the search needs no parameter for it: both are searched by themselves."""
    both = {"min_volume_mm3": 9.0, "min_peak_probability": 0.2}
    one = [RemoveComponent("ET", unless_all=both)]
    two = [
        RemoveComponent("ET", unless_any={"min_peak_probability": 0.2}),
        RemoveSmall("ET", min_volume_mm3=9.0),
    ]
    changed = 0
    for seed in range(40):
        labels = random_map(seed, 4)
        _, components = components_of(labels, 1.0, random_probability(seed, labels, np.float32))
        after = values_after(components, one, GLI)
        np.testing.assert_array_equal(after, values_after(components, two, GLI))
        changed += (after != components.values).any()
    assert changed > 10


def test_a_large_component_goes_by_its_peak_and_takes_what_surrounds_it():
    """Its faces are tabulated whatever its volume."""
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1:8, 1:8, 1:8], labels[2:7, 2:7, 2:7] = GLI.labels["SNFH"], GLI.labels["ET"]
    rule = RemoveComponent("ET", "surrounding", unless_any={"min_peak_probability": 0.4})
    doubtful = np.full(labels.shape, 0.3, np.float32)
    assert (labels == GLI.labels["ET"]).sum() * 8.0 > REMOVABLE_MM3
    after = by_components(labels, [rule], GLI, 8.0, lambda names: doubtful)
    assert (after[labels > 0] == GLI.labels["SNFH"]).all()


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
