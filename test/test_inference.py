"""The whole program from folder to folder: what a user and a platform may rely on."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import SimpleITK
import tiny
import torch

import inference
from challenge.case import read_case
from challenge.platforms import find_cases
from challenge.scheme import labels_from
from ensemble.engine import Engine
from ensemble.manifest import verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab

GLI = [f"BraTS-GLI-0000{i}-100" for i in (1, 2, 3)]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random models: a glioma ensemble of two heads, and both PANTHER tasks."""
    folder = tmp_path_factory.mktemp("models")
    regions = tiny.dataset(tiny.REGIONS, order=tiny.REGION_ORDER)
    sources = [
        tiny.train(folder / "softmax", tiny.plans(), tiny.dataset(), folds=(0, 1)),
        tiny.train(folder / "regions", tiny.plans(spacing_mm=(1.3, 1.3, 1.3)), regions),
    ]
    out = ["--out", str(folder / "weights")]
    lab(["pack", *map(str, sources), "--model", "gli", "--scheme", "brats-gli", *out])
    abdomen = tiny.dataset({"background": 0, "tumour": 1, "pancreas": 2}, ["MRI"])
    for fold, task in enumerate(("t1", "t2")):
        source = tiny.train(folder / task, tiny.plans(channels=1), abdomen, folds=(fold,))
        lab(["pack", str(source), "--model", task, "--scheme", f"panther-{task}", *out])
    return folder / "weights"


@pytest.fixture
def run(tmp_path: Path, weights: Path) -> Callable[..., int]:
    """Run the program on tmp_path/in -> tmp_path/out."""

    def run(*flags: str, source: str = "in") -> int:
        (tmp_path / "out").mkdir(exist_ok=True)
        paths = ("--input", tmp_path / source, "--output", tmp_path / "out", "--weights", weights)
        return inference.main([*map(str, paths), "--device", "cpu", *flags])

    return run


def written(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


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
    place = tmp_path / "out" / "images" / "pancreatic-tumor-segmentation" / "0a1b-scan.mha"
    assert SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(place))).any()


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_backend_by_name(tmp_path: Path, run: Callable[..., int], backend: str):
    files.write_brats_case(tmp_path / "in", GLI[0])
    assert run("--backend", backend, "--record", str(tmp_path / "record.json")) == 0
    record = json.loads((tmp_path / "record.json").read_text())
    stages = {"read", "prepare", "load", "networks", "blend", "restore", "finish"}
    assert set(record["seconds"]) == stages
    assert record["cases"][GLI[0]]["skipped"] == []


@pytest.mark.parametrize("task", ["t1", "t2"])
def test_panther(tmp_path: Path, run: Callable[..., int], task: str):
    files.write_panther_case(tmp_path / "in", f"abdominal-{task}-mri")
    assert run() == 0
    place = "images/pancreatic-tumor-segmentation/0a1b-scan.mha"
    assert written(tmp_path / "out") == [place]
    labels = SimpleITK.ReadImage(str(tmp_path / "out" / place))
    assert labels.GetPixelID() == SimpleITK.sitkUInt8
    assert labels.GetDirection()[:2] == (0.8, -0.6)
    # random networks may see no tumour; the evaluator would punish an empty mask
    assert set(np.unique(SimpleITK.GetArrayFromImage(labels))) == {0, 1}


def test_a_model_without_a_pancreas_is_not_taken_for_a_swapped_one(
    tmp_path: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    """As the organisers' own baseline: background and tumour, nothing else."""
    alone = tiny.dataset({"background": 0, "tumour": 1}, ["MRI"])
    source = tiny.train(tmp_path / "trained", tiny.plans(channels=1), alone)
    flags = ["--model", "alone", "--scheme", "panther-t1", "--out", str(tmp_path / "alone")]
    assert lab(["pack", str(source), *flags]) == 0
    files.write_panther_case(tmp_path / "in")
    record = tmp_path / "record.json"
    assert run("--weights", str(tmp_path / "alone"), "--record", str(record)) == 0
    (case,) = json.loads(record.read_text())["cases"].values()
    assert case["unusual_shares"] == [] and case["volumes_mm3"]["tumour"] > 0
    assert "swapped" not in capfd.readouterr().out


def test_the_older_command_line(tmp_path: Path, weights: Path):
    files.write_brats_case(tmp_path / "in", GLI[0])
    (tmp_path / "out").mkdir()
    flags = [f"--data_path={tmp_path / 'in'}", f"--output_path={tmp_path / 'out'}"]
    assert inference.main(["infer", *flags, f"--weights={weights}", "--parameters_file=x"]) == 0
    assert written(tmp_path / "out") == [f"{GLI[0]}.nii.gz"]


def test_one_bad_case_does_not_stop_the_others(
    tmp_path: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    for id in GLI:
        files.write_brats_case(tmp_path / "in", id)
    broken = tmp_path / "in" / f"{GLI[1]}-t2f.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-500])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{GLI[1]}.nii.gz").write_text("an earlier run's answer")
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


def test_missing_modality_and_a_sound_case(tmp_path: Path, run: Callable[..., int], capfd):
    files.write_brats_case(tmp_path / "in", GLI[0], sequences=("t1n", "t1c"))
    files.write_brats_case(tmp_path / "in", GLI[1])
    assert run() == 1
    assert written(tmp_path / "out") == [f"{GLI[1]}.nii.gz"]
    last = capfd.readouterr().err.strip().splitlines()[-1]
    names = f"{GLI[0]}-t1c.nii.gz, {GLI[0]}-t1n.nii.gz"
    assert f"{tmp_path / 'in'}: missing t2w, t2f (found {names}); no model that fits" in last


@pytest.fixture
def bearing(tmp_path: Path, weights: Path) -> Path:
    """The glioma ensemble, as if it had been trained on cases that lack sequences."""
    folder = tmp_path / "bearing" / "gli"
    shutil.copytree(weights / "gli", folder)
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    manifest["settings"]["accepts_missing"] = True
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))
    return folder


def test_missing_sequences_are_the_manifests_decision(
    tmp_path: Path, bearing: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    """Platforms pass no arguments: a model that was trained for gaps answers, as for zeros."""
    files.write_brats_case(tmp_path / "in" / GLI[0], GLI[0], sequences=("t1c", "t2f"))
    flags = ["--weights", str(bearing), "--record", str(tmp_path / "r.json")]
    assert run(*flags) == 0
    told = json.loads((tmp_path / "r.json").read_text())["cases"][GLI[0]]
    assert told["missing_sequences"] == ["t1n", "t2w"]
    assert told["missing_accepted_by"] == "the manifest of gli"
    warned = (
        f"WARNING case={GLI[0]} without t1n, t2w, less certain; accepted by the manifest of gli"
    )
    assert warned in capfd.readouterr().out
    labels = np.asarray(nibabel.load(tmp_path / "out" / f"{GLI[0]}.nii.gz").dataobj)
    # By hand: the members on the two scans and two of nothing.
    case = read_case(find_cases(tmp_path / "in").cases[0])
    assert not case.images["t1n"].any()
    assert case.missing_sequences == ("t1n", "t2w")
    model = verify_model(bearing / "MANIFEST.json")
    *_, whole = predict(case, model, Engine(torch.device("cpu")))
    by_hand = labels_from(whole.probabilities, model.head, model.scheme)
    np.testing.assert_array_equal(labels, by_hand.transpose(2, 1, 0))


def test_a_blank_scan_is_a_missing_one_where_cases_may_lack_sequences(
    tmp_path: Path, bearing: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    files.write_brats_case(tmp_path / "in" / GLI[0], GLI[0])
    blank = tmp_path / "in" / GLI[0] / f"{GLI[0]}-t2w.nii.gz"
    files.write_nifti(blank, np.zeros((18, 22, 20), np.int16))
    assert run() == 1
    assert "t2w.nii.gz: constant image, every voxel is 0" in capfd.readouterr().err
    assert run("--weights", str(bearing), "--record", str(tmp_path / "r.json")) == 0
    assert "without t2w, less certain" in capfd.readouterr().out
    case = json.loads((tmp_path / "r.json").read_text())["cases"][GLI[0]]
    assert (case["missing_sequences"], case["remarks"]) == (
        ["t2w"],
        [f"{blank}: blank, taken for missing"],
    )
    answer = np.asarray(nibabel.load(tmp_path / "out" / f"{GLI[0]}.nii.gz").dataobj)
    blank.unlink()
    assert run("--weights", str(bearing)) == 0
    without = np.asarray(nibabel.load(tmp_path / "out" / f"{GLI[0]}.nii.gz").dataobj)
    np.testing.assert_array_equal(answer, without)
    for path in blank.parent.iterdir():
        files.write_nifti(path, np.zeros((18, 22, 20), np.int16))
    assert run("--weights", str(bearing)) == 1
    assert "every scan is blank" in capfd.readouterr().err


def test_the_switch_overrides_the_manifest_both_ways(
    tmp_path: Path, bearing: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
):
    files.write_brats_case(tmp_path / "in" / GLI[0], GLI[0], sequences=("t1c", "t2f"))
    assert run("--weights", str(bearing), "--no-missing-sequences") == 1
    told = capfd.readouterr().err
    assert "missing t1n, t2w (found" in told and "; --no-missing-sequences refuses that" in told
    assert written(tmp_path / "out") == []
    assert run() == 1  # a manifest that says nothing accepts nothing
    assert "no model that fits accepts that (gli)" in capfd.readouterr().err
    assert run("--missing-sequences", "--record", str(tmp_path / "r.json")) == 0
    by = "--missing-sequences, though the manifest of gli does not"
    assert f"less certain; accepted by {by}" in capfd.readouterr().out
    told = json.loads((tmp_path / "r.json").read_text())["cases"][GLI[0]]
    assert told["missing_accepted_by"] == by
    assert written(tmp_path / "out") == [f"{GLI[0]}.nii.gz"]


def run_seeing_cavities(folder: Path, *flags: str) -> int:
    """Run a tiny network that sees resection cavities everywhere, packed with `flags`."""
    source = tiny.train(folder / "trained", tiny.plans(), tiny.dataset(), folds=(3,))
    pack = ["pack", str(source), "--model", "gli", "--scheme", "brats-gli", *flags]
    assert lab([*pack, "--out", str(folder / "weights")]) == 0
    (folder / "out").mkdir()
    paths = {"--input": "in", "--output": "out", "--weights": "weights", "--record": "record.json"}
    words = [word for flag, name in paths.items() for word in (flag, str(folder / name))]
    return inference.main([*words, "--device", "cpu"])


def test_a_name_does_not_override_what_the_model_is_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    for id in ("BraTS-PED-00001-000", "BraTS-SSA-00001-000", GLI[0]):
        files.write_brats_case(tmp_path / "in" / id, id)
    assert run_seeing_cavities(tmp_path) == 0
    answers = [np.asarray(nibabel.load(path).dataobj) for path in (tmp_path / "out").iterdir()]
    assert all(np.array_equal(answer, answers[0]) for answer in answers)  # the images are alike
    assert 4 in answers[0]  # the resection cavity, of which the two other challenges know nothing
    out = capfd.readouterr().out
    assert "case=BraTS-PED-00001-000 is named as of brats-ped; the model answers brats-gli" in out
    assert f"case={GLI[0]} is named" not in out
    case = json.loads((tmp_path / "record.json").read_text())["cases"]["BraTS-SSA-00001-000"]
    assert (case["named_scheme"], case["scheme"]) == ("brats-ssa", "brats-gli")


def test_a_label_that_the_challenge_lacks_is_never_dropped_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """GLI's network for Africa's challenge, which knows no resection cavity."""
    for id in ("BraTS-SSA-00001-000", "patient-7", GLI[0]):
        files.write_brats_case(tmp_path / "in" / id, id)
    assert run_seeing_cavities(tmp_path, "--answers", "brats-ssa,brats-gli") == 0
    values = {p.name[:-7]: set(np.unique(nibabel.load(p).dataobj))
              for p in (tmp_path / "out").iterdir()}  # fmt: skip
    assert 4 in values[GLI[0]]
    assert 4 not in values["BraTS-SSA-00001-000"] | values["patient-7"]
    out = capfd.readouterr().out
    cases = json.loads((tmp_path / "record.json").read_text())["cases"]
    for id in ("BraTS-SSA-00001-000", "patient-7"):
        cavity_mm3 = cases[id]["unwritten_mm3"]["RC"]
        assert cavity_mm3 == pytest.approx(cases[GLI[0]]["volumes_mm3"]["RC"])
        lost = f"case={id} has {cavity_mm3 / 1000:.1f} mL of RC, not written: no label of brats-ssa"
        assert lost in out
    assert cases[GLI[0]]["unwritten_mm3"] == {}


def test_a_model_by_name(tmp_path: Path, run: Callable[..., int], capfd):
    files.write_brats_case(tmp_path / "in", GLI[0])
    assert run("--model", "gli") == 0
    assert run("--model", "nothing") == 2
    assert "no model 'nothing', only gli, t1, t2" in capfd.readouterr().err
    assert run("--model", "t1") == 2
    assert f"no model fits case {GLI[0]} (of t1)" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m: m.write_text(m.read_text().replace('"schema": 3', '"schema": 4')), "newer"),
        (lambda m: m.write_text("{"), "not a manifest"),
        (lambda m: m.unlink(), "no MANIFEST.json"),
        (lambda m: next(m.parent.rglob("*.pth")).write_bytes(b"other"), "5 bytes"),
        (lambda m: next(m.parent.rglob("plans.json")).unlink(), "listed in MANIFEST.json but"),
    ],
    ids=["newer", "not JSON", "no manifest", "other weights", "a file gone"],
)
def test_weights_that_do_not_verify(
    tmp_path: Path, weights: Path, spoil: Callable[[Path], object], message: str, capfd
):
    subprocess.run(["cp", "-r", weights / "gli", tmp_path / "weights"], check=True)
    spoil(tmp_path / "weights" / "MANIFEST.json")
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
    flags = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "missing")]
    assert inference.main(flags) == 2
    assert "missing: no such output folder" in capfd.readouterr().err
    assert run("--backend", "abacus") == 2
    assert "--backend: no backend 'abacus', only openvino" in capfd.readouterr().err
    for flag, value in (("--device", "abacus"), ("--time-limit", "0"), ("--time-limit", "soon")):
        with pytest.raises(SystemExit) as usage:
            run(flag, value)
        assert usage.value.code == 2


def test_a_read_only_output(tmp_path: Path, run: Callable[..., int], capfd, monkeypatch):
    # root may write anywhere, so the system's answer is put into its mouth
    files.write_brats_case(tmp_path / "in", GLI[0])
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert run() == 2
    assert "out: the output folder is not writable" in capfd.readouterr().err


def test_a_folder_of_both_sound_and_foreign_cases(tmp_path: Path, run: Callable[..., int]):
    files.write_brats_case(tmp_path / "in", GLI[0])
    files.write_brats_case(tmp_path / "in", "BraTS-MEN-RT-0001-1", sequences=["t1c"])
    assert run() == 1
    assert written(tmp_path / "out") == [f"{GLI[0]}.nii.gz"]


def test_a_kill_leaves_no_partial_file(tmp_path: Path, weights: Path):
    files.write_brats_case(tmp_path / "in", GLI[0])
    for number in range(6):
        files.write_brats_case(tmp_path / "in", f"BraTS-GLI-0001{number}-100")
    (tmp_path / "out").mkdir()
    flags = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--weights", weights]
    program = subprocess.Popen([sys.executable, inference.__file__, *map(str, flags)])
    deadline = time.monotonic() + 60
    while not [*(tmp_path / "out").glob("BraTS*")] and time.monotonic() < deadline:
        time.sleep(0.01)
    program.send_signal(signal.SIGTERM)
    assert program.wait(30) != 0
    names = written(tmp_path / "out")
    assert 0 < len(names) < 7
    assert all(name.startswith("BraTS-GLI-000") for name in names)
    for name in names:
        assert nibabel.load(tmp_path / "out" / name).get_fdata().shape == (18, 22, 20)


class Served:
    """The program as a server, in a process of its own."""

    def __init__(self, folder: Path, weights: Path) -> None:
        for name in ("in", "out"):
            (folder / name).mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        flags = ["--input", folder / "in", "--output", folder / "out", "--weights", weights]
        words = ["serve", "--port", str(self.port), "--device", "cpu", *map(str, flags)]
        self.process = subprocess.Popen([sys.executable, inference.__file__, *words])

    def ask(self, method: str, path: str) -> tuple[int, str]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        client.request(method, path)
        answer = client.getresponse()
        return answer.status, answer.read().decode()

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(ConnectionRefusedError):
                if self.ask("GET", "/health")[0] == 200:
                    return
            time.sleep(0.05)
        raise TimeoutError("never healthy")


@pytest.fixture
def served(tmp_path: Path, weights: Path) -> Iterator[Served]:
    served = Served(tmp_path, weights)
    yield served
    served.process.kill()
    served.process.wait()


def test_calls_one_after_the_other_leave_no_trace(tmp_path: Path, served: Served) -> None:
    """Both tasks, a broken case between, the first one again: the same bytes."""
    served.wait_until_healthy()
    answers = []
    for slug in ("abdominal-t1-mri", "abdominal-t2-mri", None, "abdominal-t1-mri"):
        for place in ("in", "out"):
            shutil.rmtree(tmp_path / place)
            (tmp_path / place).mkdir()
        if slug:
            files.write_panther_case(tmp_path / "in", slug)
        status, told = served.ask("POST", "/invoke")
        assert status == (201 if slug else 500), told
        answers.append(b"".join(path.read_bytes() for path in tmp_path.glob("out/*/*/*")))
        assert slug or "no case found" in told
    assert answers[0] == answers[3] != answers[1]
    assert answers[2] == b""
    served.process.terminate()
    assert served.process.wait(5) == 143


def test_a_server_without_a_model_for_the_platform_ends(
    tmp_path: Path, weights: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    served = Served(tmp_path, weights / "gli")
    assert served.process.wait(60) == 2
    assert "no model for any socket of the platform" in capfd.readouterr().err


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
