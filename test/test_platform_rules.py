"""The platforms' rules, as written down here, let a good output pass and name what each refuses."""

from collections.abc import Callable
from pathlib import Path

import files
import numpy as np
import platform_rules
import pytest
import SimpleITK

IDS = ("BraTS-GLI-00001-100", "BraTS-GLI-00002-100")
PLACE = Path("images", "pancreatic-tumor-segmentation")


@pytest.fixture
def brats(tmp_path: Path) -> Path:
    for id in IDS:
        files.write_brats_case(tmp_path / "in" / id, id)
        labels = (files.head() > 400).astype(np.uint8)
        files.write_nifti(tmp_path / "out" / f"{id}.nii.gz", labels)
    return tmp_path


@pytest.fixture
def panther(tmp_path: Path) -> Path:
    files.write_panther_case(tmp_path / "in")
    scan = SimpleITK.ReadImage(str(next((tmp_path / "in").rglob("*.mha"))))
    write(tmp_path, SimpleITK.Cast(scan > 300, SimpleITK.sitkUInt8))
    return tmp_path


def write(folder: Path, image: SimpleITK.Image, name: str = "0a1b-scan.mha") -> None:
    (folder / "out" / PLACE).mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(folder / "out" / PLACE / name))


def labels_of(folder: Path) -> SimpleITK.Image:
    return SimpleITK.ReadImage(str(folder / "out" / PLACE / "0a1b-scan.mha"))


def faults(rules: str, folder: Path) -> list[str]:
    return list(platform_rules.RULES[rules](folder / "in", folder / "out"))


@pytest.mark.parametrize("rules", ["synapse", "orchestrator"])
def test_a_good_brats_output_passes(brats: Path, rules: str) -> None:
    assert faults(rules, brats) == []


def test_a_good_panther_output_passes(panther: Path) -> None:
    assert faults("grand-challenge", panther) == []


@pytest.mark.parametrize("id", ["BraTS-GoAT-00217", "BraTS-GoAT-217", "BraTS-GLI-123456-1"])
def test_a_name_may_have_any_number_of_digits(tmp_path: Path, id: str) -> None:
    files.write_brats_case(tmp_path / "in" / id, id, sequences=("t1n", "t2f"))  # and lack t1c
    files.write_nifti(tmp_path / "out" / f"{id}.nii.gz", (files.head() > 400).astype(np.uint8))
    assert faults("synapse", tmp_path) == []
    (tmp_path / "out" / f"{id}.nii.gz").unlink()
    assert faults("synapse", tmp_path) == [f"case {id.split('-', 2)[2]} is missing"]


BRATS_SPOILS: dict[str, Callable[[Path], object]] = {
    "report.json: not a .nii.gz": lambda out: (out / "report.json").write_text("{}"),
    "log: not a .nii.gz": lambda out: (out / "log").mkdir(),
    "case 00001-100 is missing": lambda out: (out / f"{IDS[0]}.nii.gz").unlink(),
    "is unknown": lambda out: files.write_nifti(out / "BraTS-GLI-00009-100.nii.gz", files.head()),
    "there twice": lambda out: files.write_nifti(out / "00001-100.nii.gz", files.head()),
    "whole numbers expected": lambda out: files.write_nifti(
        out / f"{IDS[0]}.nii.gz", files.head().astype(np.float32)
    ),
    "origin": lambda out: files.write_nifti(
        out / f"{IDS[0]}.nii.gz", files.head(), files.LAS + np.eye(4, k=3)
    ),
    "size (17, 22, 20), the scan has (18, 22, 20)": lambda out: files.write_nifti(
        out / f"{IDS[0]}.nii.gz", files.head()[1:]
    ),
}


@pytest.mark.parametrize("finding", BRATS_SPOILS)
def test_what_synapse_refuses(brats: Path, finding: str) -> None:
    BRATS_SPOILS[finding](brats / "out")
    assert finding in "\n".join(faults("synapse", brats))


def test_what_the_orchestrators_client_fails_on(brats: Path) -> None:
    (brats / "out" / "report.json").write_text("{}")
    assert "report.json: " in "".join(faults("orchestrator", brats))
    (brats / "out" / "report.json").unlink()
    files.write_nifti(brats / "out" / f"{IDS[0]}.nii.gz", np.zeros((18, 22, 20), np.uint8))
    assert "contains only zeros" in "".join(faults("orchestrator", brats))
    (brats / "out" / f"{IDS[0]}.nii.gz").unlink()
    assert "Not enough output files: 1 of 2" in faults("orchestrator", brats)


def test_what_grand_challenge_refuses(panther: Path) -> None:
    good = labels_of(panther)
    write(panther, good, "second.mha")
    assert "Only 1 image" in "".join(faults("grand-challenge", panther))
    (panther / "out" / PLACE / "second.mha").unlink()
    write(panther, SimpleITK.Cast(good, SimpleITK.sitkUInt16))
    assert "segments could not be determined" in "".join(faults("grand-challenge", panther))
    write(panther, good * 2)
    assert "values [0, 2], declared are [0, 1]" in faults("grand-challenge", panther)
    bare = SimpleITK.GetImageFromArray(SimpleITK.GetArrayFromImage(good))
    write(panther, bare)
    assert "spacing (1.0, 1.0, 1.0)" in "".join(faults("grand-challenge", panther))
    (panther / "out" / PLACE / "0a1b-scan.mha").unlink()
    assert "is empty" in "".join(faults("grand-challenge", panther))
    write(panther, good, "scan.nii.gz")
    assert "could be imported" in "".join(faults("grand-challenge", panther))


def test_isles_wants_a_mask_and_a_probability_map(tmp_path: Path) -> None:
    files.write_isles_case(tmp_path / "in")
    assert faults("grand-challenge", tmp_path) == [
        "Output directory images/stroke-lesion-segmentation is empty",
        "Output directory images/lesion-probability-map is empty",
    ]
    mask, chance = np.zeros((8, 9, 10), np.uint8), np.full((8, 9, 10), 0.5, np.float32)
    images = tmp_path / "out" / "images"
    files.write_metaimage(images / "stroke-lesion-segmentation" / "a.mha", mask)
    files.write_metaimage(images / "lesion-probability-map" / "a.mha", chance)
    assert faults("grand-challenge", tmp_path) == []
    files.write_metaimage(images / "lesion-probability-map" / "a.mha", chance * 3)
    assert faults("grand-challenge", tmp_path) == ["no probabilities: float32, 1.5 to 1.5"]
