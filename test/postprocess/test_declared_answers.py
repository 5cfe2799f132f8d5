"""Answers declared for cases that no rules fit: far from all others, or with nothing credible."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from cubes import GLI, PANTHER, box, make_artefacts, make_case, size_gate

from postprocess import refine_labels
from postprocess.artefacts import ArtefactError, Cluster, Fallback, load_artefacts, save_artefacts
from postprocess.declared_answers import AS_PREDICTED, EMPTY, POOLED, RECOVERED
from postprocess.refine_input import RefineInput
from postprocess.rules_by_size import RemoveSmall

NETC, SNFH, ET = (GLI.labels[name] for name in ("NETC", "SNFH", "ET"))
POOLED_RULES = (RemoveSmall("ET", min_voxels=5),)


def labels_of_two() -> np.ndarray:
    """Return a block of oedema of 216 voxels and a speck of ET of 2 voxels apart."""
    labels = np.zeros((12, 14, 16), np.uint8)
    box(labels, SNFH, (1, 1, 1), (6, 6, 6))
    box(labels, ET, (10, 10, 10), (1, 1, 2))
    return labels


def artefacts_with(fallback: Fallback, far: float, rules=POOLED_RULES, gates=()):
    """Return artefacts whose clusters have the same rules, and take cases up to a distance."""
    artefacts = make_artefacts()
    clusters = (Cluster(9, far, tuple(rules)),) * 2
    return replace(artefacts, clusters=clusters, fallback=fallback, gates=tuple(gates))


def refined_by(artefacts, labels=None, scheme=GLI):
    labels = labels_of_two() if labels is None else labels
    return refine_labels(RefineInput(make_case(scheme), labels, scheme), artefacts)


def test_a_far_case_stays_as_predicted_where_that_is_declared(caplog) -> None:
    gates = (size_gate("SNFH", 999.0),)  # would remove the block
    artefacts = artefacts_with(Fallback(AS_PREDICTED), far=1e-3, gates=gates)
    with caplog.at_level(logging.WARNING):
        refined = refined_by(artefacts)
    np.testing.assert_array_equal(refined.labels, labels_of_two())
    record = refined.record
    assert record["fallback"]["name"] == AS_PREDICTED
    assert "from the centre of cluster" in record["fallback"]["reason"]
    skipped = {"gate": "SNFH", "cutoff": 0.5, "skipped": "the case stays as predicted"}
    assert (record["gates"], record["rules"], record["voxels_changed"]) == ([skipped], [], {})
    reason = record["fallback"]["reason"]
    assert caplog.messages == [f"case-1: {reason}; post-processing falls back to as-predicted"]


def test_a_near_case_of_the_same_artefact_gets_gates_and_rules() -> None:
    gates = (size_gate("SNFH", 999.0),)
    refined = refined_by(artefacts_with(Fallback(AS_PREDICTED), far=1e9, gates=gates))
    assert not refined.labels.any()
    assert refined.record["fallback"] is None
    assert [row["voxels"] for row in refined.record["gates"]] == [216]
    assert [row["voxels"] for row in refined.record["rules"]] == [2]


def test_a_far_case_gets_gates_and_the_pooled_rules_where_these_are_declared() -> None:
    far = artefacts_with(Fallback(POOLED, POOLED_RULES), far=1e-3, rules=())
    refined = refined_by(far)
    assert np.count_nonzero(refined.labels == ET) == 0
    assert refined.record["fallback"]["name"] == POOLED
    gated = refined_by(replace(far, gates=(size_gate("SNFH", 999.0),)))
    assert not gated.labels.any()


def test_distances_are_needed_even_of_one_set_of_rules() -> None:
    """Pooled rules that all clusters share need no features; to spare far cases needs them."""
    assert artefacts_with(Fallback(POOLED, POOLED_RULES), far=1.0).has_one_rule_set
    assert not artefacts_with(Fallback(AS_PREDICTED), far=1.0).has_one_rule_set
    gated = artefacts_with(Fallback(AS_PREDICTED), 1.0, rules=(), gates=(size_gate("ET", 9.0),))
    assert not gated.has_one_rule_set
    assert artefacts_with(Fallback(AS_PREDICTED), far=1.0, rules=()).has_one_rule_set


def test_a_case_without_a_credible_component_is_empty_by_default(caplog) -> None:
    whole = size_gate("WT", 999.0, per="case")
    artefacts = artefacts_with(Fallback("identity"), 1e9, rules=(), gates=(whole,))
    refined = refined_by(artefacts)
    assert not refined.labels.any()
    answer = refined.record["no_credible_component"]
    assert answer == {"answer": EMPTY, "reason": "gates and rules left nothing of WT"}
    assert f"case-1: {answer['reason']}; the declared answer is empty" in caplog.messages


def test_it_stays_as_predicted_where_that_is_declared_whoever_removed_its_components() -> None:
    whole, rule = size_gate("WT", 999.0, per="case"), RemoveSmall(region="WT", min_voxels=999)
    for gates, rules in (((whole,), ()), ((), (rule,)), ((size_gate("SNFH", 999.0),), (rule,))):
        artefacts = artefacts_with(Fallback("identity"), 1e9, rules=rules, gates=gates)
        refined = refined_by(replace(artefacts, no_credible_component=AS_PREDICTED))
        np.testing.assert_array_equal(refined.labels, labels_of_two())
        assert refined.record["no_credible_component"]["answer"] == AS_PREDICTED
        assert refined.record["voxels_changed"] == {}


def test_one_credible_component_or_no_prediction_needs_no_answer() -> None:
    artefacts = artefacts_with(Fallback("identity"), far=1e9)  # takes the speck alone
    artefacts = replace(artefacts, no_credible_component=AS_PREDICTED)
    refined = refined_by(artefacts)
    assert np.count_nonzero(refined.labels) == 216
    assert refined.record["no_credible_component"] is None
    nothing = refined_by(artefacts, np.zeros((12, 14, 16), np.uint8))
    assert nothing.record["no_credible_component"] is None


def two_tumours() -> np.ndarray:
    """Return two tumours of PANTHER, of 8 and of 1 voxel."""
    labels = np.zeros((12, 14, 16), np.uint8)
    box(labels, PANTHER.labels["tumour"], (3, 3, 3), (2, 2, 2))
    box(labels, PANTHER.labels["tumour"], (9, 9, 9), (1, 1, 1))
    return labels


@pytest.mark.parametrize(
    ("declared", "answer", "voxels", "recovered_by"),
    [("", RECOVERED, 8, "before-rules"), (AS_PREDICTED, AS_PREDICTED, 9, None)],
)
def test_where_an_empty_answer_is_punished_the_largest_or_all_comes_back(
    declared: str, answer: str, voxels: int, recovered_by: str | None
) -> None:
    rules = (RemoveSmall("tumour", min_voxels=99),)
    artefacts = make_artefacts(PANTHER)
    clusters, fallback = (Cluster(9, 1e9, rules),) * 2, Fallback(POOLED, rules)
    artefacts = replace(artefacts, clusters=clusters, fallback=fallback)
    artefacts = replace(artefacts, no_credible_component=declared)
    refined = refined_by(artefacts, two_tumours(), PANTHER)
    assert np.count_nonzero(refined.labels) == voxels
    assert refined.record["no_credible_component"]["answer"] == answer
    assert refined.record["recovered_by"] == recovered_by


@pytest.mark.parametrize(
    ("scheme", "answer", "message"),
    [
        (PANTHER, EMPTY, f"'empty': {PANTHER.name} allows no empty answer .when_empty: before-"),
        (GLI, RECOVERED, "'recovered': brats-gli names no step against an empty answer"),
        (GLI, "donor", "'donor' is not one of"),
    ],
)
def test_an_answer_that_the_challenge_forbids_is_refused_when_saved_and_when_loaded(
    tmp_path, scheme, answer: str, message: str
) -> None:
    artefacts = make_artefacts(scheme)
    with pytest.raises(ArtefactError, match=f"postprocess.json: no_credible_component {message}"):
        save_artefacts(tmp_path, replace(artefacts, no_credible_component=answer))
    save_artefacts(tmp_path, artefacts)
    change_json(tmp_path, no_credible_component=answer)
    with pytest.raises(ArtefactError, match=f"postprocess.json: no_credible_component {message}"):
        load_artefacts(tmp_path, scheme)


def change_json(folder, **changes) -> None:
    path = folder / "postprocess.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_answers_are_read_in_the_file_and_come_back(tmp_path) -> None:
    artefacts = replace(make_artefacts(), fallback=Fallback(AS_PREDICTED))
    save_artefacts(tmp_path, replace(artefacts, no_credible_component=AS_PREDICTED))
    document = json.loads((tmp_path / "postprocess.json").read_text())
    assert document["fallback"] == {"name": "as-predicted", "rules": []}
    assert document["no_credible_component"] == "as-predicted"
    loaded = load_artefacts(tmp_path, GLI)
    assert (loaded.fallback, loaded.empty_answer) == (Fallback(AS_PREDICTED), AS_PREDICTED)


@pytest.mark.parametrize(("scheme", "answer"), [(GLI, EMPTY), (PANTHER, RECOVERED)])
def test_an_artefact_of_schema_4_answers_as_its_challenge_says(tmp_path, scheme, answer) -> None:
    save_artefacts(tmp_path, make_artefacts(scheme))
    path = tmp_path / "postprocess.json"
    document = json.loads(path.read_text())
    assert document.pop("no_credible_component") == answer
    path.write_text(json.dumps({**document, "schema": 4}))
    assert load_artefacts(tmp_path, scheme).empty_answer == answer


def test_a_far_answer_that_cannot_be_is_refused(tmp_path) -> None:
    save_artefacts(tmp_path, make_artefacts())
    rules = json.loads((tmp_path / "postprocess.json").read_text())["fallback"]["rules"]
    change_json(tmp_path, fallback={"name": "as-predicted", "rules": rules})
    with pytest.raises(ArtefactError, match="fallback 'as-predicted' cannot have rules"):
        load_artefacts(tmp_path, GLI)
    change_json(tmp_path, fallback={"name": "as-predicted", "rules": []}, feature_names=[])
    with pytest.raises(ArtefactError, match="without features no case is far from others"):
        load_artefacts(tmp_path, GLI)
