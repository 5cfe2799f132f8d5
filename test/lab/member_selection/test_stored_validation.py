"""nnU-Net's own validation spares predictions, where it is that of the packed members."""

import json
from pathlib import Path

import files
import numpy as np
import pytest
import tiny
import torch
from raw_cohort import IDS, SPLITS, write_raw

from challenge.case import read_case
from challenge.scheme import SCHEMES, labels_from
from challenge.volume import read_volume
from ensemble.engine import Engine
from ensemble.manifest import verify_model
from lab.__main__ import main as lab
from lab.data.cohort import read_cohort
from lab.member_selection.probability_maps import read_candidate
from lab.provenance.records import model_record

GLI = SCHEMES["brats-gli"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Write a cohort, its splits, and a packed model of two folds."""
    write_raw(tmp_path / "raw", tiny.dataset())
    (tmp_path / "splits.json").write_text(json.dumps(SPLITS))
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    words = ["--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)]
    assert lab(["pack", str(source), *words]) == 0
    return tmp_path


def write_validation(home: Path, kind: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Write what nnU-Net's validation leaves, npz or labels; return probabilities by case."""
    model = verify_model(home / "m" / "MANIFEST.json")
    if seed:  # of another training
        source = tiny.train(home / "other", tiny.plans(), tiny.dataset(), (0, 1), seed)
        words = ["--model", "n", "--scheme", "brats-gli", "--out", str(home)]
        assert lab(["pack", str(source), *words]) == 0
        model = verify_model(home / "n" / "MANIFEST.json")
    engine, of_case = Engine(torch.device("cpu")), {}
    for case in read_cohort(home / "raw", GLI):
        fold = int(case.files.id in "cd")
        member = model.members[fold]
        probabilities = tiny.predict_member(read_case(case.files), member, model, engine)
        of_case[case.files.id] = probabilities
        folder = home / "trained" / f"fold_{fold}" / "validation"
        folder.mkdir(exist_ok=True)
        if kind == "npz":
            np.savez_compressed(folder / f"{case.files.id}.npz", probabilities=probabilities)
        labels = labels_from(probabilities, model.head, GLI)
        files.write_nifti(folder / f"{case.files.id}.nii.gz", labels.T)  # x, y, z
    return of_case


def out_of_fold(home: Path, *more: str) -> int:
    words = ["--model", home / "m", "--cohort", home / "raw", "--splits", home / "splits.json"]
    words += ["--out", home / "oof", "--device", "cpu", "--validation", home / "trained"]
    return lab(["out-of-fold", *map(str, words), *more])


@pytest.mark.parametrize("kind", ["npz", "labels"])
def test_one_case_is_predicted_and_the_others_are_nnunets(
    home: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = write_validation(home, kind)
    maps = ["--maps", str(home / "maps")] if kind == "npz" else []
    assert out_of_fold(home, *maps) == 0
    out = capsys.readouterr().out
    assert "nnU-Net's validation has 4 of 4 cases" in out
    assert ": 0 of " in out and "foreground voxels differ from ours" in out
    assert out.count(" by trained/fold_0") == 1 and out.count("/validation\n") == 3
    head = verify_model(home / "m" / "MANIFEST.json").head
    for id in IDS:
        labels = read_volume(home / "oof" / f"{id}.nii.gz", np.uint8).array
        np.testing.assert_array_equal(labels, labels_from(expected[id], head, GLI))
    if maps:
        stored = read_candidate(home / "maps").read("d")
        in_box = expected["d"][(slice(None), *stored.box)]
        np.testing.assert_allclose(stored.probabilities, in_box, atol=1e-3)


def test_another_trainings_validation_is_not_used(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = write_validation(home, "npz", seed=9)
    assert out_of_fold(home) == 0
    out = capsys.readouterr().out
    assert "so that nnU-Net's validation is not used and all cases are predicted here" in out
    assert out.count("/validation\n") == 0
    model = verify_model(home / "m" / "MANIFEST.json")
    case = read_cohort(home / "raw", GLI)[3]
    engine = Engine(torch.device("cpu"))
    ours = tiny.predict_member(read_case(case.files), model.members[1], model, engine)
    labels = read_volume(home / "oof" / "d.nii.gz", np.uint8).array
    np.testing.assert_array_equal(labels, labels_from(ours, model.head, GLI))
    assert (labels != labels_from(others["d"], model.head, GLI)).any()
    assert model_record(home / "m").sha256 != model_record(home / "n").sha256


def test_labels_alone_do_not_spare_probabilities(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_validation(home, "labels")
    assert out_of_fold(home, "--maps", str(home / "maps")) == 0
    assert "nnU-Net's validation has 0 of 4 cases; the rest is predicted" in capsys.readouterr().out


def test_a_damaged_archive_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_validation(home, "npz")
    path = home / "trained" / "fold_1" / "validation" / "d.npz"
    path.write_bytes(path.read_bytes()[:100])
    code = out_of_fold(home)
    err = capsys.readouterr().err
    assert code == 2 and f"{path}: cannot be read as nnU-Net's npz" in err
