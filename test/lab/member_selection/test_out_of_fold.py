"""Every training case is predicted by the one member that never saw it."""

import json
from pathlib import Path

import files
import numpy as np
import pytest
import tiny
import torch
from raw_cohort import IDS, SPLITS, write_raw

from challenge.case import read_case
from challenge.provenance import read_provenance
from challenge.scheme import SCHEMES, labels_from
from challenge.volume import read_volume
from ensemble.engine import Engine
from ensemble.heads import to_head
from ensemble.manifest import verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.data.cohort import read_cohort
from lab.member_selection.probability_maps import read_candidate

GLI = SCHEMES["brats-gli"]
# A team's numbering: 1 and 2 are the other way round than the challenge has them.
TURNED = {"background": 0, "SNFH": 1, "NETC": 2, "ET": 3, "RC": 4}


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "raw", tiny.dataset(TURNED))


def with_splits(folder: Path, cohort: Path) -> list[str]:
    """Return the options of a run over the splits, model and output of one folder."""
    words = ["--model", folder / "m", "--cohort", cohort, "--device", "cpu"]
    return [*map(str, [*words, "--splits", folder / "splits.json", "--out", folder / "oof"])]


def test_a_case_that_cannot_be_read_never_costs_the_others(
    tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0,))
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)])
    (tmp_path / "splits.json").write_text(json.dumps([{"train": IDS[3:], "val": IDS[:3]}]))
    broken = cohort / "imagesTr" / "b_0001.nii.gz"
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    arguments = with_splits(tmp_path, cohort)
    capsys.readouterr()
    assert lab(["out-of-fold", *arguments]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith(f"b failed: {broken}") for line in lines)
    assert lines[-1].startswith("1 of 3 cases failed; the same command tries them again")
    assert sorted(p.name for p in (tmp_path / "oof").glob("*.nii.gz")) == ["a.nii.gz", "c.nii.gz"]
    broken.write_bytes(content)
    assert lab(["out-of-fold", *arguments]) == 0
    assert len(list((tmp_path / "oof").glob("*.nii.gz"))) == 3


def test_each_case_by_the_fold_without_it_and_a_stopped_run_goes_on(
    tmp_path: Path, cohort: Path
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)])
    (tmp_path / "splits.json").write_text(json.dumps(SPLITS))
    arguments = with_splits(tmp_path, cohort)
    assert lab(["out-of-fold", *map(str, arguments)]) == 0
    written = [path.name for path in (tmp_path / "oof").glob("*.nii.gz")]
    assert sorted(written) == [f"{i}.nii.gz" for i in IDS]

    model = verify_model(tmp_path / "m" / "MANIFEST.json")
    case = read_case(read_cohort(cohort, GLI)[2].files)  # "c" is held out by fold 1
    engine = Engine(torch.device("cpu"))
    by_fold = [tiny.predict_member(case, m, model, engine) for m in model.members]
    expected = [labels_from(p, model.head, GLI) for p in by_fold]
    labels = read_volume(tmp_path / "oof" / "c.nii.gz", np.uint8).array
    np.testing.assert_array_equal(labels, expected[1])
    assert (expected[0] != expected[1]).any()

    (tmp_path / "oof" / "d.nii.gz").unlink()
    first_written_ns = (tmp_path / "oof" / "a.nii.gz").stat().st_mtime_ns
    lab(["out-of-fold", *map(str, arguments)])
    assert (tmp_path / "oof" / "d.nii.gz").exists()
    assert (tmp_path / "oof" / "a.nii.gz").stat().st_mtime_ns == first_written_ns


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
    assert not (tmp_path / "oof").exists()  # though fold 0 could have been predicted


def test_folds_without_a_member_are_said(
    tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)])
    (tmp_path / "splits.json").write_text(json.dumps(SPLITS))
    arguments = with_splits(tmp_path, cohort)
    assert lab(["out-of-fold", *map(str, arguments)]) == 0
    assert (
        "2 of 4 cases are not predicted: no member was trained without them"
        in capsys.readouterr().out
    )


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
    words = ["--model", tmp_path / "m", "--cohort", cohort, "--device", "cpu", "--unseen"]
    arguments = [*words, "--out", tmp_path / "out", "--maps", tmp_path / "maps"]
    assert lab(["out-of-fold", *map(str, arguments)]) == 0
    model = verify_model(tmp_path / "m" / "MANIFEST.json")
    case = read_case(read_cohort(cohort, GLI)[1].files)
    *_, final = predict(case, model, Engine(torch.device("cpu")))
    labels = read_volume(tmp_path / "out" / "b.nii.gz", np.uint8).array
    np.testing.assert_array_equal(labels, labels_from(final.probabilities, model.head, GLI))
    candidate = read_candidate(tmp_path / "maps")
    assert candidate.members_of["b"] == tuple(member.name for member in model.members)


def two_sources(folder: Path, *datasets: dict) -> Path:
    """Pack a model of two sources, each of two folds; the second source has other weights."""
    sources = [
        tiny.train(folder / f"source{n}", tiny.plans(), dataset, folds=(0, 1), seed=50 * n)
        for n, dataset in enumerate(datasets)
    ]
    words = ["--model", "m", "--scheme", "brats-gli", "--out", str(folder)]
    assert lab(["pack", *map(str, sources), *words]) == 0
    (folder / "splits.json").write_text(json.dumps(SPLITS))
    return folder / "m"


REGIONS = {"labels": tiny.REGIONS, "regions_class_order": tiny.REGION_ORDER}


@pytest.mark.parametrize("second", [{}, REGIONS], ids=["two softmax heads", "mixed heads"])
def test_an_ensembles_out_of_fold_prediction_is_that_of_all_members_that_saw_no_case(
    tmp_path: Path, cohort: Path, second: dict
) -> None:
    model = verify_model(
        two_sources(tmp_path, tiny.dataset(), tiny.dataset() | second) / "MANIFEST.json"
    )
    arguments = [*with_splits(tmp_path, cohort), "--maps", str(tmp_path / "maps")]
    assert lab(["out-of-fold", *arguments]) == 0

    engine = Engine(torch.device("cpu"))
    candidate = read_candidate(tmp_path / "maps")
    for case in read_cohort(cohort, GLI):
        fold = "fold_0" if case.files.id in "ab" else "fold_1"
        members = [member for member in model.members if fold in member.name]
        assert candidate.members_of[case.files.id] == tuple(member.name for member in members)
        single = [
            to_head(
                tiny.predict_member(read_case(case.files), member, model, engine),
                member.head,
                model.head,
            )
            for member in members
        ]
        mean = np.mean(single, axis=0)
        expected = labels_from(mean, model.head, GLI)
        path = tmp_path / "oof" / f"{case.files.id}.nii.gz"
        np.testing.assert_array_equal(read_volume(path, np.uint8).array, expected)
        assert (labels_from(single[0], model.head, GLI) != expected).any()
        map_ = candidate.read(case.files.id)
        np.testing.assert_allclose(
            map_.within(map_.box, model.head), mean[(slice(None), *map_.box)], atol=2e-3
        )
    assert candidate.members == 4


def test_another_models_maps_are_not_taken_over(
    tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seed in (("m", 0), ("n", 9)):
        source = tiny.train(tmp_path / name, tiny.plans(), tiny.dataset(), (0, 1), seed)
        words = ["--model", name, "--scheme", "brats-gli", "--out", str(tmp_path / "weights")]
        assert lab(["pack", str(source), *words]) == 0
    (tmp_path / "splits.json").write_text(json.dumps(SPLITS))
    maps = ["--maps", str(tmp_path / "maps")]
    words = ["--cohort", cohort, "--device", "cpu", "--splits", tmp_path / "splits.json"]
    words = [*map(str, [*words, "--out", tmp_path / "oof"]), *maps]
    first, second = (["--model", str(tmp_path / "weights" / name)] for name in "mn")
    assert lab(["out-of-fold", *first, *words]) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "maps").iterdir()}
    capsys.readouterr()
    assert lab(["out-of-fold", *second, *words]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"{tmp_path / 'oof'}: made from something else (model m (")
    assert "choose another folder, or remove this one" in line
    assert {path: path.read_bytes() for path in (tmp_path / "maps").iterdir()} == before
    # The maps alone are looked at too; and files without a record are nobody's.
    words[-3] = str(tmp_path / "elsewhere")
    assert lab(["out-of-fold", *second, *words]) == 2
    assert f"{tmp_path / 'maps'}: made from something else" in capsys.readouterr().err
    (tmp_path / "maps" / "provenance.json").unlink()
    assert lab(["out-of-fold", *first, *words]) == 2
    assert "maps: holds a.npz of unknown origin" in capsys.readouterr().err


def test_other_references_are_another_cohort(
    tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)])
    (tmp_path / "splits.json").write_text(json.dumps(SPLITS))
    assert lab(["out-of-fold", *with_splits(tmp_path, cohort)]) == 0
    record = read_provenance(tmp_path / "oof")
    assert record is not None
    assert record.facts == {"held_out": "held-out", "cases": 4, "scheme": "brats-gli"}
    files.write_nifti(cohort / "labelsTr" / "b.nii.gz", np.zeros((40, 50, 30), np.uint8))
    assert lab(["out-of-fold", *with_splits(tmp_path, cohort)]) == 2
    assert "made from something else (cohort raw (" in capsys.readouterr().err
