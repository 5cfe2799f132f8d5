"""Every training case is predicted by the one member that never saw it."""

import json
from pathlib import Path

import files
import numpy as np
import pytest
import tiny
import torch

from challenge.case import read_case, read_volume
from challenge.scheme import SCHEMES, labels_from
from ensemble.engine import Engine
from ensemble.manifest import verify_model
from ensemble.predict import predict, predict_member
from lab.__main__ import main as lab
from lab.data.cohort import read_cohort

GLI = SCHEMES["brats-gli"]
IDS = ["a", "b", "c", "d"]
# A team's numbering: 1 and 2 are the other way round than the challenge has them.
TURNED = {"background": 0, "SNFH": 1, "NETC": 2, "ET": 3, "RC": 4}


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    for number, id in enumerate(IDS):
        for channel in range(4):
            image = files.head(10 * number + channel)
            files.write_nifti(folder / "imagesTr" / f"{id}_{channel:04d}.nii.gz", image)
        labels = (files.head(number) > 500).astype(np.uint8)
        files.write_nifti(folder / "labelsTr" / f"{id}.nii.gz", labels)
    (folder / "dataset.json").write_text(json.dumps(tiny.dataset(TURNED)))
    return folder


def with_splits(folder: Path, cohort: Path) -> list[str]:
    """Return the options of a run over the splits, model and output of one folder."""
    words = ["--model", folder / "m", "--cohort", cohort, "--device", "cpu"]
    return [*map(str, [*words, "--splits", folder / "splits.json", "--out", folder / "oof"])]


def test_each_case_by_the_fold_without_it_and_a_stopped_run_goes_on(
    tmp_path: Path, cohort: Path
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)])
    splits = [{"train": IDS[2:], "val": IDS[:2]}, {"train": IDS[:2], "val": IDS[2:]}]
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    arguments = with_splits(tmp_path, cohort)
    assert lab(["out-of-fold", *map(str, arguments)]) == 0
    assert sorted(p.name for p in (tmp_path / "oof").iterdir()) == [f"{i}.nii.gz" for i in IDS]

    model = verify_model(tmp_path / "m" / "MANIFEST.json")
    case = read_case(read_cohort(cohort, GLI)[2].files)  # "c" is held out by fold 1
    engine = Engine(torch.device("cpu"))
    by_fold = [predict_member(case, m, model, engine) for m in model.members]
    expected = [labels_from(p, model.head, GLI) for p in by_fold]
    labels = read_volume(tmp_path / "oof" / "c.nii.gz", np.uint8).array
    np.testing.assert_array_equal(labels, expected[1])
    assert (expected[0] != expected[1]).any()

    (tmp_path / "oof" / "d.nii.gz").unlink()
    first_written_ns = (tmp_path / "oof" / "a.nii.gz").stat().st_mtime_ns
    lab(["out-of-fold", *map(str, arguments)])
    assert (tmp_path / "oof" / "d.nii.gz").exists()
    assert (tmp_path / "oof" / "a.nii.gz").stat().st_mtime_ns == first_written_ns


SPLITS = [{"train": IDS[2:], "val": IDS[:2]}, {"train": IDS[:2], "val": IDS[2:]}]


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        (("0", "all"), "fold_all was trained on every case and left none out"),
        (("0", "5"), "fold '5' is not in the splits (0..1)"),
    ],
)
def test_a_fold_that_the_splits_do_not_know_is_said_before_anything_runs(
    tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str], folds: tuple, message: str
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    (source / "fold_1").rename(source / f"fold_{folds[1]}")
    lab(
        [
            "pack",
            str(source),
            "--model",
            "m",
            "--scheme",
            "brats-gli",
            "--out",
            str(tmp_path),
            "--folds",
            *folds,
        ]
    )
    (tmp_path / "splits.json").write_text(json.dumps(SPLITS))
    arguments = with_splits(tmp_path, cohort)
    capsys.readouterr()
    assert lab(["out-of-fold", *map(str, arguments)]) == 2
    member = f"trained/fold_{folds[1]}/checkpoint_final.pth"
    assert capsys.readouterr().err.splitlines()[-1] == f"{member}: {message}"
    assert not list((tmp_path / "oof").iterdir())  # though fold 0 could have been predicted


def test_folds_without_a_member_are_said(
    tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)])
    (tmp_path / "splits.json").write_text(json.dumps(SPLITS))
    arguments = with_splits(tmp_path, cohort)
    assert lab(["out-of-fold", *map(str, arguments)]) == 0
    assert "fold 1: no member, 2 cases are not predicted" in capsys.readouterr().out


def test_references_come_in_the_schemes_values(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = read_cohort(cohort, GLI)[0]
    assert "references are read by them: NETC=2, SNFH=1, ET=3, RC=4" in capsys.readouterr().err
    raw = read_volume(first.reference, np.uint8).array
    assert set(np.unique(raw)) == {0, 1}
    np.testing.assert_array_equal(first.read_reference().array, raw * GLI.labels["SNFH"])


def test_hidden_files_are_no_cases(cohort: Path) -> None:
    (cohort / "labelsTr" / "._a.nii.gz").write_bytes(b"\0")
    assert [case.files.id for case in read_cohort(cohort, GLI)] == IDS


def test_a_missing_channel_is_named(cohort: Path) -> None:
    (cohort / "imagesTr" / "b_0002.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"b_0002.nii.gz: missing, though b.nii.gz is there"):
        read_cohort(cohort, GLI)


def test_cases_that_no_member_saw_are_predicted_by_all(tmp_path: Path, cohort: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)])
    arguments = [
        "--model",
        tmp_path / "m",
        "--cohort",
        cohort,
        "--device",
        "cpu",
        "--unseen",
        "--out",
        tmp_path / "out",
    ]
    assert lab(["out-of-fold", *map(str, arguments)]) == 0
    model = verify_model(tmp_path / "m" / "MANIFEST.json")
    case = read_case(read_cohort(cohort, GLI)[1].files)
    *_, final = predict(case, model, Engine(torch.device("cpu")))
    labels = read_volume(tmp_path / "out" / "b.nii.gz", np.uint8).array
    np.testing.assert_array_equal(labels, labels_from(final.probabilities, model.head, GLI))
    assert lab(["out-of-fold", *map(str, arguments), "--maps", str(tmp_path / "maps")]) == 2
