"""Numbered images are cases where something says what the numbers stand for."""

import json
from pathlib import Path

import files
import pytest
import SimpleITK

from challenge.challenges import SCHEMES
from challenge.input_cases import InputError
from challenge.platforms import find_cases

NAMES = ("t1n", "t1c", "t2w", "t2f")
SHUFFLED = ("FLAIR", "T1", "T1Gd", "T2")


def write_case(folder: Path, id: str = "case7", channels: int = 4, ending: str = ".nii.gz") -> None:
    for number in range(channels):
        path = folder / f"{id}_{number:04d}{ending}"
        if ending == ".mha":
            path.parent.mkdir(parents=True, exist_ok=True)
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(files.head(number)), str(path))
        else:
            files.write_nifti(path, files.head(number))


def write_dataset(folder: Path, names: tuple[str, ...] = NAMES) -> None:
    content = {"channel_names": {str(i): name for i, name in enumerate(names)}}
    (folder / "dataset.json").write_text(json.dumps(content))


def numbers(images: dict[str, Path]) -> dict[str, str]:
    return {sequence: path.name[-11:-7] for sequence, path in images.items()}


@pytest.mark.parametrize("home", ["", "imagesTs", "imagesTr"])
def test_dataset_json_says_what_a_number_is(tmp_path: Path, home: str) -> None:
    write_case(tmp_path / home)
    write_dataset(tmp_path, SHUFFLED)
    for folder in {tmp_path, tmp_path / home}:
        inputs = find_cases(folder)
        (case,) = inputs.cases
        assert (inputs.platform, inputs.failed, case.id) == ("nnunet", {}, "case7")
        assert numbers(dict(case.images)) == {
            "t2f": "0000",
            "t1n": "0001",
            "t1c": "0002",
            "t2w": "0003",
        }
        assert (case.output, case.geometry_from, case.scheme) == (Path("case7.nii.gz"), "t1c", None)


def test_the_caller_overrides_it(tmp_path: Path) -> None:
    write_case(tmp_path)
    write_dataset(tmp_path)
    (case,) = find_cases(tmp_path, ("t2f", "t2w", "t1c", "t1n")).cases
    assert case.images["t2f"].name == "case7_0000.nii.gz"


def test_nothing_is_guessed(tmp_path: Path) -> None:
    write_case(tmp_path)
    with pytest.raises(InputError) as refusal:
        find_cases(tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path}: images are numbered, and no dataset.json beside or above them says what a "
        "number stands for; say so with --channels, e.g. --channels t1n,t1c,t2w,t2f"
    )
    write_dataset(tmp_path, ("0", "1", "2", "3"))
    with pytest.raises(InputError, match=r"dataset.json: 0, 1, 2, 3: no sequence .* --channels"):
        find_cases(tmp_path)
    (tmp_path / "dataset.json").write_text("[1]")
    with pytest.raises(InputError, match=r"dataset.json: names no channels .* --channels"):
        find_cases(tmp_path)


def test_test_images_come_before_training_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_case(tmp_path / "imagesTr", "seen")
    write_case(tmp_path / "imagesTs", "new")
    write_dataset(tmp_path)
    assert [case.id for case in find_cases(tmp_path).cases] == ["new"]
    assert f"{tmp_path / 'imagesTr'}: not read, {tmp_path / 'imagesTs'} is" in caplog.text
    assert [case.id for case in find_cases(tmp_path / "imagesTr").cases] == ["seen"]


def test_a_faulty_case_is_named_and_the_others_stay(tmp_path: Path) -> None:
    write_case(tmp_path, "BraTS-GLI-00001-100")
    write_case(tmp_path, "many", 5)
    write_case(tmp_path, "twice")
    files.write_nifti(tmp_path / "twice_0001.nii", files.head())
    write_case(tmp_path, "few", 2)
    write_dataset(tmp_path)
    inputs = find_cases(tmp_path)
    assert [(case.id, case.scheme, case.missing_sequences) for case in inputs.cases] == [
        ("BraTS-GLI-00001-100", "brats-gli", ()),
        ("few", None, ("t2w", "t2f")),
    ]
    assert "many_0004.nii.gz" in inputs.failed["many"]
    assert "names 4 channels only" in inputs.failed["many"]
    assert "duplicate t1c" in inputs.failed["twice"]


def test_pancreata_are_written_as_they_come(tmp_path: Path) -> None:
    write_case(tmp_path / "imagesTr", "10000_0001", 1, ".mha")
    write_dataset(tmp_path, ("T1",))
    (case,) = find_cases(tmp_path).cases
    assert (dict(case.images).keys(), case.output) == ({"t1"}, Path("10000_0001.mha"))


def test_labels_beside_are_no_cases(tmp_path: Path) -> None:
    write_case(tmp_path / "imagesTr")
    files.write_nifti(tmp_path / "labelsTr" / "case7.nii.gz", files.head())
    write_dataset(tmp_path)
    assert [case.id for case in find_cases(tmp_path).cases] == ["case7"]


def test_every_challenges_sequences_are_their_names(tmp_path: Path) -> None:
    for scheme in SCHEMES.values():
        home = tmp_path / scheme.name
        write_case(home, channels=len(scheme.sequences))
        write_dataset(home, scheme.sequences)
        (case,) = find_cases(home).cases
        assert set(case.images) == set(scheme.sequences)
