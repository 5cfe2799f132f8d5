"""What a model's card says of gates, and of cases that no rules fit."""

from dataclasses import replace

from cubes import make_artefacts, size_gate

from challenge.scheme import SCHEMES
from lab.packing.model_card import answer_sentences, gate_sentences
from postprocess.artefacts import Artefacts, Fallback

RECORD = {
    "ships": True,
    "score_without_gates": 0.8,
    "score_with_gates": 0.82,
    "low": 0.01,
    "high": 0.03,
    "lost": {"mean": 0.001, "at_most": 0.02},
}


def test_gates_are_on_the_card_with_their_gain_and_their_cost() -> None:
    artefacts = make_artefacts()
    assert list(gate_sentences(artefacts)) == []
    gated = replace(artefacts, gates=(size_gate("WT", 3.0), size_gate("ET", 3.0)))
    assert list(gate_sentences(gated)) == ["Gates on WT, ET; nothing is known of their gain here."]
    known = replace(gated, fit={**gated.fit, "gates": RECORD})
    (sentence,) = gate_sentences(known)
    assert sentence == (
        "Gates on WT, ET, held out: 0.8000 without, 0.8200 with gates (gain +0.0100 to +0.0300); "
        "of the reference's lesions rules and gates lose 0.10%, at most 2.0%."
    )
    forced = replace(gated, fit={**gated.fit, "gates": {**RECORD, "ships": False}})
    assert "+0.0300, which did not pass)" in next(iter(gate_sentences(forced)))
    foreign = replace(known, fit={**known.fit, "foreign": "another model"})
    assert "nothing is known of their gain" in next(iter(gate_sentences(foreign)))


def test_answers_for_cases_that_no_rules_fit_are_on_the_card() -> None:
    artefacts = replace(make_artefacts(), fallback=Fallback("as-predicted"))
    assert list(answer_sentences(artefacts)) == [
        "A case far from all others: labels stay as predicted.",
        "A case of whose tumour gates and rules leave nothing: it has no tumour.",
    ]
    spared = replace(artefacts, no_credible_component="as-predicted")
    assert list(answer_sentences(spared))[1].endswith("nothing: labels stay as predicted.")
    panther = replace(artefacts, scheme=SCHEMES["panther-t1"])
    assert "a tumour is recovered" in list(answer_sentences(panther))[1]
    assert list(answer_sentences(Artefacts(artefacts.scheme))) == []
