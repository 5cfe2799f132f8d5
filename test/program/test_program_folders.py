"""From folder to folder: what is written for the cases that a platform hands over."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import SimpleITK
import tiny
from files import GLI, written

import inference
from lab.__main__ import main as lab


def test_a_brats_folder(tmp_path: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]):
    for id in GLI:
        files.write_brats_case(tmp_path / "in" / id, id)
    assert run("--record", str(tmp_path / "record.json")) == 0
    assert written(tmp_path / "out") == [f"{id}.nii.gz" for id in GLI]
    labels = nibabel.load(tmp_path / "out" / f"{GLI[0]}.nii.gz")
    scan = nibabel.load(tmp_path / "in" / GLI[0] / f"{GLI[0]}-t1c.nii.gz")
    assert labels.get_data_dtype() == np.uint8
    assert labels.header["sform_code"] == scan.header["sform_code"] == 4
    np.testing.assert_array_equal(labels.affine, scan.affine)
    assert set(np.unique(labels.dataobj)) <= {0, 1, 2, 3, 4}
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["schema"] == 2
    assert record["platform"] == "brats-folder"
    assert list(record["cases"]) == GLI
    assert len(record["models"]["gli"]) == 3
    out = capfd.readouterr().out
    assert "platform=brats-folder cases=3 limit=715 min" in out
    assert "3 of 3 cases written" in out


@pytest.mark.parametrize("task", ["t1", "t2"])
def test_panther(tmp_path: Path, run: Callable[..., int], task: str):
    files.write_panther_case(tmp_path / "in", f"abdominal-{task}-mri")
    assert run() == 0
    output = "images/pancreatic-tumor-segmentation/0a1b-scan.mha"
    assert written(tmp_path / "out") == [output]
    labels = SimpleITK.ReadImage(str(tmp_path / "out" / output))
    assert labels.GetPixelID() == SimpleITK.sitkUInt8
    assert labels.GetDirection()[:2] == (0.8, -0.6)
    # random networks may see no tumour; the evaluator would punish an empty mask
    assert set(np.unique(SimpleITK.GetArrayFromImage(labels))) == {0, 1}


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_backend_by_name(tmp_path: Path, run: Callable[..., int], backend: str):
    files.write_brats_case(tmp_path / "in", GLI[0])
    assert run("--backend", backend, "--record", str(tmp_path / "record.json")) == 0
    record = json.loads((tmp_path / "record.json").read_text())
    stages = {"read", "prepare", "load", "networks", "blend", "restore", "finish"}
    assert set(record["seconds"]) == stages
    assert record["cases"][GLI[0]]["skipped"] == []


def test_numbered_images_are_answered_as_the_challenges_folder(
    tmp_path: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    """The network's own order of channels is met by name, whatever dataset.json's order is."""
    id, order = GLI[0], ("t2f", "t1n", "t2w", "t1c")
    home = files.write_brats_case(tmp_path / "in" / id, id)
    assert run() == 0
    expected = (tmp_path / "out" / f"{id}.nii.gz").read_bytes()
    raw = tmp_path / "Dataset901_X"
    (raw / "imagesTs").mkdir(parents=True)
    for number, sequence in enumerate(order):
        name = f"{id}_{number:04d}.nii.gz"
        shutil.copy(home / f"{id}-{sequence}.nii.gz", raw / "imagesTs" / name)
    assert run(source="Dataset901_X") == 2
    assert "say so with --channels" in capfd.readouterr().err
    (tmp_path / "out" / f"{id}.nii.gz").unlink()
    assert run("--channels", ",".join(order), source="Dataset901_X/imagesTs") == 0
    assert (tmp_path / "out" / f"{id}.nii.gz").read_bytes() == expected
    names = {"0": "FLAIR", "1": "T1", "2": "T2", "3": "T1ce"}
    (raw / "dataset.json").write_text(json.dumps({"channel_names": names}))
    assert run("--record", str(tmp_path / "record.json"), source="Dataset901_X") == 0
    assert (tmp_path / "out" / f"{id}.nii.gz").read_bytes() == expected
    assert json.loads((tmp_path / "record.json").read_text())["platform"] == "nnunet"
    assert "channels: 0000 t2f, 0001 t1n, 0002 t2w, 0003 t1c" in capfd.readouterr().out


def test_the_older_command_line(tmp_path: Path, weights: Path):
    files.write_brats_case(tmp_path / "in", GLI[0])
    (tmp_path / "out").mkdir()
    flags = [f"--data_path={tmp_path / 'in'}", f"--output_path={tmp_path / 'out'}"]
    assert inference.main(["infer", *flags, f"--weights={weights}", "--parameters_file=x"]) == 0
    assert written(tmp_path / "out") == [f"{GLI[0]}.nii.gz"]


def test_a_limit_that_is_over_still_gives_valid_files_and_says_so(
    tmp_path: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    for id in GLI[:2]:
        files.write_brats_case(tmp_path / "in" / id, id)
    files.write_panther_case(tmp_path / "abdomen", "abdominal-t1-mri")
    assert run("--time-limit", "1e-9", "--record", str(tmp_path / "record.json")) == 0
    assert written(tmp_path / "out") == [f"{id}.nii.gz" for id in GLI[:2]]
    assert not nibabel.load(tmp_path / "out" / f"{GLI[0]}.nii.gz").get_fdata().any()
    assert "deadline: skipped 3 of 3 members" in capfd.readouterr().out
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["cases"][GLI[0]]["skipped"] == ["3 of 3 members"]
    assert run("--time-limit", "1e-9", source="abdomen") == 0  # and never empty for PANTHER
    output = tmp_path / "out" / "images" / "pancreatic-tumor-segmentation" / "0a1b-scan.mha"
    assert SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(output))).any()


def test_a_model_without_a_pancreas_is_not_reported_as_swapped(
    tmp_path: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    """As the organisers' baseline: background and tumour, nothing else."""
    single = tiny.dataset({"background": 0, "tumour": 1}, ["MRI"])
    source = tiny.train(tmp_path / "trained", tiny.plans(channels=1), single)
    flags = ["--model", "single", "--scheme", "panther-t1", "--out", str(tmp_path / "single")]
    assert lab(["pack", str(source), *flags]) == 0
    files.write_panther_case(tmp_path / "in")
    record = tmp_path / "record.json"
    assert run("--weights", str(tmp_path / "single"), "--record", str(record)) == 0
    (case,) = json.loads(record.read_text())["cases"].values()
    assert case["unusual_shares"] == [] and case["volumes_mm3"]["tumour"] > 0
    assert "swapped" not in capfd.readouterr().out


def test_two_runs_give_the_same_bytes(tmp_path: Path, weights: Path) -> None:
    files.write_brats_case(tmp_path / "in", GLI[0])
    files.write_brats_case(tmp_path / "in", GLI[1])
    flags = ["--input", tmp_path / "in", "--weights", weights, "--output"]
    for out in ("first", "second"):
        (tmp_path / out).mkdir()
        command = [sys.executable, inference.__file__, *map(str, flags), str(tmp_path / out)]
        subprocess.run(command, check=True, capture_output=True)
    names = [f"{id}.nii.gz" for id in GLI[:2]]
    assert written(tmp_path / "first") == written(tmp_path / "second") == names
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
