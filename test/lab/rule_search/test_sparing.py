"""Whatever may spare a component: rules on label components give what rules on the image give."""

import itertools

import numpy as np
import pytest
from crowded_maps import GLI, NAMES, random_map, random_maps
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from challenge.scheme import SCHEMES
from lab.metrics.label_components import find_label_components
from lab.metrics.pair import Pair, crop
from lab.rule_search.close_pairs import find_close_pairs
from lab.rule_search.component_rules import values_after
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.search_space import make_search_space
from lab.rule_search.sparing import SPARES, parts, regions_around, spares_of
from lab.rule_search.tabulate_case import label_components_of
from postprocess.apply_rules import apply_rules
from postprocess.component_predicates import by_name
from postprocess.components import find_components
from postprocess.rule_base import EnsembleMaps, RuleError
from postprocess.rule_kinds import rule_from
from postprocess.rules_by_component import RemoveComponent

CONFIG = SEARCH_CONFIGS["every-predicate"]
SPACINGS_MM = [(1.0, 1.0, 1.0), (5.0, 0.75, 0.75), (2.5, 1.0, 3.0)]
MASKS = [(name,) for name in NAMES] + [GLI.regions["WT"], GLI.regions["TC"]]


def by_components(labels, rules, spacing_mm, maps=None) -> np.ndarray:
    """Apply rules to the tables of a case, and return its label map cut to what it holds."""
    pair = Pair(labels, np.zeros_like(labels), spacing_mm)
    labelled = find_label_components(crop(pair, 1).prediction)
    case = label_components_of(labelled, pair, GLI, CONFIG, maps or EnsembleMaps())
    return values_after(case, rules, GLI)[labelled.ids]


def on_image(labels, rules, spacing_mm, maps=None) -> np.ndarray:
    maps = maps or EnsembleMaps()
    result = apply_rules(labels, rules, GLI, spacing_mm, maps)
    assert not any("skipped" in row for row in result.applied)
    return crop(Pair(result.labels, labels, spacing_mm), 1).prediction


@st.composite
def conditions(draw: st.DrawFn, names: tuple[str, ...]) -> dict:
    """Draw one or two predicates with values that many components are at."""
    outside = [name for name in (*GLI.labels, "WT", "TC") if set(_labels(name)) - set(names)]
    values = {
        "min_voxels": st.integers(1, 30),
        "min_volume_mm3": st.sampled_from([2.8125, 7.5, 20.0]),
        "min_peak_probability": st.integers(1, 16).map(lambda n: n / 32),
        "min_mean_probability": st.integers(8, 24).map(lambda n: n / 64),
        "min_votes": st.integers(0, 5).map(lambda n: n / 5),
        "max_distance_mm": st.sampled_from([0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 5.0, 7.5, 30.0]),
        "max_distance_to_mm": st.fixed_dictionaries(
            {draw(st.sampled_from(outside)): st.sampled_from([0.75, 1, 1.5, 2.0, 2.5, 3, 7.5])}
        ),
        "touches": st.sampled_from(outside),
        "inside": st.sampled_from(outside),
    }
    if names == GLI.regions["TC"]:  # no rule that is searched is about its probability
        del values["min_peak_probability"], values["min_mean_probability"]
    if inner := [name for name in (*GLI.labels, "TC") if set(_labels(name)) < set(names)]:
        of = draw(st.sampled_from(inner))
        values["holds"] = st.fixed_dictionaries({of: st.sampled_from([0.1, 0.5, 1.0])})
    chosen = draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=2, unique=True))
    return {name: draw(values[name]) for name in chosen}


def _labels(name: str) -> tuple[str, ...]:
    return GLI.regions.get(name, (name,))


@st.composite
def rules_by_component(draw: st.DrawFn) -> list[RemoveComponent]:
    rules = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([*GLI.labels, "WT", "TC"]))
        subject = {"label": name} if name in GLI.labels else {"region": name}
        becomes = ["background", "surrounding", *(n for n in NAMES if n != name)]
        key = draw(st.sampled_from(["unless_any", "unless_all"]))
        row = {"kind": "remove-component", **subject, "becomes": draw(st.sampled_from(becomes))}
        rules.append(rule_from({**row, key: draw(conditions(_labels(name)))}, GLI))
    return rules


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rules=rules_by_component(),
    spacing_mm=st.sampled_from(SPACINGS_MM),
    dtype=st.sampled_from([np.float16, np.float32]),
)
def test_components_and_images_agree_on_every_predicate(seed, rules, spacing_mm, dtype):
    labels, maps = random_map(seed), random_maps(seed, dtype)
    expected = on_image(labels, rules, spacing_mm, maps)
    np.testing.assert_array_equal(by_components(labels, rules, spacing_mm, maps), expected)


@pytest.mark.parametrize("name", sorted(set(by_name) - {"holds"}))
def test_each_predicate_spares_some_components_and_others_not(name):
    """So that the comparison above compares something."""
    value = {
        "min_voxels": 5,
        "min_volume_mm3": 5.0,
        "min_peak_probability": 0.5,
        "min_mean_probability": 0.25,
        "min_votes": 1.0,
        "max_distance_mm": 2.0,
        "max_distance_to_mm": {"RC": 1.5},
        "touches": "RC",
        "inside": "WT",
    }[name]
    removed = []
    for seed in range(4):
        labels, maps = random_map(seed), random_maps(seed)
        rule = RemoveComponent("ET", unless_any={name: value})
        after = by_components(labels, [rule], (1.0, 1.0, 1.0), maps)
        components = find_components(labels == GLI.labels["ET"])
        assert after.shape == labels.shape  # they reach the edges
        gone = set(components.ids[(labels != 0) & (after == 0)].tolist())
        removed += [number in gone for number in range(1, components.voxels.size)]
    assert 0 < sum(removed) < len(removed)


def test_a_region_that_holds_nothing_of_a_part_goes():
    labels = np.zeros((5, 5, 12), np.uint8)
    labels[1:4, 1:4, 1:4], labels[2, 2, 2] = GLI.labels["SNFH"], GLI.labels["ET"]
    labels[1:4, 1:4, 7:10] = GLI.labels["SNFH"]
    rule = RemoveComponent(region="WT", unless_any={"holds": {"TC": 1.0}})
    after = by_components(labels, [rule], (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(after, on_image(labels, [rule], (1.0, 1.0, 1.0)))
    assert np.count_nonzero(after) == 27


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    spacing_mm=st.sampled_from(SPACINGS_MM),
    limit_mm=st.sampled_from([1.0, 3.0, 7.5, 100.0]),
)
def test_pairs_are_as_far_as_their_closest_two_voxels(seed, spacing_mm, limit_mm):
    """Beside every voxel of one and every voxel of the other, by scipy."""
    ids = find_label_components(random_map(seed)).ids
    table = find_close_pairs(ids, limit_mm, spacing_mm)
    away_mm = {(a, b): mm for (a, b), mm in zip(table.pairs.tolist(), table.away_mm, strict=True)}
    distances = {
        number: ndimage.distance_transform_edt(ids != number, sampling=spacing_mm)
        for number in range(1, ids.max() + 1)
    }
    for a, b in itertools.permutations(distances, 2):
        closest_mm = distances[a][ids == b].min()
        assert ((a, b) in away_mm) == (closest_mm <= limit_mm * (1 + 1e-6))
        assert away_mm.get((a, b), closest_mm) == pytest.approx(closest_mm)


def test_a_distance_beyond_the_table_is_refused_by_its_number():
    labels = random_map(0)
    rule = RemoveComponent("ET", unless_any={"max_distance_mm": 81.0})
    with pytest.raises(RuleError, match="knows distances up to 80 mm, not 81 mm"):
        by_components(labels, [rule], (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("predicate", "value", "message"),
    [
        ("min_votes", 0.5, "no votes of members"),
        ("min_mean_probability", 0.5, "no mean probabilities of ET"),
    ],
)
def test_what_a_case_lacks_is_said_by_name(predicate, value, message):
    rule = RemoveComponent("ET", unless_any={predicate: value})
    with pytest.raises(RuleError, match=message):
        by_components(random_map(0), [rule], (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("name", "around"),
    [("ET", ("WT", "TC")), ("NETC", ("WT", "TC")), ("SNFH", ("WT",)), ("RC", ("WT",)), ("WT", ())],
)
def test_a_label_is_beside_the_regions_that_it_is_a_part_of_and_the_tumour(name, around):
    assert regions_around(_labels(name), GLI) == around


def test_of_regions_with_the_same_other_labels_the_first_counts():
    isles, panther = SCHEMES["isles-2026"], SCHEMES["panther-t1"]
    assert regions_around(("lesion",), isles) == ()
    assert regions_around(("tumour",), panther) == ("pancreas",)
    assert regions_around(("CC",), SCHEMES["brats-ped"]) == ("WT", "TC")


def test_only_a_region_has_parts():
    assert parts(GLI.regions["WT"], GLI) == ("TC", "ET", "NETC", "SNFH")
    assert parts(("ET",), GLI) == ()


def test_every_type_of_the_configuration_is_a_row_and_a_rule_of_the_program():
    assert spares_of(CONFIG.grids) == set(SPARES)
    assert set(CONFIG.rule_types) == {*CONFIG.grids, "size", "share"}
    space = make_search_space(GLI, CONFIG, MASKS, has_votes=True)
    assert {p.rule_type for p in space} == set(CONFIG.rule_types)
    for parameter in space:
        for index in range(1, len(parameter.grid)):
            rule = parameter.rule(index)
            rule.check(GLI)
            assert parameter.name in parameter.in_words(index)
            assert "{" not in parameter.in_words(index) + parameter.title


def test_a_grid_removes_more_from_point_to_point():
    """So that the first of several thresholds that are as good is the smallest intervention."""
    labels, maps, spacing_mm = random_map(3), random_maps(3), (2.5, 1.0, 3.0)
    pair = Pair(labels, np.zeros_like(labels), spacing_mm)
    labelled = find_label_components(crop(pair, 1).prediction)
    case = label_components_of(labelled, pair, GLI, CONFIG, maps)
    for parameter in make_search_space(GLI, CONFIG, MASKS, has_votes=True):
        if parameter.rule_type == "share" or isinstance(parameter.grid[0], tuple):
            continue
        gone = [
            np.count_nonzero(values_after(case, [rule], GLI) != case.values)
            for rule in map(parameter.rule, range(1, len(parameter.grid)))
        ]
        assert gone == sorted(gone), parameter.title


def test_without_votes_and_probabilities_there_is_nothing_by_them():
    types = {p.rule_type for p in make_search_space(GLI, CONFIG)}
    assert not types & {"votes", "size or votes", "mean", "size or mean", "peak", "size or peak"}
    assert {"distance", "size or touches", "inside", "holds", "distance to"} <= types
