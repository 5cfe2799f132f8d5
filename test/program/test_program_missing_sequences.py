"""Cases that lack sequences: run where the model takes them, refused where not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import torch
from files import GLI, written

from challenge.case import read_case
from challenge.platforms import find_cases
from challenge.scheme import labels_from
from ensemble.engine import Engine
from ensemble.manifest import verify_model
from ensemble.predict import predict


@pytest.fixture
def tolerant(tmp_path: Path, weights: Path) -> Path:
    """The glioma ensemble, as if it had been trained on cases that lack sequences."""
    folder = tmp_path / "tolerant" / "gli"
    shutil.copytree(weights / "gli", folder)
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    manifest["settings"]["accepts_missing"] = True
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))
    return folder


def test_missing_modality_and_a_sound_case(tmp_path: Path, run: Callable[..., int], capfd):
    files.write_brats_case(tmp_path / "in", GLI[0], sequences=("t1n", "t1c"))
    files.write_brats_case(tmp_path / "in", GLI[1])
    assert run() == 1
    assert written(tmp_path / "out") == [f"{GLI[1]}.nii.gz"]
    last = capfd.readouterr().err.strip().splitlines()[-1]
    names = f"{GLI[0]}-t1c.nii.gz, {GLI[0]}-t1n.nii.gz"
    assert f"{tmp_path / 'in'}: missing t2w, t2f (found {names}); no model that fits" in last


def test_missing_sequences_are_the_manifests_decision(
    tmp_path: Path, tolerant: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    """Platforms pass no arguments: a model for such cases runs, with zeros for missing scans."""
    files.write_brats_case(tmp_path / "in" / GLI[0], GLI[0], sequences=("t1c", "t2f"))
    flags = ["--weights", str(tolerant), "--record", str(tmp_path / "r.json")]
    assert run(*flags) == 0
    case_record = json.loads((tmp_path / "r.json").read_text())["cases"][GLI[0]]
    assert case_record["missing_sequences"] == ["t1n", "t2w"]
    assert case_record["missing_accepted_by"] == "the manifest of gli"
    warned = (
        f"WARNING case={GLI[0]} without t1n, t2w, less certain; accepted by the manifest of gli"
    )
    assert warned in capfd.readouterr().out
    labels = np.asarray(nibabel.load(tmp_path / "out" / f"{GLI[0]}.nii.gz").dataobj)
    # By hand: the members on the two scans and two of nothing.
    case = read_case(find_cases(tmp_path / "in").cases[0])
    assert not case.images["t1n"].any()
    assert case.missing_sequences == ("t1n", "t2w")
    model = verify_model(tolerant / "MANIFEST.json")
    *_, whole = predict(case, model, Engine(torch.device("cpu")))
    by_hand = labels_from(whole.probabilities, model.head, model.scheme)
    np.testing.assert_array_equal(labels, by_hand.transpose(2, 1, 0))


def test_a_blank_scan_is_a_missing_one_where_cases_may_lack_sequences(
    tmp_path: Path, tolerant: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    files.write_brats_case(tmp_path / "in" / GLI[0], GLI[0])
    blank = tmp_path / "in" / GLI[0] / f"{GLI[0]}-t2w.nii.gz"
    files.write_nifti(blank, np.zeros((18, 22, 20), np.int16))
    assert run() == 1
    assert "t2w.nii.gz: constant image, every voxel is 0" in capfd.readouterr().err
    assert run("--weights", str(tolerant), "--record", str(tmp_path / "r.json")) == 0
    assert "without t2w, less certain" in capfd.readouterr().out
    case = json.loads((tmp_path / "r.json").read_text())["cases"][GLI[0]]
    assert (case["missing_sequences"], case["remarks"]) == (
        ["t2w"],
        [f"{blank}: blank, taken for missing"],
    )
    with_blank = np.asarray(nibabel.load(tmp_path / "out" / f"{GLI[0]}.nii.gz").dataobj)
    blank.unlink()
    assert run("--weights", str(tolerant)) == 0
    without = np.asarray(nibabel.load(tmp_path / "out" / f"{GLI[0]}.nii.gz").dataobj)
    np.testing.assert_array_equal(with_blank, without)
    for path in blank.parent.iterdir():
        files.write_nifti(path, np.zeros((18, 22, 20), np.int16))
    assert run("--weights", str(tolerant)) == 1
    assert "every scan is blank" in capfd.readouterr().err


def test_the_switch_overrides_the_manifest_both_ways(
    tmp_path: Path, tolerant: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    files.write_brats_case(tmp_path / "in" / GLI[0], GLI[0], sequences=("t1c", "t2f"))
    assert run("--weights", str(tolerant), "--no-missing-sequences") == 1
    error = capfd.readouterr().err
    assert "missing t1n, t2w (found" in error and "; --no-missing-sequences refuses that" in error
    assert written(tmp_path / "out") == []
    assert run() == 1  # a manifest that says nothing accepts nothing
    assert "no model that fits accepts that (gli)" in capfd.readouterr().err
    assert run("--missing-sequences", "--record", str(tmp_path / "r.json")) == 0
    by = "--missing-sequences, though the manifest of gli does not"
    assert f"less certain; accepted by {by}" in capfd.readouterr().out
    case_record = json.loads((tmp_path / "r.json").read_text())["cases"][GLI[0]]
    assert case_record["missing_accepted_by"] == by
    assert written(tmp_path / "out") == [f"{GLI[0]}.nii.gz"]
