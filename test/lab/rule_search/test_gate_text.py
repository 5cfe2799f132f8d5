"""Gates in sentences: what they gain and rest on, or why none ship."""

from lab.rule_search.gate_text import evidence_lines, gate_lines, gate_sentence

FEATURES = [
    {"name": "t1c_roughness", "log_odds": 1.24, "raises": False},
    {"name": "volume_mm3", "log_odds": 0.5, "raises": True},
    {"name": "front", "log_odds": 0.0, "raises": False},
]
GATE = {"name": "WT", "classifier": "logistic, C 0.1", "cutoff": 0.9, "becomes": "background"}
GATES = {
    "gates": [{**GATE, "components": 210, "features": FEATURES}],
    "ships": True,
    "failures": [],
    "objective": "overlap",
    "score_with_gates": 0.82,
    "score_without_gates": 0.8,
    **{"mean": 0.02, "low": 0.01, "high": 0.03, "p": 0.0004, "cases": 80},
    "common_support": {"n": 70, "difference": 0.001, "low": -0.01, "high": 0.02, "p": 0.6},
    "lost": {"mean": 0.01, "at_most": 0.04, "confidence": 0.9, "cases": 75, "groups": []},
    **{"components": 400, "removed": 50, "worth_removing": 45},
}
NUMBERS = "+0.0200 (+0.0100 to +0.0300, p = 0.0004) on 80 held-out cases"


def test_gates_that_ship_are_named_with_their_gain() -> None:
    expected = f"gates ship, on WT: overlap 0.8200 with, 0.8000 without, {NUMBERS}"
    assert gate_sentence(GATES) == expected


def test_gates_that_do_not_ship_have_their_numbers_and_the_reason() -> None:
    refused = GATES | {"ships": False, "failures": ["p = 0.2 is not below 0.05"]}
    assert gate_sentence(refused) == f"no gates: they gained {NUMBERS}, p = 0.2 is not below 0.05"
    assert gate_sentence(refused | {"gates": [], "failures": ["no label"]}) == "no gates: no label"
    assert gate_lines(refused | {"gates": []}) == []


def test_what_weighs_is_named_with_its_direction_and_what_does_nothing_is_not() -> None:
    first, second = gate_lines(GATES)
    assert first == (
        "WT: logistic, C 0.1, 210 training components; from probability 0.9 on -> background; "
        "speaks for it: less t1c_roughness (1.2), more volume_mm3 (0.5)"
    )
    assert second.startswith("in parentheses: permutation importance")


def test_beside_the_gain_stand_common_support_losses_and_counts() -> None:
    support, loss, counts = evidence_lines(GATES)
    assert support == "on common support (70 cases): +0.0010, -0.0100 to +0.0200, p = 0.600"
    assert loss.startswith("rules and gates: lesions of the reference lost: 1.00% on average, at")
    assert counts == "50 of 400 components removed or relabelled, 45 of these worth it alone"
    nothing = {"n": 0, "difference": None, "low": None, "high": None, "p": None}
    assert len(evidence_lines(GATES | {"common_support": nothing})) == 2
