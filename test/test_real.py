"""The shipped weights on a real patient's scans: the contract holds, the numbers are printed.

Trained on synthetic scans only, the demonstration weights are not judged here by their Dice; it
is reported, whatever it is.
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

import inference
from lab.metrics.voxel import dice

pytestmark = pytest.mark.slow


def run_program(source: Path, output: Path, record: Path) -> tuple[dict, float]:
    """Run the program in a process of its own; return its record and the wall seconds."""
    output.mkdir()
    began = time.perf_counter()
    flags = ["--input", source, "--output", output, "--record", record, "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, inference.__file__, *map(str, flags)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(record.read_text()), time.perf_counter() - began


def test_a_real_glioma(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = shared_data / "tcga-fg-6692"
    record, seconds = run_program(folder / "image", tmp_path / "out", tmp_path / "record.json")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["TCGA-FG-6692.nii.gz"]
    labels = nibabel.load(tmp_path / "out" / "TCGA-FG-6692.nii.gz")
    scan = nibabel.load(folder / "image" / "TCGA-FG-6692-t1c.nii.gz")
    for name in ("qform_code", "sform_code", "srow_x", "srow_y", "srow_z", "quatern_b",
                 "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
                 "xyzt_units"):  # fmt: skip
        assert labels.header[name].tobytes() == scan.header[name].tobytes(), name
    assert labels.get_data_dtype() == np.uint8 and labels.shape == (240, 240, 155)
    array = np.asarray(labels.dataobj)
    assert set(np.unique(array)) <= {0, 1, 2, 3, 4}
    reference = np.asarray(nibabel.load(folder / "fusion" / "simple.nii.gz").dataobj)  # 1, 2, 4
    score = dice(np.isin(array, [1, 2, 3]), reference > 0)
    with capsys.disabled():
        print(f"\nreal glioma: WT Dice {score:.3f} to the fused reference, {seconds:.0f} s, "
              f"{record['peak_memory_mib']} MiB")  # fmt: skip


@pytest.mark.parametrize("task", ["t1", "t2"])
def test_a_real_abdomen(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str
):
    source = shared_data / "totalsegmentator-mr-abdomen" / "example_mr_sm.nii.gz"
    place = tmp_path / "in" / "images" / f"abdominal-{task}-mri"
    place.mkdir(parents=True)
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(source)), str(place / "example.mha"), True)
    record, seconds = run_program(tmp_path / "in", tmp_path / "out", tmp_path / "record.json")
    target = tmp_path / "out" / "images" / "pancreatic-tumor-segmentation" / "example.mha"
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == [target]
    labels, scan = (SimpleITK.ReadImage(str(p)) for p in (target, place / "example.mha"))
    assert labels.GetPixelID() == SimpleITK.sitkUInt8
    assert labels.GetSize() == scan.GetSize()
    assert labels.GetSpacing() == scan.GetSpacing()
    assert labels.GetOrigin() == scan.GetOrigin()
    assert labels.GetDirection() == scan.GetDirection()
    array = SimpleITK.GetArrayFromImage(labels)
    assert set(np.unique(array)) == {0, 1}  # never empty
    volume_ml = array.sum() * np.prod(scan.GetSpacing()) / 1000
    with capsys.disabled():
        print(f"\nreal abdomen as {task}: tumour {volume_ml:.1f} mL (the patient has none marked), "
              f"{seconds:.0f} s, {record['peak_memory_mib']} MiB")  # fmt: skip
