"""Two results folders of nnU-Net's own trainer become a release, though the command is killed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tiny
from raw_cohort import SPLITS, write_raw

from challenge.provenance import from_json
from lab.__main__ import main as lab
from lab.provenance.records import model_record

ROOT = Path(__file__).resolve().parents[3]
DATASET = "Dataset701_Islands"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


# `submitted` takes minutes: those that look at it run where it was made.
ONE_PROCESS = pytest.mark.xdist_group("submitted")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train two tiny networks of two folds with nnU-Net's own code, half a minute."""
    folder = tmp_path_factory.mktemp("nnunet")
    script = Path(__file__).with_name("nnunet_results.py")
    path = f"{ROOT / 'test'}:{ROOT}"
    words = [sys.executable, str(script), str(folder)]
    subprocess.run(words, check=True, capture_output=True, env=ENVIRONMENT | {"PYTHONPATH": path})
    return folder


def words_of(results: Path, work: Path) -> list[str]:
    trained = sorted(map(str, (results / "nnUNet_results" / DATASET).iterdir()))
    words = ["submit", *trained, "--cohort", str(results / "nnUNet_raw" / DATASET)]
    return [*words, "--scheme", "panther-t1", "--name", "mine", "--work", str(work)]


def start(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "lab", *words],
            stdout=stream,
            stderr=stream,
            cwd=ROOT,
            env=ENVIRONMENT,
        )


def kill_while(words: list[str], work: Path, step: str, log: Path) -> None:
    """Kill a submission, and no other process, as soon as a step's first output is there."""
    process = start(words, log)
    while process.poll() is None:
        if (path := work / "logs" / f"{step}.log").exists() and path.stat().st_size:
            break
        time.sleep(0.05)
    assert process.poll() is None, log.read_text()
    assert not (work / "done" / f"{step}.json").exists()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def submitted(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Submit, killed three times; return the work folder."""
    work = tmp_path_factory.mktemp("submit") / "work"
    words, log = words_of(results, work), work.with_name("log.txt")
    for step in ("predict-nnUNetTrainer__wider__3d_fullres", "predict-mine", "verify"):
        kill_while(words, work, step, log)
    process = start(words, log)
    assert process.wait() == 0, log.read_text()
    (work / "last.txt").write_text(log.read_text().split("panther-t1, 16 cases")[-1])
    return work


def labels_in(folder: Path) -> dict[str, np.ndarray]:
    return {
        path.name: np.asarray(nibabel.load(path).dataobj, np.uint8)
        for path in sorted(folder.glob("*.nii.gz"))
    }


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


@pytest.mark.slow
@ONE_PROCESS
def test_a_killed_submission_goes_on_to_a_release(submitted: Path) -> None:
    text = (submitted / "last.txt").read_text()
    assert text.count(": done before") >= 7
    assert "mine ships with " in text and "./build.sh" in text
    gates = read(submitted / "rules" / "gate.json")
    assert ("gates ship, on " if gates["ships"] else "\nno gates: ") in text
    assert "cases without a credible component: " in text
    assert ("cases far from all others: " in text) == ("ships without rules" not in text)
    assert "<h2>Learned gates</h2>" in (submitted / "rules.html").read_text()
    model = submitted / "weights" / "mine"
    for name, facts in read(model / "MANIFEST.json")["files"].items():
        assert hashlib.sha256((model / name).read_bytes()).hexdigest() == facts["sha256"]
    assert {"MODEL_CARD.md", "postprocess.json"} <= {path.name for path in model.iterdir()}
    assert (submitted / "report.html").stat().st_size > 10_000
    assert not list(submitted.rglob(".packing-*"))


@pytest.mark.slow
@ONE_PROCESS
def test_the_ensembles_held_out_labels_are_those_of_nnunets_probabilities(
    submitted: Path, results: Path
) -> None:
    shares = read(submitted / "selection" / "selection.json")["weights"]
    ours = labels_in(submitted / "oof" / "mine")
    assert len(ours) == 16
    for name, labels in ours.items():
        id = name.removesuffix(".nii.gz")
        mean = 0.0
        for source, share in shares.items():
            (path,) = (results / "nnUNet_results" / DATASET / source).glob(
                f"fold_*/validation/{id}.npz"
            )
            mean = mean + share * np.load(path)["probabilities"]
        expected = np.argmax(mean, axis=0).T  # nnU-Net's axes are z, y, x
        assert (expected != labels).sum() <= 0.01 * max((expected > 0).sum(), 1)


@pytest.mark.slow
@ONE_PROCESS
def test_every_number_of_the_release_follows_from_its_files(submitted: Path, results: Path) -> None:
    summary = read(submitted / "submission.json")
    search = read(submitted / "rules" / "search.json")
    references = labels_in(results / "nnUNet_raw" / DATASET / "labelsTr")
    gates = read(submitted / "rules" / "gate.json")
    assert summary["gates"].items() <= gates.items()
    ruled = "held_out_gates" if gates["ships"] else "held_out"
    folders = {
        "without_rules": submitted / "oof" / "mine",
        "with_rules": submitted / "rules" / ruled,
    }
    means = {key: summary[key] for key in folders}
    if gates["ships"]:
        means["with_rules"] = gates["score_with_gates"]
    objective = {}
    for name, folder in folders.items():
        scores = read(submitted / "scores" / f"{name}.json")["cases"]
        predictions = labels_in(folder)
        assert predictions.keys() == references.keys()
        for file, reference in references.items():
            truth, predicted = reference == 1, predictions[file] == 1
            dice = 2 * (truth & predicted).sum() / max(truth.sum() + predicted.sum(), 1)
            assert scores[file.removesuffix(".nii.gz")]["tumour"]["dice"] == pytest.approx(dice)
        columns = ("dice", "surface_dice_5mm")  # what the challenge's overlap is the mean of
        objective[name] = np.array(
            [np.mean([case["tumour"][key] for key in columns]) for case in scores.values()]
        )
        assert means[name] == pytest.approx(objective[name].mean(), abs=1e-9)
    if gates["ships"]:
        assert summary["ships"] != "identity", "gates alone: nobody scored the rules by themselves"
        objective["with_rules"] = np.array(gates["before"])
    gains = objective["with_rules"] - objective["without_rules"]
    assert summary["gain"] == pytest.approx(gains.mean(), abs=1e-9)
    assert summary["cases"] == len(gains) == 16
    # Every way of flipping the signs of 16 gains, against the 5,000 that were drawn.
    moved = gains[gains != 0]
    flipped = [abs(np.dot(signs, moved)) for signs in product((1, -1), repeat=len(moved))]
    exact = np.mean(np.array(flipped) >= abs(moved.sum()) - 1e-12)
    assert summary["p"] == pytest.approx(exact, abs=0.02)
    draws = np.random.default_rng(1).integers(0, len(gains), (20_000, len(gains)))
    low, high = np.quantile(gains[draws].mean(1), (0.025, 0.975))
    assert (summary["low"], summary["high"]) == pytest.approx((low, high), abs=0.004)
    assert summary["ships"] == search["ships"]
    card = (submitted / "weights" / "mine" / "MODEL_CARD.md").read_text()
    if summary["ships"] != "identity":
        assert f"{summary['without_rules']:.4f} without, {summary['with_rules']:.4f} with" in card


@pytest.mark.slow
@ONE_PROCESS
def test_the_chain_leads_from_the_release_to_nnunets_checkpoints(
    submitted: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = submitted / "weights" / "mine"
    checkpoints = (results / "nnUNet_results" / DATASET).glob("*/fold_*/checkpoint_final.pth")
    trained = {hashlib.sha256(path.read_bytes()).hexdigest() for path in checkpoints}
    record = model_record(model)
    assert {each.sha256 for each in record.walk() if each.product == "checkpoint"} <= trained
    rules = from_json(read(model / "postprocess.json")["fit"]["provenance"], model)
    assert "probabilities" in rules.inputs["features"].inputs  # so that rules by peak are tried
    predicted_by = rules.inputs["features"].inputs["predictions"].inputs["model"]
    assert predicted_by.sha256 == record.sha256
    assert lab(["trace", str(model)]) == 0
    assert "search.json" in capsys.readouterr().out


@pytest.mark.slow
@ONE_PROCESS
def test_other_checkpoints_in_the_same_work_folder_are_refused(
    submitted: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / "nnUNet_results" / DATASET / "nnUNetTrainer__wider__3d_fullres" / "fold_0"
    before = (path / "checkpoint_final.pth").read_bytes()
    try:
        (path / "checkpoint_final.pth").write_bytes(before + b"\0")
        assert lab(words_of(results, submitted)) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "source nnUNetTrainer__wider__3d_fullres" in line and "choose another folder" in line
    finally:
        (path / "checkpoint_final.pth").write_bytes(before)


@pytest.mark.slow
@ONE_PROCESS
def test_predictions_alone_get_rules(
    submitted: Path, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels"  # of any program: no record beside them
    labels.mkdir()
    for path in (submitted / "oof" / "mine").glob("*.nii.gz"):
        (labels / path.name).write_bytes(path.read_bytes())
    maps = ["--probabilities", str(submitted / "probabilities" / "mine")]
    words = ["submit", "--predictions", str(labels), *maps, "--scheme", "panther-t1"]
    words += ["--name", "rules"]
    cohort = ["--cohort", str(results / "nnUNet_raw" / DATASET), "--work", str(tmp_path / "work")]
    assert lab([*words, *cohort]) == 0
    out = capsys.readouterr().out
    assert "python -m postprocess --labels" in out
    one, other = (read(work / "submission.json") for work in (submitted, tmp_path / "work"))
    assert one["gain"] == other["gain"] and one["ships"] == other["ships"]
    assert (tmp_path / "work" / "artefact" / "postprocess.json").is_file()


@pytest.mark.slow
def test_one_training_with_unofficial_ids_and_odd_labels_gets_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ids that no platform hands out, no validation, labels that `lab check` warns of."""
    raw = write_raw(tmp_path / "nnUNet_raw" / "Dataset999_Tiny", tiny.dataset())
    home = tmp_path / "results" / "T__P__3d_fullres"
    home.parent.mkdir()
    tiny.train(home, tiny.plans(), tiny.dataset(), folds=(0, 1))
    (tmp_path / "splits.json").write_text(json.dumps(SPLITS))
    words = ["--cohort", str(raw), "--scheme", "brats-gli", "--name", "one"]
    paths = ["--splits", str(tmp_path / "splits.json"), "--work", str(tmp_path / "work")]
    assert lab(["submit", str(home.parent), *words, *paths]) == 0
    out = capsys.readouterr().out
    assert "2 cases as on brats in" in out and "WARN BraTS-GLI-00001-000: " in out
    assert "one ships without rules" in out  # four cases show nothing
    assert (tmp_path / "work" / "weights" / "one" / "MODEL_CARD.md").is_file()
