"""Look-alikes that are another label: a gate relabels them, and leaves what is true or false."""

from dataclasses import replace

import numpy as np
import pytest
from lookalikes import CONFIG, ET, GLI, SCORER, gate_case, image_objective, lookalike

from lab.learned_gates import fit_gates as module
from lab.learned_gates.classifiers import CLASSIFIERS
from lab.learned_gates.fit_gates import apply_fitted, fit_gates
from lab.learned_gates.gate_cases import make_gate_case
from lab.learned_gates.gate_targets import GateTarget, make_targets, relabelling_targets
from lab.learned_gates.held_out import evaluate
from lab.learned_gates.relabelling import add_relabelling, relabelled
from lab.learned_gates.summary import judge
from postprocess.component_gates import apply_gates

NETC = GLI.labels["NETC"]
TARGETS = make_targets(GLI, CONFIG)
ET_AS_NETC = GateTarget("ET", "", "NETC")
CASES = 24


def confused_case(seed: int):
    """Smooth islands of ET are NETC."""
    return make_gate_case(*lookalike(seed, false_label=NETC), SCORER, CONFIG)


@pytest.fixture(scope="module")
def learned():
    """Cases, their targets and the gates that all of them teach; one classifier for speed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CLASSIFIERS", CLASSIFIERS[1:2])
        cases = [confused_case(seed) for seed in range(CASES)]
        targets = add_relabelling(cases, TARGETS, CONFIG)
        yield cases, targets, fit_gates(cases, targets, CONFIG)


def test_a_label_is_tried_as_the_one_that_references_hold_instead() -> None:
    confusion = np.zeros((5, 5), int)
    confusion[1, 3], confusion[2, 3], confusion[0, 3] = 50, 20, 900  # background is no label
    confusion[4, 1] = 1
    assert [t.name for t in relabelling_targets(GLI, [confusion])] == ["NETC -> RC", "ET -> NETC"]
    other = np.zeros((5, 5), int)
    other[2, 3] = 1
    names = [t.name for t in relabelling_targets(GLI, [confusion, other])]
    assert names == ["NETC -> RC", "ET -> NETC", "ET -> SNFH"]
    assert relabelling_targets(GLI, [np.zeros((5, 5), int)]) == ()


def test_targets_that_relabel_come_before_those_that_remove_a_label(learned) -> None:
    cases, targets, _ = learned
    names = [target.name for target in targets]
    assert names == ["WT, whole case", "WT", "ET -> NETC", "NETC", "SNFH", "ET", "RC"]
    assert all(len(case.targets) == len(targets) for case in cases)


def test_another_label_is_worth_what_it_gains_over_keeping_and_removing() -> None:
    refine_input, reference = lookalike(3, false_label=NETC)
    case = make_gate_case(refine_input, reference, SCORER, CONFIG)
    (island,) = relabelled(case, TARGETS, [ET_AS_NETC])
    keep = image_objective(refine_input.labels, reference)
    sizes = island.rows[:, island.names.index("volume_mm3")]
    values = case.predicted
    for component, gain in enumerate(island.gains, 1):
        at = np.isin(np.arange(values.size), np.flatnonzero(island.groups == component))
        assert np.count_nonzero(at) == 1 and sizes[component - 1] > 0
        removed = case.targets[4].gains[component - 1] + keep
        as_netc = case.value(case.final(np.where(at, NETC, values).astype(np.uint8)))
        assert gain == pytest.approx(as_netc - max(keep, removed), abs=1e-9)
    assert (island.gains > 0).any() and (island.gains < 0).any()


def test_a_gate_relabels_what_another_label_looks_like(learned) -> None:
    cases, targets, fitted = learned
    assert [each.target for each in fitted] == [ET_AS_NETC]
    held_out = evaluate(cases, targets, [()] * CASES, CONFIG)
    verdict = judge(fitted, held_out, np.zeros(CASES, int), CONFIG)
    assert verdict.ships and verdict.gain.low > 0.1
    assert held_out.worth_removing > 40
    # The block in the middle is below 50 mm3, so that the scorer does not look at it.
    assert {r.volume_mm3 for r in held_out.removals if r.gain <= 0} <= {32.0}
    assert min(removal.gain for removal in held_out.removals) > -1e-9


def test_the_gate_does_to_images_what_the_tables_say(learned) -> None:
    _, _, fitted = learned
    gates = [each.gate for each in fitted]
    gates[0].check(GLI)
    for seed in range(100, 104):
        refine_input, reference = lookalike(seed, false_label=NETC)
        case = make_gate_case(refine_input, reference, SCORER, CONFIG)
        case.targets[2:2] = relabelled(case, TARGETS, [ET_AS_NETC])
        result = apply_gates(refine_input, gates)
        islands = np.ones(reference.shape, bool)
        islands[17:23, 16:24, 16:24] = False
        np.testing.assert_array_equal(result.labels[islands], reference[islands])
        assert {row["gate"] for row in result.record} == {"ET -> NETC"}
        on_tables = case.value(case.final(apply_fitted(case, fitted)))
        assert on_tables == pytest.approx(image_objective(result.labels, reference), abs=1e-9)


def test_false_components_are_left_to_the_gates_that_remove() -> None:
    """Where the references hold nothing, another label is no better than removal."""
    cases = [gate_case(seed) for seed in range(2)]
    for case in cases:  # as if another label had been seen once
        case.search_case = replace(case.search_case, confusion=case.search_case.confusion.copy())
        case.search_case.confusion[1 + list(GLI.labels).index("NETC"), ET] += 1
    targets = add_relabelling(cases, TARGETS, CONFIG)
    assert [t.name for t in targets if t.relabels] == ["ET -> NETC"]
    assert max(case.targets[2].gains.max() for case in cases) <= 1e-9
