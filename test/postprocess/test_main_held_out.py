"""A refined cohort says on how many of its cases the rules were fitted, and if it is held out."""

from dataclasses import replace

import pytest
from cubes import GLI, ID, freeze, tumour, write_map

from challenge.case_hashes import hash_cases
from challenge.provenance import NAME, Provenance, content_sha256, read_provenance, write_provenance
from postprocess.artefacts import load_artefacts, save_artefacts


def list_training_cases(folder, *ids):
    """Write into frozen artefacts which cases they were fitted on."""
    artefacts = load_artefacts(folder, GLI)
    fit = dict(artefacts.fit) | {"training_case_sha256": hash_cases(ids)}
    save_artefacts(folder, replace(artefacts, fit=fit))


def test_rules_say_on_how_many_of_the_cases_they_were_fitted(home, run):
    write_map(home / "labels" / "other.nii.gz", tumour())
    list_training_cases(home / "frozen", ID, "never seen")
    code, lines, err = run()
    assert code == 0
    assert {line["id"]: line["fitted_on_case"] for line in lines} == {ID: True, "other": False}
    said = "frozen: 1 of 2 cases were used to fit these rules; their gain here is not held out"
    assert err.count(said) == 1
    record = read_provenance(home / "out")
    assert (record.verb, record.product, record.held_out) == (
        "postprocess",
        "label maps",
        "in-sample",
    )
    assert record.facts == {"cases": 2, "training_cases": 1, "held_out": "in-sample"}
    assert record.sha256 == content_sha256(home / "out")
    assert set(record.inputs) == {"labels", "rules"}
    assert ID not in (home / "out" / NAME).read_text()
    assert ID not in (home / "frozen" / "postprocess.json").read_text()


@pytest.mark.parametrize(
    ("maps", "training", "expected"),
    [
        ("held-out", ["other"], "held-out"),
        ("held-out", None, "unknown"),
        ("in-sample", ["other"], "in-sample"),
        (None, ["other"], "unknown"),
        (None, [f"{ID}"], "in-sample"),
    ],
)
def test_refined_maps_are_held_out_where_networks_and_rules_are(
    home, run, maps, training, expected
):
    if maps:
        sha256, facts = content_sha256(home / "labels"), {"held_out": maps}
        record = Provenance("label maps", "labels", sha256, verb="out-of-fold", facts=facts)
        write_provenance(home / "labels", record)
    if training:
        list_training_cases(home / "frozen", *training)
    code, _, err = run()
    assert (code, read_provenance(home / "out").held_out) == (0, expected)
    assert ("does not list the cases that chose its rules" in err) == (training is None)


def test_no_rule_is_fitted_on_no_case(home, run):
    freeze(home / "none", rules=(), fallback=())
    list_training_cases(home / "none", ID)
    code, [line], err = run(artefact="none")
    assert (code, line["fitted_on_case"]) == (0, False)
    assert "not held out" not in err


def test_label_maps_of_an_earlier_run_beside_the_new_ones_are_an_input(home, run):
    list_training_cases(home / "frozen", ID)
    assert run()[0] == 0
    (home / "labels" / f"{ID}.nii.gz").rename(home / "labels" / "other.nii.gz")
    code, _, err = run()
    assert code == 0
    assert "holds 1 label maps of an earlier run" in err
    record = read_provenance(home / "out")
    assert record.inputs["earlier label maps"].held_out == "in-sample"
    assert (record.held_out, record.facts["training_cases"]) == ("in-sample", 0)


def test_label_maps_changed_since_their_record_are_refused(home, run):
    record = Provenance("label maps", "labels", "0" * 64, verb="out-of-fold")
    write_provenance(home / "labels", record)
    code, lines, err = run()
    assert (code, lines) == (2, [])
    assert "files were changed, added or removed after `lab out-of-fold` wrote them" in err
