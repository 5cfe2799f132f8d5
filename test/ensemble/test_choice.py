"""Which model answers a case, and as which challenge."""

import json
from pathlib import Path

import pytest

from challenge.case import CaseFiles
from ensemble.choice import ChoiceError, choose_model
from ensemble.manifest import ManifestError, answers_of

MRI = ("t1n", "t1c", "t2w", "t2f")


def manifest(folder: Path, name: str, scheme: str, *answers: str) -> Path:
    """Write as much of a manifest as a choice looks at."""
    path = folder / name / "MANIFEST.json"
    path.parent.mkdir(parents=True)
    content = {"schema": 3, "model": name, "scheme": scheme}
    path.write_text(json.dumps(content | ({"answers": list(answers)} if answers else {})))
    return path


def case(scheme: str | None, *sequences: str) -> CaseFiles:
    images = {sequence: Path(f"x-{sequence}.nii.gz") for sequence in sequences or MRI}
    return CaseFiles("x", images, next(iter(images)), Path("x.nii.gz"), scheme)


def chosen(folder: Path, files: CaseFiles, wanted: str | None = None) -> str:
    manifests = {path.parent.name: path for path in sorted(folder.glob("*/MANIFEST.json"))}
    return choose_model(files, manifests, wanted).parent.name


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


def test_several_that_fit_alike_are_named(tmp_path: Path) -> None:
    manifest(tmp_path, "gli", "brats-gli")
    manifest(tmp_path, "ped", "brats-ped")
    with pytest.raises(ChoiceError, match=r"several models fit case x \(of gli, ped\)"):
        chosen(tmp_path, case(None))
    with pytest.raises(ChoiceError, match=r"several models fit case x"):
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
