"""Gates on label components are gates on images, and a component is worth what its score says."""

from dataclasses import replace

import numpy as np
import pytest
from cubes import (
    GLI,
    PANTHER,
    box,
    certain,
    make_case,
    random_map,
    size_gate,
    softmax_head,
)
from lookalikes import CONFIG, SCORER, gate_case, image_objective, lookalike
from scipy import ndimage

from challenge.scheme import labels_from
from lab.learned_gates.gate_cases import make_gate_case
from lab.learned_gates.gate_targets import GateTarget, make_targets
from lab.metrics.scorers import scorer_named
from lab.rule_search.config import SEARCH_CONFIGS
from postprocess.apply_rules import apply_rules
from postprocess.component_features import describe_components
from postprocess.component_gates import apply_gates
from postprocess.empty_prediction import Evidence, restore_tumour
from postprocess.refine_input import RefineInput, probability_function
from postprocess.rule_base import EnsembleMaps
from postprocess.rule_kinds import row_from
from postprocess.rules_by_component import RemoveComponent
from postprocess.rules_by_probability import AddForDice, AddProbable
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

TARGETS = make_targets(GLI, CONFIG)


def values_by(case, gates) -> np.ndarray:
    """Return the values (label component,) of a case after gates."""
    values = case.predicted
    for gate in gates:
        place = (gate.label, gate.region, gate.per)
        number = [(t.label, t.region, t.per) for t in TARGETS].index(place)
        components = case.targets[number]
        at = [components.names.index(name) for name in gate.feature_names]
        removed = gate.removes(components.rows[:, at])
        target = GateTarget(gate.label, gate.region, gate.becomes, gate.per)
        values = case.without(values, number, target, removed)
    return values


def test_targets_are_the_whole_tumour_and_each_label() -> None:
    assert [(t.name, t.becomes) for t in TARGETS] == [
        ("WT, whole case", "background"),
        ("WT", "background"),
        ("NETC", "surrounding"),
        ("SNFH", "surrounding"),
        ("ET", "surrounding"),
        ("RC", "surrounding"),
    ]
    assert [t.name for t in make_targets(PANTHER, CONFIG)] == ["tumour"]


@pytest.mark.parametrize("seed", range(8))
def test_gates_and_rules_on_components_are_those_on_images(seed: int) -> None:
    """Gates that remove or relabel what is small, then two rules, on maps where labels touch."""
    labels, reference = random_map(seed, (10, 11, 12)), random_map(seed + 50, (10, 11, 12))
    refine_input = RefineInput(make_case(GLI, labels.shape), labels, GLI)
    if seed % 2:  # with probabilities a case knows the peaks of its components
        sure = certain(labels, GLI) * np.float32(0.9)
        refine_input = replace(refine_input, probabilities=sure, head=softmax_head(GLI))
    case = make_gate_case(refine_input, reference, SCORER, CONFIG)
    rules = (RemoveSmall("NETC", "surrounding", min_voxels=9), RelabelMinor("ET", "SNFH", 0.2))
    gates = [
        size_gate("WT", 1.0, per="case"),
        size_gate("WT", 5.0),
        size_gate("SNFH", 40.0, "NETC"),
        size_gate("ET", 12.0, "surrounding"),
        size_gate("RC", 9.0),
    ]
    values = values_by(case, gates)
    gated = apply_gates(refine_input, gates)
    assert sum(row["voxels"] for row in gated.record) > 0
    after = apply_rules(gated.labels, rules, GLI, (1.0, 1.0, 1.0)).labels
    final = case.final(values, rules)
    assert case.value(final) == pytest.approx(image_objective(after, reference), abs=1e-9)
    assert case.value(case.final(values)) == pytest.approx(
        image_objective(gated.labels, reference), abs=1e-9
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lowering", [AddProbable("ET", min_probability=0.3), AddForDice("RC")])
def test_gates_before_rules_that_lower_a_threshold_score_as_images_do(seed: int, lowering) -> None:
    """What a gate removed does not join again, however probable."""
    rng = np.random.default_rng(seed)
    channels = ndimage.gaussian_filter(rng.normal(size=(5, 10, 11, 12)), (0, 1, 1, 1))
    probabilities = np.exp(9 * channels - (9 * channels).max(0)).astype(np.float32)
    probabilities /= probabilities.sum(0)
    labels = labels_from(probabilities, softmax_head(GLI), GLI)
    reference = random_map(seed + 50, labels.shape)
    refine_input = RefineInput(make_case(GLI, labels.shape), labels, GLI)
    refine_input = replace(refine_input, probabilities=probabilities, head=softmax_head(GLI))
    case = make_gate_case(
        refine_input, reference, SCORER, replace(SEARCH_CONFIGS["hysteresis"], groups=("mask",))
    )
    spares = {"min_peak_probability": 0.6}
    rules = (
        lowering,
        RemoveComponent("ET", "surrounding", unless_any=spares),
        RemoveSmall("NETC", "surrounding", min_voxels=9),
        RelabelMinor("ET", "SNFH", 0.2),
    )
    gates = [size_gate("WT", 15.0), size_gate("SNFH", 400.0, "surrounding")]
    probability = probability_function(refine_input)
    scores = []
    for applied in (gates, []):
        gated = apply_gates(refine_input, applied)
        maps = EnsembleMaps(probability, predicted=labels)
        after = apply_rules(gated.labels, rules, GLI, (1.0, 1.0, 1.0), maps)
        assert after.applied[0]["kind"] == row_from(lowering)["kind"]
        scores.append(image_objective(after.labels, reference))
    assert scores[0] != scores[1]
    values = values_by(case, gates)
    assert case.ruled(values, rules).objective == pytest.approx(scores[0], abs=1e-9)
    ungated = case.ruled(case.predicted, rules)
    assert ungated.objective == pytest.approx(scores[1], abs=1e-9)
    # A threshold that no voxel reaches changes nothing, and what gates did stays done.
    idle = case.ruled(values, [AddProbable("ET", min_probability=1.0)])
    assert idle.objective == pytest.approx(case.ruled(values, ()).objective, abs=1e-9)
    assert case.ruled(case.predicted, ()).lost == 0


def test_a_component_is_worth_what_the_score_changes_without_it() -> None:
    refine_input, reference = lookalike(3)
    case = make_gate_case(refine_input, reference, SCORER, CONFIG)
    before = image_objective(refine_input.labels, reference)
    for number, target in enumerate(TARGETS):
        labels = target.labels(GLI)
        components = describe_components(
            refine_input, labels, ["volume_mm3"], target.per
        ).components
        gains = case.targets[number].gains
        assert gains.size == components.voxels.size - 1
        for component, gain in enumerate(gains, 1):
            without = refine_input.labels.copy()
            selected = components.ids == component
            is_inside = target.name == "ET" and selected[19:21, 18:22, 18:22].any()
            without[selected] = GLI.labels["SNFH"] if is_inside else 0
            assert gain == pytest.approx(image_objective(without, reference) - before, abs=1e-9)
    gains_of_et = case.targets[4].gains
    assert (gains_of_et > 0).any() and (gains_of_et < 0).any()


def test_where_nothing_may_be_empty_the_only_component_is_worth_nothing() -> None:
    labels = np.zeros((12, 14, 16), np.uint8)
    box(labels, PANTHER.labels["tumour"], (3, 3, 3), (2, 2, 2))
    refine_input = RefineInput(make_case(PANTHER), labels, PANTHER)
    scorer = scorer_named("panther", PANTHER)
    wrong = make_gate_case(refine_input, np.roll(labels, 5, 1), scorer, CONFIG)
    assert wrong.targets[0].gains.tolist() == [0]
    two = labels.copy()
    box(two, PANTHER.labels["tumour"], (9, 9, 9), (1, 1, 1))
    case = make_gate_case(replace(refine_input, labels=two), labels, scorer, CONFIG)
    assert case.targets[0].gains[1] > 0 > case.targets[0].gains[0]
    target = make_targets(PANTHER, CONFIG)[0]
    nothing = case.without(case.predicted, 0, target, np.ones(2, bool))
    evidence = Evidence(two, None, (1.0, 1.0, 1.0))
    restored, _ = restore_tumour(np.zeros_like(two), evidence, PANTHER)
    expected = image_objective(restored, labels, PANTHER, scorer)
    assert case.value(case.final(nothing)) == pytest.approx(expected, abs=1e-9)


def test_a_case_without_a_predicted_voxel_has_no_component() -> None:
    refine_input, reference = lookalike(0)
    empty = replace(refine_input, labels=np.zeros_like(refine_input.labels))
    case = make_gate_case(empty, reference, SCORER, CONFIG)
    assert [len(target.rows) for target in case.targets] == [0] * len(TARGETS)


def test_the_same_case_is_the_same() -> None:
    one, other = (gate_case(1) for _ in range(2))
    np.testing.assert_array_equal(one.targets[0].rows, other.targets[0].rows)
