"""What held-out cases get of whose tumour gates and rules leave nothing."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from lookalikes import CONFIG, GLI, gate_case, image_objective, lookalike

from challenge.scheme import SCHEMES
from lab.learned_gates import held_out as module
from lab.learned_gates.gate_cases import Ruled
from lab.learned_gates.gate_images import gated_and_ruled
from lab.learned_gates.held_out import evaluate, with_empty_answer
from lab.rule_search.decision import GATE
from lab.rule_search.declared_answer import declare
from postprocess.declared_answers import AS_PREDICTED, EMPTY, RECOVERED
from postprocess.rules_by_size import RemoveSmall

EVERYTHING = RemoveSmall(region="WT", min_volume_mm3=1e9)


def outcome(objective: float, is_emptied: bool = False) -> Ruled:
    return Ruled(objective, np.array([objective]), [False], np.nan, is_emptied)


@dataclass(frozen=True)
class Stub:
    """A case whose scores are given: as predicted, and when everything is removed."""

    as_predicted: float
    emptied: float
    scheme: object = GLI
    columns: tuple = (("WT", "dice"),)
    predicted: str = "predicted"
    targets: tuple = (SimpleNamespace(rows=[0]),)

    def ruled(self, values: str, rules) -> Ruled:
        if rules or values == "gated":
            return outcome(self.emptied, is_emptied=True)
        return outcome(self.as_predicted)


def answers(as_predicted: float, count: int = 6, **changes):
    cases = [Stub(as_predicted, 0.5, **changes) for _ in range(count)] + [Stub(0.9, 0.9)]
    ruled = [case.ruled(case.predicted, (EVERYTHING,)) for case in cases[:-1]] + [outcome(0.9)]
    return with_empty_answer(cases, ruled, CONFIG)


def test_emptied_cases_stay_as_predicted_where_that_is_better() -> None:
    ruled, answer = answers(0.7)
    assert (answer.answer, answer.gain.cases) == (AS_PREDICTED, 6)
    assert answer.gain.mean == pytest.approx(0.2)
    assert [each.objective for each in ruled] == [0.7] * 6 + [0.9]


@pytest.mark.parametrize(("as_predicted", "count"), [(0.3, 6), (0.5, 6), (0.7, 5), (0.7, 0)])
def test_they_are_empty_where_that_is_better_the_same_or_unsure(as_predicted, count) -> None:
    ruled, answer = answers(as_predicted, count)
    assert answer.answer == EMPTY and answer.failures
    assert [each.objective for each in ruled] == [0.5] * count + [0.9]


def test_a_challenge_that_forbids_an_empty_answer_has_another_default() -> None:
    assert answers(0.3, scheme=SCHEMES["panther-t1"])[1].answer == RECOVERED


def test_rules_that_leave_nothing_say_so_and_the_image_gets_the_declared_answer() -> None:
    case, (refine_input, reference) = gate_case(1), lookalike(1)
    emptied = case.ruled(case.predicted, (EVERYTHING,))
    assert emptied.is_emptied and not case.ruled(case.predicted, ()).is_emptied
    empty, stays = (declare(EMPTY, np.full(n, 0.1), GATE, 0, "none") for n in (0, 6))
    labels = gated_and_ruled(refine_input, (), (EVERYTHING,), empty)
    assert not labels.any()
    assert image_objective(labels, reference) == pytest.approx(emptied.objective)
    labels = gated_and_ruled(refine_input, (), (EVERYTHING,), stays)
    np.testing.assert_array_equal(labels, refine_input.labels)


def test_no_gate_looks_at_far_cases_that_stay_as_predicted(monkeypatch) -> None:
    cases = [replace(Stub(0.7, 0.2), columns=(("WT", "dice"),)) for _ in range(10)]
    gate = SimpleNamespace(gate="gate", number=0)
    monkeypatch.setattr(module, "fit_gates", lambda *_: [gate])
    monkeypatch.setattr(
        module, "apply_fitted", lambda case, gates: "gated" if gates else case.predicted
    )
    monkeypatch.setattr(module, "removals_in", lambda *_: [])
    monkeypatch.setattr(module, "with_empty_answer", lambda cases, ruled, config: (ruled, None))
    is_far = [number == 3 for number in range(10)]
    result = evaluate(cases, (), [()] * 10, CONFIG, is_far)
    assert result.gates[3] == () and result.gates[4] == ("gate",)
    assert result.after[3] == 0.7 and result.after[4] == 0.2
    assert result.components == 9
