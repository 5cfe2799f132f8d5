"""A new rule is one class and one row: a made-up distance rule, from JSON to labels."""

import json
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from cubes import GLI, box, make_artefacts
from scipy import ndimage

from challenge.scheme import Scheme
from lab.rule_search.case_components import CaseComponents
from lab.rule_search.component_rules import values_after
from postprocess import rule_kinds
from postprocess.apply_rules import apply_rules
from postprocess.artefacts import Cluster, Fallback, load_artefacts, replace, save_artefacts
from postprocess.components import find_components
from postprocess.rule_base import Rule, RuleError, RuleView, check_number
from postprocess.rule_kinds import RULE_KINDS, RuleKind, rule_from
from postprocess.rules_by_component import RemoveComponent
from postprocess.rules_by_size import RemoveSmall

ET = GLI.labels["ET"]
ROW = {"kind": "remove-distant", "label": "ET", "becomes": "background", "max_distance_mm": 12.0}


@dataclass(frozen=True)
class RemoveDistant(Rule):
    """Every component farther than a distance from the largest one changes."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("max_distance_mm",)

    max_distance_mm: float = math.nan  # between the centres of the closest voxels

    def check(self, scheme: Scheme) -> None:
        super().check(scheme)
        check_number("max_distance_mm", self.max_distance_mm, math.inf)

    def select(self, view: RuleView) -> np.ndarray:
        components = find_components(view.mask(self.names(view.scheme)), self.connectivity)
        distant = np.zeros(components.voxels.size, bool)
        if distant.size > 1:
            largest = components.ids == 1 + int(components.voxels[1:].argmax())
            away_mm = ndimage.distance_transform_edt(~largest, sampling=view.spacing_mm)
            closest_mm = ndimage.minimum(away_mm, components.ids, range(distant.size))
            distant = np.asarray(closest_mm) > self.max_distance_mm
        return components.where(distant)


@pytest.fixture(autouse=True)
def _one_more_row(monkeypatch):
    row = RuleKind("remove-distant", RemoveDistant)
    monkeypatch.setattr(rule_kinds, "RULE_KINDS", (*RULE_KINDS, row))


@pytest.fixture
def labels():
    """Return a cube of 27 voxels, and one voxel three steps from it along z, one along x."""
    labels = np.zeros((9, 9, 9), np.uint8)
    box(labels, ET, (1, 1, 1), (3, 3, 3))
    labels[6, 2, 2] = labels[2, 2, 6] = ET
    return labels


def test_a_rule_measures_in_mm_along_each_axis(labels):
    """Three steps along z are 15 mm, three along x are 6 mm."""
    result = apply_rules(labels, [rule_from(ROW, GLI)], GLI, (5.0, 3.0, 2.0))
    assert result.applied == [{**ROW, "voxels": 1}]
    assert (result.labels[6, 2, 2], result.labels[2, 2, 6]) == (0, ET)
    assert np.count_nonzero(result.labels) == 28
    result = apply_rules(labels, [rule_from(ROW, GLI)], GLI, (2.0, 3.0, 5.0))
    assert (result.labels[6, 2, 2], result.labels[2, 2, 6]) == (ET, 0)
    assert np.count_nonzero(apply_rules(labels, [rule_from(ROW, GLI)], GLI, (1, 1, 1)).labels) == 29


def test_an_artefact_holds_the_rule_and_applies_it(labels, tmp_path):
    rules = (rule_from(ROW, GLI), RemoveSmall("RC", min_voxels=2))
    artefacts = replace(
        make_artefacts(),
        clusters=(Cluster(12, 9.0, rules), Cluster(8, 9.0, rules)),
        fallback=Fallback("pooled", rules),
    )
    save_artefacts(tmp_path, artefacts)
    document = json.loads((tmp_path / "postprocess.json").read_text())
    assert document["clusters"][0]["rules"][0] == ROW
    loaded = load_artefacts(tmp_path, GLI)
    assert loaded.clusters[1].rules == rules
    after = apply_rules(labels, loaded.fallback.rules, GLI, (5.0, 3.0, 2.0)).labels
    assert (after[6, 2, 2], after[2, 2, 6], np.count_nonzero(after)) == (0, ET, 28)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_distance_mm": None}, "remove-distant: max_distance_mm is missing"),
        ({"max_distance_mm": -1}, "max_distance_mm: -1 is not between"),
        ({"min_voxels": 3}, "remove-distant: 'min_voxels' is not one of its keys"),
        ({"kind": "remove-far"}, "keep-one, remove-distant"),
    ],
)
def test_a_wrong_row_of_it_is_refused_by_name(change, message):
    with pytest.raises(RuleError, match=message):
        rule_from({**ROW, **change}, GLI)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (RemoveDistant("ET", max_distance_mm=12.0), "remove-distant: not a kind that the rule sea"),
        (RemoveSmall("ET", min_voxels=3, connectivity=6), "remove-small: .* know connectivity"),
        (
            RemoveSmall("ET", min_voxels=3, min_mean_probability=0.5),
            "no mean probabilities of ET",
        ),
        (
            RemoveComponent("ET", unless_any={"min_voxels": 3, "min_votes": 0.5}),
            "no votes of members",
        ),
        (
            RemoveComponent("ET", unless_any={"min_voxels": 3, "max_distance_mm": 5}),
            "did not measure distances",
        ),
        (
            RemoveComponent("ET", unless_any={"min_voxels": 3, "inside": "WT"}),
            "did not look at what is at the faces",
        ),
        (
            RemoveComponent("ET", "before", unless_any={"min_voxels": 3}),
            "remove-component: .* know becomes before",
        ),
        (
            RemoveComponent("ET", unless_all={"min_peak_probability": 0.5}),
            "no probabilities of ET",
        ),
    ],
)
def test_the_rule_search_refuses_by_name_what_it_does_not_know(rule, message):
    no_neighbours = np.empty((0, 2), np.int64), np.empty((0, 3), np.int64)
    cube = CaseComponents(np.array([0, ET], np.uint8), np.array([0, 27]), *no_neighbours, 1.0)
    assert values_after(cube, [RemoveSmall("ET", min_voxels=28)], GLI).tolist() == [0, 0]
    with pytest.raises(RuleError, match=message):
        values_after(cube, [RemoveSmall("ET", min_voxels=3), rule], GLI)
