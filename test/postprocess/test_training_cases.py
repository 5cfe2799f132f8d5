"""Rules know the cases that they were fitted on, without naming one."""

from dataclasses import replace

import pytest
from cubes import GLI, make_artefacts

from challenge.case_hashes import hash_cases
from postprocess.artefact_schema import Cluster, Fallback
from postprocess.artefacts import load_artefacts, save_artefacts
from postprocess.rules_by_size import RemoveSmall
from postprocess.training_cases import in_sample_remarks, was_fitted_on


def fitted_on(*ids: str):
    """Return artefacts with a rule that was fitted on cases."""
    artefacts = make_artefacts(GLI)
    rules = (RemoveSmall("ET", min_voxels=5),)
    fit = dict(artefacts.fit) | {"training_case_sha256": hash_cases(ids)}
    return replace(artefacts, fallback=Fallback("pooled", rules), fit=fit)


def test_a_case_is_known_by_sixteen_digits_of_its_hash():
    assert hash_cases(["b", "a"]) == ["3e23e8160039594a", "ca978112ca1bbdca"]  # sha256sum


def test_a_case_is_known_also_by_the_name_of_its_label_file():
    artefacts = fitted_on("BraTS-GLI-00001-000")
    ids = ("BraTS-GLI-00001-000", "BraTS-GLI-00001-000-seg", "BraTS-GLI-00001-001")
    assert [was_fitted_on(id, artefacts) for id in ids] == [True, True, False]


def test_an_artefact_without_the_list_does_not_know_and_one_without_rules_needs_none():
    artefacts = make_artefacts(GLI)
    assert was_fitted_on("a", artefacts) is None
    clusters = tuple(Cluster(1, 1.0, ()) for _ in artefacts.clusters)
    identity = replace(fitted_on("a"), clusters=clusters, fallback=Fallback("identity"))
    assert was_fitted_on("a", identity) is False


def test_the_list_survives_the_file_and_anything_else_is_refused(tmp_path):
    save_artefacts(tmp_path, fitted_on("a"))
    assert was_fitted_on("a", load_artefacts(tmp_path, GLI)) is True
    wrong = replace(fitted_on(), fit=dict(fitted_on().fit) | {"training_case_sha256": [1]})
    with pytest.raises(ValueError, match="training_case_sha256: not a list of hashes"):
        save_artefacts(tmp_path, wrong)


def test_a_run_says_of_each_model_how_many_cases_its_rules_were_fitted_on():
    def outcome(model: str, fitted: bool | None) -> dict:
        return {"model": model, "postprocessing": {"fitted_on_case": fitted}}

    outcomes = {
        "a": outcome("gli", True),
        "b": outcome("gli", False),
        "c": outcome("ped", False),
        "d": outcome("old", None),
        "e": {"error": "unreadable"},
    }
    assert in_sample_remarks(outcomes) == [
        "model=gli: 1 of 2 cases were used to fit these rules; their gain here is not held out"
    ]
