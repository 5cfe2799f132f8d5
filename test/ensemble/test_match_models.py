"""Which model answers a case, as which challenge, and which one where it lacks sequences."""

import json
from pathlib import Path

import files
import pytest

from challenge.case import CaseFiles
from challenge.input_cases import InputCases
from challenge.platforms import find_cases
from challenge.scheme import MRI_SEQUENCES
from ensemble.manifest import ManifestError, answers_of
from ensemble.match_models import MatchError, MissingSequencesError, match_model, match_models

WHOLE, LACKING = "BraTS-GLI-00001-100", "BraTS-GLI-00002-100"


def model(folder: Path, name: str, scheme: str = "brats-gli", **settings: bool) -> Path:
    path = folder / name / "MANIFEST.json"
    path.parent.mkdir()
    content = {"schema": 2, "model": name, "scheme": scheme, "settings": settings}
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def inputs(tmp_path: Path) -> InputCases:
    """A whole case, and one without t2w."""
    files.write_brats_case(tmp_path / "in" / WHOLE, WHOLE)
    files.write_brats_case(tmp_path / "in" / LACKING, LACKING, sequences=("t1n", "t1c", "t2f"))
    return find_cases(tmp_path / "in")


def test_the_manifest_decides(tmp_path: Path, inputs: InputCases) -> None:
    plain, tolerant = model(tmp_path, "plain"), model(tmp_path, "tolerant", accepts_missing=True)
    chosen, _ = match_models(inputs, {"tolerant": tolerant}, None)
    manifests = {id: match.manifest for id, match in chosen.items()}
    assert manifests == {WHOLE: tolerant, LACKING: tolerant}
    chosen, failed = match_models(inputs, {"plain": plain}, None)
    assert list(chosen) == [WHOLE]
    assert f"{LACKING}: missing t2w (found {LACKING}-t1c.nii.gz, " in failed[LACKING]
    assert failed[LACKING].endswith("; no model that fits accepts that (plain)")


def test_the_user_overrides_both_ways(tmp_path: Path, inputs: InputCases) -> None:
    plain, tolerant = model(tmp_path, "plain"), model(tmp_path, "tolerant", accepts_missing=True)
    chosen, _ = match_models(inputs, {"plain": plain}, None, allow_missing=True)
    assert chosen[LACKING].manifest == plain
    _, failed = match_models(inputs, {"tolerant": tolerant}, None, allow_missing=False)
    assert failed[LACKING].endswith("; --no-missing-sequences refuses that")


@pytest.mark.parametrize("allow_missing", [None, True])
def test_of_two_models_the_one_trained_for_missing_sequences_is_chosen(
    tmp_path: Path, inputs: InputCases, allow_missing: bool | None
) -> None:
    plain, tolerant = model(tmp_path, "plain"), model(tmp_path, "tolerant", accepts_missing=True)
    (lacking,) = (case for case in inputs.cases if case.missing_sequences)
    both = {"plain": plain, "tolerant": tolerant}
    assert match_model(lacking, both, None, allow_missing).manifest == tolerant


def test_missing_sequences_fail_the_case_and_are_no_wrong_usage(
    tmp_path: Path, inputs: InputCases
) -> None:
    """Where no case can be run for this reason alone the folder ends with 1, not with 2."""
    panther_only = InputCases(
        inputs.platform, tuple(case for case in inputs.cases if case.missing_sequences), {}
    )
    plain = {"plain": model(tmp_path, "plain")}
    chosen, failed = match_models(panther_only, plain, None)
    assert (chosen, list(failed)) == ({}, [LACKING])
    with pytest.raises(MatchError, match="no model 'other', only plain"):
        match_models(panther_only, plain, "other")
    with pytest.raises(MatchError, match="no model fits") as refused:
        match_models(panther_only, {"abdomen": model(tmp_path, "abdomen", "panther-t1")}, None)
    assert not isinstance(refused.value, MissingSequencesError)


def manifest(folder: Path, name: str, scheme: str, *answers: str) -> Path:
    """Write as much of a manifest as matching reads."""
    path = folder / name / "MANIFEST.json"
    path.parent.mkdir(parents=True)
    content = {"schema": 3, "model": name, "scheme": scheme}
    path.write_text(json.dumps(content | ({"answers": list(answers)} if answers else {})))
    return path


def case(scheme: str | None, *sequences: str) -> CaseFiles:
    images = {sequence: Path(f"x-{sequence}.nii.gz") for sequence in sequences or MRI_SEQUENCES}
    return CaseFiles("x", images, next(iter(images)), Path("x.nii.gz"), scheme)


def chosen(folder: Path, files: CaseFiles, wanted: str | None = None) -> str:
    manifests = {path.parent.name: path for path in sorted(folder.glob("*/MANIFEST.json"))}
    return match_model(files, manifests, wanted).manifest.parent.name


@pytest.mark.parametrize("scheme", ["brats-gli", "brats-ped", "brats-ssa", None])
def test_the_one_model_that_reads_a_case_answers_it_whatever_its_name(
    tmp_path: Path, scheme: str | None
) -> None:
    """The orchestrator names GoAT's cases after GLI."""
    manifest(tmp_path, "goat", "brats-goat")
    manifest(tmp_path, "abdomen", "panther-t1")
    assert chosen(tmp_path, case(scheme)) == "goat"
    assert chosen(tmp_path, case("panther-t1", "t1")) == "abdomen"


def test_of_several_the_one_that_answers_the_named_challenge_wins(tmp_path: Path) -> None:
    manifest(tmp_path, "gli", "brats-gli", "brats-gli", "brats-ssa")
    manifest(tmp_path, "ped", "brats-ped")
    assert chosen(tmp_path, case("brats-ssa")) == "gli"
    assert chosen(tmp_path, case("brats-ped")) == "ped"
    manifest(tmp_path, "africa", "brats-ssa")
    assert chosen(tmp_path, case("brats-ssa")) == "africa"  # which answers nothing else
    assert chosen(tmp_path, case("brats-gli")) == "gli"
    assert chosen(tmp_path, case("brats-gli"), "ped") == "ped"


def test_a_model_of_other_label_values_answers_only_where_it_is_chosen(tmp_path: Path) -> None:
    """1 is ET in PED and NETC in GLI; Africa has GLI's values and one label less."""
    manifest(tmp_path, "gli", "brats-gli")
    with pytest.raises(MatchError) as refusal:
        chosen(tmp_path, case("brats-ped"))
    assert str(refusal.value) == (
        "case x is named as of brats-ped, and gli answers brats-gli, whose label values mean "
        "something else; --model gli takes it all the same"
    )
    assert chosen(tmp_path, case("brats-ped"), "gli") == "gli"
    assert chosen(tmp_path, case("brats-ssa")) == "gli"


def test_several_that_fit_alike_are_named(tmp_path: Path) -> None:
    manifest(tmp_path, "gli", "brats-gli")
    manifest(tmp_path, "ped", "brats-ped")
    with pytest.raises(MatchError, match=r"several models fit case x \(of gli, ped\)"):
        chosen(tmp_path, case(None))
    with pytest.raises(MatchError, match=r"several models fit case x"):
        chosen(tmp_path, case("brats-met-2025"))


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (("brats-gli", "brats-pedd"), "answers 'brats-pedd', not one of"),
        (("brats-ped",), "answers brats-ped, which does not share CC, ED, SNFH with brats-gli"),
        (("panther-t1",), "other sequences than brats-gli"),
    ],
)
def test_what_labels_cannot_answer_is_refused(
    tmp_path: Path, answers: tuple[str, ...], message: str
) -> None:
    path = manifest(tmp_path, "gli", "brats-gli", *answers)
    with pytest.raises(ManifestError, match=message):
        answers_of(path)


def test_a_cavity_may_be_missing_on_either_side(tmp_path: Path) -> None:
    both = ("brats-gli", "brats-gli-2023")
    for name in both:
        path = manifest(tmp_path, name, name, *both)
        assert [scheme.name for scheme in answers_of(path)] == [*both]


def test_what_a_model_takes_decides_what_a_case_lacks(tmp_path: Path) -> None:
    """Radiotherapy's planning scan, with no name or another challenge's."""
    planning = manifest(tmp_path, "planning", "brats-men-rt")
    choice = match_model(case(None, "t1c"), {"planning": planning}, None)
    assert (choice.files.missing_sequences, choice.files.unused) == ((), ())
    choice = match_model(case("brats-gli"), {"planning": planning}, "planning")
    assert choice.files.unused == ("t1n", "t2w", "t2f")
    assert list(choice.files.images) == [choice.files.geometry_from] == ["t1c"]
    manifest(tmp_path, "gli", "brats-gli")
    assert chosen(tmp_path, case(None, "t1c")) == "planning"
    assert chosen(tmp_path, case(None)) == "gli"
