"""Which cases a network was trained on is packed with it, and such cases are no evidence."""

import json
from pathlib import Path

import files
import pytest
import tiny
from raw_cohort import IDS, SPLITS, write_raw

from challenge.case_hashes import hash_cases
from ensemble.manifest import verify_model
from inference import main
from lab.__main__ import main as lab
from lab.packing.training_cases import training_cases


def validate(home: Path, by_fold: dict[str, list[str]]) -> None:
    """Write what nnU-Net's validation of each fold leaves, without content."""
    for fold, ids in by_fold.items():
        folder = home / f"fold_{fold}" / "validation"
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*(f"{id}.nii.gz" for id in ids), "summary.json", f"{ids[0]}.npz"):
            (folder / name).touch()


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Two folds, each validated on what the other was trained on."""
    home = tmp_path / "Dataset501_X" / "trained"
    tiny.train(home, tiny.plans(), tiny.dataset(), folds=(0, 1))
    validate(home, {str(fold): SPLITS[fold]["val"] for fold in (0, 1)})
    return home


@pytest.fixture
def weights(tmp_path: Path, trained: Path) -> Path:
    words = ["--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path / "weights")]
    assert lab(["pack", str(trained), *words]) == 0
    return tmp_path / "weights"


def test_a_fold_was_trained_on_what_the_others_validated(trained: Path) -> None:
    assert training_cases(trained, "0") == ("c", "d")
    assert training_cases(trained, "1") == ("a", "b")
    (trained / "fold_2").mkdir()  # not validated: what it left out is in the training of the others
    assert training_cases(trained, "0") is None


def test_fold_all_was_trained_on_what_it_validated(tmp_path: Path) -> None:
    validate(tmp_path, {"all": IDS})
    assert training_cases(tmp_path, "all") == tuple(IDS)


def test_nnunets_splits_come_first(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = trained.parents[1] / "preprocessed" / "Dataset501_X" / "splits_final.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([{"train": ["x", "y"], "val": ["z"]}]))
    monkeypatch.setenv("nnUNet_preprocessed", str(path.parents[1]))
    assert training_cases(trained, "0") == ("x", "y")
    assert training_cases(trained, "all") == ("x", "y", "z")
    assert training_cases(trained, "1") == ("a", "b")  # the splits do not know it


def test_splits_of_another_training_do_not_count(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fold 0 validated a and b, so that these splits, made later, are not those of its training."""
    path = trained.parents[1] / "preprocessed" / "Dataset501_X" / "splits_final.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([{"train": ["a", "x"], "val": ["b"]}]))
    monkeypatch.setenv("nnUNet_preprocessed", str(path.parents[1]))
    assert training_cases(trained, "0") == ("c", "d")


def test_the_manifest_names_no_case(weights: Path) -> None:
    manifest = json.loads((weights / "m" / "MANIFEST.json").read_text())
    hashes = [each["provenance"]["training_case_sha256"] for each in manifest["members"]]
    assert hashes == [hash_cases(["c", "d"]), hash_cases(["a", "b"])]
    model = verify_model(weights / "m" / "MANIFEST.json")
    assert [model.trained_on(id) for id in ("a", "c", "c-seg", "new")] == [1, 1, 1, 0]


def test_a_run_on_training_cases_says_so(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ["BraTS-GLI-00001-000", "BraTS-GLI-00002-000"]
    for path in trained.glob("fold_*/validation/*"):
        path.unlink()
    validate(trained, {"0": ["other"], "1": [ids[0]]})
    out = str(tmp_path / "weights")
    assert lab(["pack", str(trained), "--model", "m", "--scheme", "brats-gli", "--out", out]) == 0
    for id in ids:
        files.write_brats_case(tmp_path / "in" / id, id)
    (tmp_path / "out").mkdir()
    words = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--weights", out]
    record = tmp_path / "record.json"
    assert main([*map(str, [*words, "--record", record, "--device", "cpu"])]) == 0
    content = json.loads(record.read_text())
    counts = {id: case["trained_on_case"] for id, case in content["cases"].items()}
    assert counts == {ids[0]: 1, ids[1]: 0}
    assert "model=m: networks were trained on 1 of 2 cases" in capsys.readouterr().out


def test_out_of_fold_refuses_networks_that_saw_the_case(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort = write_raw(tmp_path / "raw", tiny.dataset())
    words = ["--model", weights / "m", "--cohort", cohort, "--device", "cpu", "--out"]
    oof = [*map(str, [*words, tmp_path / "oof"])]
    assert lab(["out-of-fold", *oof, "--unseen"]) == 2
    assert "fold_0/checkpoint_final.pth: was trained on 2 of the 4 cases" in capsys.readouterr().err
    turned = tmp_path / "turned.json"
    turned.write_text(json.dumps(SPLITS[::-1]))
    assert lab(["out-of-fold", *oof, "--splits", str(turned)]) == 2
    assert "2 of the 2 cases that it would predict (c, d)" in capsys.readouterr().err
    right = tmp_path / "splits.json"
    right.write_text(json.dumps(SPLITS))
    assert lab(["out-of-fold", *oof, "--splits", str(right)]) == 0


def test_rules_are_not_fitted_on_what_every_network_remembers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Label maps of nobody knows which fold, of a network that was trained on all cases."""
    home = tmp_path / "trained"
    tiny.train(home, tiny.plans(), tiny.dataset())
    (home / "fold_0").rename(home / "fold_all")
    validate(home, {"all": IDS})
    out = str(tmp_path / "weights")
    assert lab(["pack", str(home), "--model", "m", "--scheme", "brats-gli", "--out", out]) == 0
    cohort = write_raw(tmp_path / "raw", tiny.dataset())
    maps = ["--predictions", str(cohort / "labelsTr"), "--cohort", str(cohort)]
    words = ["features", *maps, "--model", f"{out}/m", "--out", str(tmp_path / "work")]
    assert lab(words) == 2
    error = capsys.readouterr().err
    assert "every network of m was trained on 4 of their 4 cases (a, b, c" in error
    assert "--foreign accepts that" in error
    assert lab([*words, "--foreign"]) == 0
