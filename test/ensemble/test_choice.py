"""Which model answers a case that lacks sequences, and what is said where none does."""

import json
from pathlib import Path

import files
import pytest

from challenge.platforms import Found, find_cases
from ensemble.choice import ChoiceError, GapError, choose_model, match_models

WHOLE, LACKING = "BraTS-GLI-00001-100", "BraTS-GLI-00002-100"


def model(folder: Path, name: str, scheme: str = "brats-gli", **settings: bool) -> Path:
    path = folder / name / "MANIFEST.json"
    path.parent.mkdir()
    content = {"schema": 2, "model": name, "scheme": scheme, "settings": settings}
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """A whole case, and one without t2w."""
    files.write_brats_case(tmp_path / "in" / WHOLE, WHOLE)
    files.write_brats_case(tmp_path / "in" / LACKING, LACKING, sequences=("t1n", "t1c", "t2f"))
    return find_cases(tmp_path / "in")


def test_the_manifest_decides(tmp_path: Path, found: Found) -> None:
    plain, bearing = model(tmp_path, "plain"), model(tmp_path, "bearing", accepts_missing=True)
    assert match_models(found, {"bearing": bearing}, None)[0] == dict.fromkeys(
        (WHOLE, LACKING), bearing
    )
    chosen, faults = match_models(found, {"plain": plain}, None)
    assert chosen == {WHOLE: plain}
    assert f"{LACKING}: missing t2w (found {LACKING}-t1c.nii.gz, " in faults[LACKING]
    assert faults[LACKING].endswith("; no model that fits accepts that (plain)")


def test_the_user_overrides_both_ways(tmp_path: Path, found: Found) -> None:
    plain, bearing = model(tmp_path, "plain"), model(tmp_path, "bearing", accepts_missing=True)
    assert match_models(found, {"plain": plain}, None, gaps=True)[0][LACKING] == plain
    _, faults = match_models(found, {"bearing": bearing}, None, gaps=False)
    assert faults[LACKING].endswith("; --no-missing-sequences refuses that")


@pytest.mark.parametrize("gaps", [None, True])
def test_of_two_models_the_one_trained_for_gaps_answers(
    tmp_path: Path, found: Found, gaps: bool | None
) -> None:
    plain, bearing = model(tmp_path, "plain"), model(tmp_path, "bearing", accepts_missing=True)
    (lacking,) = (case for case in found.cases if case.absent)
    assert choose_model(lacking, {"plain": plain, "bearing": bearing}, None, gaps) == bearing


def test_a_gap_is_the_cases_fault_and_no_wrong_usage(tmp_path: Path, found: Found) -> None:
    """Where no case can be run for its gap alone the folder ends with 1, not with 2."""
    alone = Found(found.platform, tuple(case for case in found.cases if case.absent), {})
    plain = {"plain": model(tmp_path, "plain")}
    chosen, faults = match_models(alone, plain, None)
    assert (chosen, list(faults)) == ({}, [LACKING])
    with pytest.raises(ChoiceError, match="no model 'other', only plain"):
        match_models(alone, plain, "other")
    with pytest.raises(ChoiceError, match="no model fits") as refused:
        match_models(alone, {"ped": model(tmp_path, "ped", "brats-ped")}, None)
    assert not isinstance(refused.value, GapError)
