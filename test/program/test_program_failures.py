"""What fails: one case, the weights, the paths; the others are written all the same."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import files
import nibabel
import pytest
from files import GLI, written

import inference
from ensemble.manifest_schemas import SCHEMA

NEWER = f'"schema": {SCHEMA + 1}'


def test_one_bad_case_does_not_stop_the_others(
    tmp_path: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    for id in GLI:
        files.write_brats_case(tmp_path / "in", id)
    broken = tmp_path / "in" / f"{GLI[1]}-t2f.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-500])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{GLI[1]}.nii.gz").write_text("labels of an earlier run")
    assert run() == 1
    assert written(tmp_path / "out") == [f"{GLI[0]}.nii.gz", f"{GLI[2]}.nii.gz"]
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f"1 of 3 cases failed; {GLI[1]}: {broken}: cannot be read as NIfTI")


def test_strict_stops_at_the_first_failure(tmp_path: Path, run: Callable[..., int]):
    for id in GLI:
        files.write_brats_case(tmp_path / "in", id)
    (tmp_path / "in" / f"{GLI[1]}-t2f.nii.gz").write_bytes(b"")
    assert run("--strict") == 1
    assert written(tmp_path / "out") == [f"{GLI[0]}.nii.gz"]


def test_a_folder_of_both_sound_and_foreign_cases(tmp_path: Path, run: Callable[..., int]):
    files.write_brats_case(tmp_path / "in", GLI[0])
    files.write_brats_case(tmp_path / "in", "BraTS-MEN-RT-0001-1", sequences=["t1c"])
    assert run() == 1
    assert written(tmp_path / "out") == [f"{GLI[0]}.nii.gz"]


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (lambda m: m.write_text(m.read_text().replace('"schema": 3', NEWER)), "newer"),
        (lambda m: m.write_text("{"), "not a manifest"),
        (lambda m: m.unlink(), "no MANIFEST.json"),
        (lambda m: next(m.parent.rglob("*.pth")).write_bytes(b"other"), "5 bytes"),
        (lambda m: next(m.parent.rglob("plans.json")).unlink(), "listed in MANIFEST.json but"),
    ],
    ids=["newer", "not JSON", "no manifest", "other weights", "a file gone"],
)
def test_weights_that_do_not_verify(
    tmp_path: Path, weights: Path, corrupt: Callable[[Path], object], message: str, capfd
):
    subprocess.run(["cp", "-r", weights / "gli", tmp_path / "weights"], check=True)
    corrupt(tmp_path / "weights" / "MANIFEST.json")
    files.write_brats_case(tmp_path / "in", GLI[0])
    (tmp_path / "out").mkdir()
    flags = ["--input", tmp_path / "in", "--output", tmp_path / "out"]
    assert inference.main([*map(str, flags), "--weights", str(tmp_path / "weights")]) == 2
    assert message in capfd.readouterr().err.strip().splitlines()[-1]
    assert written(tmp_path / "out") == []


def test_one_changed_byte_is_noticed(tmp_path: Path, weights: Path, capfd):
    subprocess.run(["cp", "-r", weights / "gli", tmp_path / "weights"], check=True)
    checkpoint = next((tmp_path / "weights").rglob("*.pth"))
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content)
    files.write_brats_case(tmp_path / "in", GLI[0])
    (tmp_path / "out").mkdir()
    flags = ["--input", tmp_path / "in", "--output", tmp_path / "out"]
    assert inference.main([*map(str, flags), "--weights", str(tmp_path / "weights")]) == 2
    assert f"{checkpoint}: sha256" in capfd.readouterr().err


def test_paths_that_cannot_work(tmp_path: Path, run: Callable[..., int], capfd):
    files.write_brats_case(tmp_path / "in", GLI[0])
    assert run("--record", str(tmp_path / "out" / "record.json")) == 2
    assert "must lie outside the output folder" in capfd.readouterr().err
    assert run(source="nowhere") == 2
    assert "nowhere: no such input folder" in capfd.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run(source="empty") == 2
    assert "no case found" in capfd.readouterr().err
    (tmp_path / "file").write_text("in the way")
    flags = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "file" / "out")]
    assert inference.main(flags) == 2
    assert "file/out: the output folder cannot be made" in capfd.readouterr().err
    assert run("--backend", "abacus") == 2
    assert "no backend 'abacus', only openvino" in capfd.readouterr().err
    for flag, value in (("--device", "abacus"), ("--time-limit", "0"), ("--time-limit", "soon")):
        with pytest.raises(SystemExit) as usage:
            run(flag, value)
        assert usage.value.code == 2


def test_a_read_only_output(tmp_path: Path, run: Callable[..., int], capfd, monkeypatch):
    # root may write anywhere, so the system call is replaced
    files.write_brats_case(tmp_path / "in", GLI[0])
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert run() == 2
    assert "out: the output folder is not writable" in capfd.readouterr().err


def test_a_kill_leaves_no_partial_file(tmp_path: Path, weights: Path):
    files.write_brats_case(tmp_path / "in", GLI[0])
    for number in range(40):  # so many that the signal comes before the last, however late
        files.write_brats_case(tmp_path / "in", f"BraTS-GLI-000{10 + number}-100")
    (tmp_path / "out").mkdir()
    flags = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--weights", weights]
    program = subprocess.Popen([sys.executable, inference.__file__, *map(str, flags)])
    deadline = time.monotonic() + 600
    while not [*(tmp_path / "out").glob("BraTS*")] and time.monotonic() < deadline:
        time.sleep(0.01)
    program.send_signal(signal.SIGTERM)
    assert program.wait(600) != 0
    names = written(tmp_path / "out")
    assert 0 < len(names) < 41
    assert all(name.startswith("BraTS-GLI-000") for name in names)
    for name in names:
        assert nibabel.load(tmp_path / "out" / name).get_fdata().shape == (18, 22, 20)
