"""The shipped weights on real patients' scans: the contract holds, the numbers are printed.

Trained on synthetic scans only; what each reaches is in docs/default-weights.md, and here it must
not fall far below that.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from real_gliomas import REGIONS, labels_of_pat0001, write_pat0001

import inference
from lab.metrics.voxel import dice

pytestmark = pytest.mark.slow


def run_program(source: Path, output: Path, record: Path) -> tuple[dict, float]:
    """Run the program in a separate process; return its record and the wall seconds."""
    output.mkdir()
    started = time.perf_counter()
    flags = ["--input", source, "--output", output, "--record", record, "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, inference.__file__, *map(str, flags)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(record.read_text()), time.perf_counter() - started


def dice_of_regions(labels: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Return region -> Dice of two label maps with the values of 2023 and later."""
    return {
        region: dice(np.isin(labels, values), np.isin(reference, values))
        for region, values in REGIONS.items()
    }


def in_words(scores: dict[str, float]) -> str:
    """Return the regions' Dice for the terminal."""
    return ", ".join(f"{region} {score:.3f}" for region, score in scores.items())


def test_a_real_glioma(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = shared_data / "tcga-fg-6692"
    record, seconds = run_program(folder / "image", tmp_path / "out", tmp_path / "record.json")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["TCGA-FG-6692.nii.gz"]
    labels = nibabel.load(tmp_path / "out" / "TCGA-FG-6692.nii.gz")
    scan = nibabel.load(folder / "image" / "TCGA-FG-6692-t1c.nii.gz")
    for name in (
        "qform_code",
        "sform_code",
        "srow_x",
        "srow_y",
        "srow_z",
        "quatern_b",
        "quatern_c",
        "quatern_d",
        "qoffset_x",
        "qoffset_y",
        "qoffset_z",
        "xyzt_units",
    ):
        assert labels.header[name].tobytes() == scan.header[name].tobytes(), name
    assert labels.get_data_dtype() == np.uint8 and labels.shape == (240, 240, 155)
    array = np.asarray(labels.dataobj)
    assert set(np.unique(array)) <= {0, 1, 2, 3, 4}
    fusion = np.asarray(nibabel.load(folder / "fusion" / "simple.nii.gz").dataobj)  # 1, 2, 4
    scores = dice_of_regions(array, np.where(fusion == 4, 3, fusion))
    assert scores["WT"] > 0.75
    person = folder.with_name("tcga-fg-6692-human-NC") / "whole-tumour.nii.gz"
    by_person = dice(np.isin(array, [1, 2, 3]), np.asarray(nibabel.load(person).dataobj) > 0)
    assert by_person > 0.75
    with capsys.disabled():
        print(
            f"\nreal glioma: Dice to the fusion of algorithms {in_words(scores)}, to a person's "
            f"outline WT {by_person:.3f}; {seconds:.0f} s, {record['peak_memory_mib']} MiB"
        )


def test_a_real_glioma_without_t1n_and_t2w(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """BRATS 2013, experts' labels."""
    write_pat0001(shared_data, tmp_path / "in")
    paths = (tmp_path / "in", tmp_path / "out", tmp_path / "record.json")
    record, seconds = run_program(*paths)
    assert record["cases"]["BraTS-GLI-00001-000"]["missing_sequences"] == ["t1n", "t2w"]
    labels = np.asarray(nibabel.load(tmp_path / "out" / "BraTS-GLI-00001-000.nii.gz").dataobj)
    scores = dice_of_regions(labels, labels_of_pat0001(shared_data))
    assert scores["WT"] > 0.8
    with capsys.disabled():
        print(f"\nreal glioma, T1c and FLAIR alone: Dice {in_words(scores)}; {seconds:.0f} s")


@pytest.mark.parametrize("task", ["t1", "t2"])
def test_a_real_abdomen(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str
):
    source = shared_data / "totalsegmentator-mr-abdomen" / "example_mr_sm.nii.gz"
    socket = tmp_path / "in" / "images" / f"abdominal-{task}-mri"
    socket.mkdir(parents=True)
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(source)), str(socket / "example.mha"), True)
    record, seconds = run_program(tmp_path / "in", tmp_path / "out", tmp_path / "record.json")
    target = tmp_path / "out" / "images" / "pancreatic-tumor-segmentation" / "example.mha"
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == [target]
    labels, scan = (SimpleITK.ReadImage(str(p)) for p in (target, socket / "example.mha"))
    assert labels.GetPixelID() == SimpleITK.sitkUInt8
    assert labels.GetSize() == scan.GetSize()
    assert labels.GetSpacing() == scan.GetSpacing()
    assert labels.GetOrigin() == scan.GetOrigin()
    assert labels.GetDirection() == scan.GetDirection()
    array = SimpleITK.GetArrayFromImage(labels)
    assert set(np.unique(array)) == {0, 1}  # never empty
    if task == "t1":  # which is what it is; nobody's tumour, but the candidate knows the organ
        organs = source.with_name("example_seg_mr.nii.gz")
        pancreas = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(organs))) == 7
        assert pancreas[array == 1].mean() > 0.6  # 0.90 as documented
    volume_ml = array.sum() * np.prod(scan.GetSpacing()) / 1000
    with capsys.disabled():
        print(
            f"\nreal abdomen as {task}: tumour {volume_ml:.1f} mL (the patient has none marked), "
            f"{seconds:.0f} s, {record['peak_memory_mib']} MiB"
        )
