"""A synthetic case finds at packing time what a real one would trip over."""

from pathlib import Path

import numpy as np
import pytest
import tiny

from challenge import run_record
from challenge.case import read_case
from challenge.platforms import find_cases
from challenge.scheme import SCHEMES
from ensemble.manifest import MANIFEST, verify_model
from lab.__main__ import main as lab
from lab.packing import synthetic_case
from lab.packing.synthetic_case import Grid, TrialError, grid_for, try_case, write_input

GRID = Grid((8, 20, 24), (3.2, 1.1, 0.9))


def packed(folder: Path, *flags: str, **plans: object) -> Path:
    source = tiny.train(folder / "gli", tiny.plans(**plans), tiny.dataset())
    out = ["--out", str(folder)]
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", *out, *flags])
    return folder / "m" / MANIFEST


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_every_challenge_has_a_case_that_its_platform_would_hand_over(scheme, tmp_path):
    inputs = find_cases(write_input(tmp_path, scheme, GRID))
    (files,) = inputs.cases
    assert not inputs.failed and set(files.images) == set(scheme.sequences)
    assert {path.suffix for path in files.images.values()} == (
        {".mha"} if scheme.has_sockets else {".gz"}
    )
    case = read_case(files)
    np.testing.assert_allclose(case.spacing_mm, GRID.spacing_mm, rtol=1e-6)
    for image in case.images.values():
        assert image.shape == GRID.shape
        assert (image == 0).mean() > 0.2  # there is something to crop
        assert image.max() > image[image > 0].mean() + 4 * 25  # and a lesion above the noise


@pytest.mark.parametrize("transposed", [False, True])
def test_the_grid_is_not_the_plans_and_takes_two_tiles(transposed, tmp_path):
    plans = tiny.plans(spacing_mm=(2.0, 1.0, 1.5), patch=(16, 24, 32))
    if transposed:  # axis 0 of the plan is the file's x
        plans |= {"transpose_forward": [2, 0, 1], "transpose_backward": [1, 2, 0]}
    source = tiny.train(tmp_path / "gli", plans, tiny.dataset())
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)])
    grid = grid_for(verify_model(tmp_path / "m" / MANIFEST).members)
    extent_mm = np.multiply(grid.shape, grid.spacing_mm)
    patch_mm = (24, 48, 32) if transposed else (32, 24, 48)
    np.testing.assert_allclose(extent_mm, np.multiply(patch_mm, (1.25, 0.95, 0.95)))
    spacing_mm = (1.0, 1.5, 2.0) if transposed else (2.0, 1.0, 1.5)
    thick, high, wide = np.divide(grid.spacing_mm, spacing_mm)
    assert thick > 3 and 1.02 < high < 1.2 and 0.8 < wide < 0.98


def test_a_sound_model_says_seconds_and_volumes(tmp_path, capsys):
    message = try_case(packed(tmp_path))
    for word in ("NETC ", "SNFH ", "ET ", "RC ", " mL in ", " s"):
        assert word in message
    assert f"m: synthetic case: {message.split(' mL')[0]}" in capsys.readouterr().out  # by pack too
    assert " without " not in message


def test_a_model_for_cases_with_gaps_gets_one(tmp_path):
    assert "; without t2f NETC" in try_case(packed(tmp_path, "--missing-sequences"))


def test_time_that_bites_is_reported(tmp_path, monkeypatch):
    manifest = packed(tmp_path)
    monkeypatch.setattr(synthetic_case, "TIME_LIMIT_S", 1e-9)
    assert "deadline: skipped 1 of 1 members" in try_case(manifest)


def test_a_pack_whose_case_fails_leaves_nothing_and_names_no_temporary_folder(
    tmp_path, capsys, monkeypatch
):
    def fail(*args: object) -> None:
        raise OSError(f"{args[4].outputs}/x.nii.gz: the disk is full")

    monkeypatch.setattr(run_record, "write_case_outputs", fail)
    source = tiny.train(tmp_path / "gli", tiny.plans(), tiny.dataset())
    out = ["--out", str(tmp_path / "w")]
    assert lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", *out]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    reason = "a synthetic case fails (OSError: out/x.nii.gz: the disk is full)"
    assert message == f"{source}: m: {reason}"
    assert list((tmp_path / "w").iterdir()) == []


def test_no_model_that_fits_is_said(tmp_path, monkeypatch):
    manifest = packed(tmp_path)
    monkeypatch.setattr(
        synthetic_case,
        "write_input",
        lambda folder, *rest: write_input(folder, SCHEMES["brats-men-rt"], GRID),
    )
    with pytest.raises(TrialError, match=r"missing t1n, t2w, t2f .*; no model that fits"):
        try_case(manifest)
