"""Which classifier and cut-off a gate gets: the first that is as good as the best, or none."""

from dataclasses import replace

import numpy as np
import pytest
from lookalikes import CONFIG, GLI, SCORER, gate_case, lookalike

from lab.learned_gates import fit_gates as module
from lab.learned_gates.classifiers import CLASSIFIERS
from lab.learned_gates.fit_gates import Candidate, apply_fitted, choose, fit_gates
from lab.learned_gates.gate_cases import make_gate_case
from lab.learned_gates.gate_targets import make_targets
from lab.learned_gates.held_out import evaluate
from lab.learned_gates.summary import gate_record, judge, verdict_lines
from lab.learned_gates.training import Trained, rows_of, train
from lab.risk_bounds import upper_bound
from postprocess.gate_models import Familiarity, Scaling

TARGETS = make_targets(GLI, CONFIG)
WT, NETC = 1, 2  # numbers of targets


def candidate(cutoff: float, gains: list[float], losses: float = 0.0) -> Candidate:
    nothing = Scaling(np.zeros(1, bool), np.zeros(1), np.ones(1))
    near = Familiarity(np.eye(1), np.array(1.0))
    trained = Trained("x", nothing, near, None, 1.0, 0.0, {})  # type: ignore[arg-type]
    return Candidate(trained, cutoff, [], np.array(gains), np.full(len(gains), losses))


def test_without_a_gain_beyond_its_error_there_is_no_gate() -> None:
    assert choose([]) is None
    assert choose([candidate(0.9, [0, 0, 0]), candidate(0.5, [0.3, -0.2, 0.0])]) is None
    assert choose([candidate(0.9, [-0.1, -0.1, -0.2])]) is None


def test_the_first_of_those_as_good_as_the_best_is_chosen() -> None:
    first, second = candidate(0.9, [0.1, 0.1, 0.1, 0.1]), candidate(0.5, [0.1, 0.1, 0.1, 0.2])
    assert choose([first, second]) is first
    better = candidate(0.5, [0.2, 0.2, 0.2, 0.21])
    assert choose([first, better]) is better


def test_one_that_may_lose_too_many_lesions_is_not_chosen() -> None:
    careful, careless = candidate(0.9, [0.1] * 40), candidate(0.5, [0.5] * 40, losses=0.3)
    assert choose([careful, careless]) is careless
    assert upper_bound(np.zeros(40)) < 0.1
    assert choose([careful, careless], lost_at_most=0.1) is careful
    assert choose([careless], lost_at_most=0.1) is None


def healthy_case(seed: int):
    """Every other case has no lesion but a predicted one; of the others the prediction is right."""
    refine_input, reference = lookalike(seed)
    if seed % 2:
        return make_gate_case(replace(refine_input, labels=reference), reference, SCORER, CONFIG)
    false = np.zeros_like(reference)
    false[4 : 6 + seed % 3, 4:7, 18:21] = GLI.labels["ET"]
    prediction = replace(refine_input, labels=false)
    return make_gate_case(prediction, np.zeros_like(reference), SCORER, CONFIG)


@pytest.fixture(scope="module")
def logistic():
    """One classifier, for speed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CLASSIFIERS", CLASSIFIERS[1:2])
        yield


@pytest.fixture(scope="module")
def cases():
    return [gate_case(seed) for seed in range(24)]


def test_look_alikes_go_by_texture_and_lesions_stay(cases, logistic, capsys) -> None:
    held_out = evaluate(cases, TARGETS, [()] * len(cases), CONFIG)
    fitted = fit_gates(cases, TARGETS, CONFIG)
    verdict = judge(fitted, held_out, np.zeros(len(cases), int), CONFIG)
    assert verdict.ships and verdict.gain.low > 0.2
    assert held_out.removed == held_out.worth_removing > 40
    assert [gate.target.name for gate in fitted] == ["WT"]
    (gate,) = verdict.gates
    gate.check(GLI)
    assert gate.training_components == len(rows_of(cases, WT).gains)
    lines = verdict_lines(verdict, TARGETS, CONFIG)
    assert lines[0] == "WT, whole case: no gate"
    assert lines[WT].startswith("WT: logistic, C 0.1, ")
    assert lines[-1] == "ships: gates"
    record = gate_record(verdict, [[]], "2023-gli", CONFIG)
    assert record["gates"][0]["name"] == "WT" and record["lost"]["mean"] == 0
    assert record["score_with_gates"] > record["score_without_gates"] + 0.2
    # What may be lost cannot be shown to be as little as 1 % by 24 cases.
    strict = replace(CONFIG, lost_at_most=0.01)
    limited = judge(fitted, held_out, np.zeros(len(cases), int), strict)
    assert limited.failures == ("up to 9.1% of lesions may be lost, more than 1.0%",)
    assert verdict_lines(limited, TARGETS, strict)[-1] == "ships: no gates"


def test_a_component_unlike_all_others_stays(cases, logistic) -> None:
    """Ten times as bright as any: whatever the classifier would say of it."""
    (fitted,) = fit_gates(cases, TARGETS, CONFIG)
    gate, rows = fitted.gate, rows_of(cases, WT).features
    assert not gate.is_unlike(rows).any()
    odd = rows[gate.removes(rows)][:3].copy()
    odd[:, gate.feature_names.index("t1c_mean")] *= 10
    assert gate.is_unlike(odd).all() and not gate.removes(odd).any()


def test_a_gate_does_to_its_training_cases_what_its_arrays_say(cases, logistic) -> None:
    fitted = fit_gates(cases, TARGETS, CONFIG)
    for case in cases[:5]:
        values = apply_fitted(case, fitted)
        assert case.value(case.final(values)) > case.value(case.final(case.predicted)) - 1e-12


def test_an_out_of_fold_probability_is_of_a_fit_without_that_case(cases) -> None:
    """Another answer in one case changes all probabilities but its own fold's."""
    rows = rows_of(cases, WT)
    one = train(rows, CLASSIFIERS[1], GLI, seed=0)
    other_gains = np.where(rows.cases == 3, -rows.gains, rows.gains)
    other = train(replace(rows, gains=other_gains), CLASSIFIERS[1], GLI, seed=0)
    assert one is not None and other is not None

    def order(trained: Trained, case: int) -> list[int]:
        return np.argsort(trained.out_of_fold[case]).tolist()

    # Calibration is of all; the order within the case is that of the fit.
    assert order(one, 3) == order(other, 3)
    np.testing.assert_array_equal(one.scaling.centre, other.scaling.centre)
    assert set(one.out_of_fold) == set(range(24))


def test_too_few_components_teach_nothing(cases) -> None:
    assert not rows_of(cases, NETC).is_enough
    assert fit_gates(cases[:3], TARGETS, CONFIG) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_tells_them_apart_nothing_ships(seed: int) -> None:
    cases = [gate_case(1000 * (seed + 1) + number, tells=False) for number in range(40)]
    held_out = evaluate(cases, TARGETS, [()] * len(cases), CONFIG)
    fitted = fit_gates(cases, TARGETS, CONFIG)
    assert not judge(fitted, held_out, np.zeros(40, int), CONFIG).ships


@pytest.mark.slow
def test_every_classifier_may_be_chosen_and_finds_them() -> None:
    cases = [gate_case(seed) for seed in range(40)]
    held_out = evaluate(cases, TARGETS, [()] * len(cases), CONFIG)
    assert held_out.gains.mean() > 0.3 and all(
        [gate.name for gate in gates] == ["WT"] for gates in held_out.gates
    )


def test_cases_whose_reference_is_empty_get_an_empty_answer(logistic) -> None:
    """Half of the cases are healthy, and all that is predicted there is a small bright spot."""
    cases = [healthy_case(seed) for seed in range(60)]
    held_out = evaluate(cases, TARGETS[:1], [()] * len(cases), CONFIG)
    fitted = fit_gates(cases, TARGETS[:1], CONFIG)
    verdict = judge(fitted, held_out, np.zeros(len(cases), int), CONFIG)
    assert verdict.ships and verdict.gates[0].per == "case"
    assert held_out.removed == held_out.worth_removing >= 25
    # Where the reference is empty an empty answer has no score; on the others nothing changed.
    assert len(held_out.support.left) == held_out.removed
    lines = verdict_lines(verdict, TARGETS, CONFIG)
    words = f"on common support ({60 - held_out.removed} cases): +0.0000"
    assert any(line.startswith(words) for line in lines)
    losing = replace(held_out.support, difference=-0.2, low=-0.3, high=-0.1)
    worse = judge(fitted, replace(held_out, support=losing), np.zeros(60, int), CONFIG)
    assert worse.failures == ("on common support it loses: -0.2000, -0.3000 to -0.1000",)
