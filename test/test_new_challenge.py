"""A challenge is one row: what it takes to add one, from its downloads to checked labels."""

import json
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import tiny
import torch

import inference
from challenge.case import read_case
from challenge.challenges import SCHEMES
from challenge.description import Scheme, TrainingLayout
from challenge.platforms import find_cases
from challenge.scheme import Head
from ensemble.engine import Engine
from ensemble.manifest import MANIFEST, Model, verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab
from postprocess.artefacts import load_artefacts
from postprocess.read_inputs import head_of

VALUES = {"core": 1, "rim": 2, "fluid": 3, "cavity": 5}
ROW = Scheme(
    name="made-up",
    labels=VALUES,
    regions={"whole": ("core", "rim"), "core": ("core",), "cavity": ("cavity",)},
    sequences=("ct", "pet"),
    tumour="whole",
    whole="whole",
    written=tuple(VALUES),
    case_prefix="MADE",
    training_regions=(("whole", "rim"), ("core", "core"), ("fluid", "fluid"), ("cavity", "cavity")),
    layouts={"made-up": TrainingLayout("a made-up challenge", {v: n for n, v in VALUES.items()})},
)
IDS = [f"MADE-{number:05d}-000" for number in range(1, 13)]
SHAPE = (18, 22, 20)  # x, y, z


@pytest.fixture(autouse=True)
def row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the challenge where every other one stands, and nowhere else."""
    monkeypatch.setitem(SCHEMES, ROW.name, ROW)  # type: ignore[misc]


def reference_of(number: int) -> np.ndarray:
    """Labels (x, y, z): a core in a rim, fluid beside it, and a cavity of 4 x 4 x 4 voxels."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:10, 6:14, 6:14] = 2
    labels[5 : 8 + number % 2, 8:12, 8:12] = 1
    labels[10:12, 6:14, 6:10] = 3
    labels[12:16, 8:12, 8:12] = 5
    return labels


def write_downloads(folder: Path, ids: list[str]) -> Path:
    """Write scans and labels as the challenge hands them out: a folder a case."""
    for number, id in enumerate(ids):
        files.write_brats_case(folder / id, id, sequences=ROW.sequences)
        files.write_nifti(folder / id / f"{id}-seg.nii.gz", reference_of(number))
    return folder


def prepare(folder: Path, *flags: str) -> Path:
    source = f"made-up={write_downloads(folder / 'downloads', IDS)}"
    words = ["--source", source, "--dataset", "Dataset901_MadeUp", "--out", str(folder / "raw")]
    assert lab(["prepare", *words, *flags]) == 0
    return folder / "raw" / "Dataset901_MadeUp"


def pack(folder: Path, raw: Path) -> Path:
    """Pack a network as nnU-Net would leave it, trained on what `prepare` wrote."""
    dataset = json.loads((raw / "dataset.json").read_text())
    source = tiny.train(folder / "trained", tiny.plans(channels=2), dataset)
    words = ["--model", "m", "--scheme", "made-up", "--out", str(folder / "weights")]
    assert lab(["pack", str(source), *words]) == 0
    return folder / "weights" / "m"


def infer(folder: Path, ids: list[str]) -> Path:
    for id in ids:
        files.write_brats_case(folder / "in" / id, id, sequences=ROW.sequences)
    (folder / "out").mkdir()
    words = ["--input", str(folder / "in"), "--output", str(folder / "out"), "--device", "cpu"]
    assert inference.main([*words, "--weights", str(folder / "weights")]) == 0
    return folder / "out"


def cavity_by_channel(folder: Path, id: str, model: Model) -> np.ndarray:
    """Return where the network's last channel decides (x, y, z)."""
    case = next(case for case in find_cases(folder).cases if case.id == id)
    *_, final = predict(read_case(case), model, Engine(torch.device("cpu")))
    if model.head.kind == "regions":
        return (final.probabilities[3] > 0.5).T
    return (final.probabilities.argmax(0) == 4).T


def read(path: Path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj)


@pytest.mark.parametrize("flags", [(), ("--regions",)], ids=["labels", "regions"])
def test_labels_with_a_gap_are_trained_without_it_and_come_out_with_it(
    flags: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = prepare(tmp_path, *flags)
    dataset = json.loads((raw / "dataset.json").read_text())
    values = dataset["regions_class_order"] if flags else list(dataset["labels"].values())[1:]
    assert sorted(values) == [1, 2, 3, 4]  # nnU-Net refuses a gap once training is paid for
    written = read(raw / "labelsTr" / f"{IDS[0]}.nii.gz")
    np.testing.assert_array_equal(written == 4, reference_of(0) == 5)
    model = verify_model(pack(tmp_path, raw) / MANIFEST)
    painted = (
        ("rim", "core", "fluid", "cavity") if flags else ("", "core", "rim", "fluid", "cavity")
    )
    assert model.head.paints == painted
    output = infer(tmp_path, IDS[:2])
    for id in IDS[:2]:
        labels = read(output / f"{id}.nii.gz")
        assert set(np.unique(labels)) <= {0, 1, 2, 3, 5}
        assert (labels == 5).any()
        np.testing.assert_array_equal(labels == 5, cavity_by_channel(tmp_path / "in", id, model))
    capfd.readouterr()
    words = ["--input", str(tmp_path / "in"), "--output", str(output)]
    assert lab(["check", "--platform", "brats", *words]) == 0
    assert "2 cases checked" in capfd.readouterr().out
    evaluate(tmp_path, output)


def evaluate(folder: Path, output: Path) -> None:
    """Score the labels against the challenge's own, and compare with Dice by hand."""
    for number, id in enumerate(IDS[:2]):
        files.write_nifti(folder / "references" / f"{id}.nii.gz", reference_of(number))
    words = ["--predictions", str(output), "--references", str(folder / "references")]
    words += ["--scorer", "voxel", "--out", str(folder / "results.json")]
    assert lab(["evaluate", *words]) == 0
    results = json.loads((folder / "results.json").read_text())
    assert (results["scheme"], results["labels"]) == ("made-up", VALUES)
    for number, id in enumerate(IDS[:2]):
        ours, theirs = read(output / f"{id}.nii.gz") == 5, reference_of(number) == 5
        dice = 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum())
        assert results["cases"][id]["cavity"]["dice"] == pytest.approx(dice)


def test_rules_are_searched_in_the_challenges_own_values(tmp_path: Path) -> None:
    """Every prediction has a false cavity of two voxels; the search finds the rule against it."""
    raw, work = prepare(tmp_path), tmp_path / "work"
    for number, id in enumerate(IDS):
        prediction = reference_of(number)
        prediction[2, 2, 2:4] = 5
        files.write_nifti(tmp_path / "oof" / f"{id}.nii.gz", prediction)
    words = ["--cohort", str(raw), "--predictions", str(tmp_path / "oof"), "--scheme", "made-up"]
    assert lab(["features", *words, "--out", str(work)]) == 0
    assert lab(["fit", str(work)]) == 0
    assert lab(["search", str(work)]) == 0
    content = json.loads((work / "search.json").read_text())
    assert content["scorer"] == "voxel"
    artefacts = load_artefacts(work / "decided", ROW)
    rules = [rule for cluster in artefacts.clusters for rule in cluster.rules]
    assert {rule.label for rule in rules} == {"cavity"}


def test_probabilities_of_its_training_regions_are_understood() -> None:
    head = head_of(4, ROW)
    assert head and head.paints == ("rim", "core", "fluid", "cavity")
    assert head.channels == (("core", "rim"), ("core",), ("fluid",), ("cavity",))
    assert head_of(5, ROW) == Head(
        "softmax",
        ((), ("core",), ("rim",), ("fluid",), ("cavity",)),
        ("", "core", "rim", "fluid", "cavity"),
    )
