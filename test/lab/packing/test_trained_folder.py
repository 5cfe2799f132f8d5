"""A trained folder or its zip is opened, its folds are nnU-Net's, refusals name the source."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import tiny

from challenge.refusal import Refusal
from lab.packing.trained_folder import Folds, folds_of, naming, trained_folder

INSIDE = "Dataset999_Tiny/nnUNetTrainer__nnUNetPlans__3d_fullres"
FINAL = "checkpoint_final"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return tiny.train(tmp_path / "results" / INSIDE, tiny.plans(), tiny.dataset(), folds=(0, 1))


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return target


def add_fold(folder: Path, name: str, checkpoint: str = FINAL) -> None:
    (folder / name).mkdir()
    source = folder / "fold_0" / "checkpoint_final.pth"
    shutil.copyfile(source, folder / name / f"{checkpoint}.pth")


def stock_folds(folder: Path) -> list[str]:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    folds = nnUNetPredictor.auto_detect_available_folds(str(folder), "checkpoint_final.pth")
    return [str(fold) for fold in folds]


def test_a_folder_above_it_and_its_zip_are_one_folder(trained: Path, tmp_path: Path) -> None:
    above = tmp_path / "results"
    archive = zipped(above, tmp_path / "export.zip")
    flat = zipped(trained, tmp_path / "flat.zip")
    for path, name, title in (
        (trained, str(trained), trained.name),
        (above, str(trained), trained.name),
        (archive, f"{archive}/{INSIDE}", trained.name),
        (flat, str(flat), "flat"),  # not the name of a temporary folder
    ):
        with trained_folder(path) as folder:
            assert (folder.name, folder.title) == (name, title)
            assert folder.plans == tiny.plans() and folder.dataset == tiny.dataset()
            assert folds_of(folder, FINAL, None) == Folds(("0", "1"), {})


def test_fold_all_beside_numbered_folds_is_left_out_as_nnunet_does(trained: Path) -> None:
    add_fold(trained, "fold_all")
    add_fold(trained, "fold_10")
    add_fold(trained, "fold_2")
    with trained_folder(trained) as folder:
        folds = folds_of(folder, FINAL, None)
        assert folds.taken == ("0", "1", "2", "10")
        assert sorted(folds.taken) == sorted(stock_folds(trained))
        as_nnunet = "numbered folds are taken without it, as nnU-Net does; --folds takes it"
        assert folds.left_out == {"all": as_nnunet}
        only_all = folds_of(folder, FINAL, ["all"])
        assert only_all == Folds(
            ("all",), dict.fromkeys(("0", "1", "10", "2"), "--folds takes all")
        )
        some = folds_of(folder, FINAL, ["0", "1", "all"])
        assert some.taken == ("0", "1", "all")
        assert some.left_out == dict.fromkeys(("10", "2"), "--folds takes 0, 1, all")


def test_fold_all_alone_is_taken(trained: Path) -> None:
    shutil.rmtree(trained / "fold_0")
    (trained / "fold_1").rename(trained / "fold_all")
    with trained_folder(trained) as folder:
        assert folds_of(folder, FINAL, None) == Folds(("all",), {})


def test_what_is_no_fold_or_unfinished_is_left_out_and_said(trained: Path) -> None:
    add_fold(trained, "fold_old")
    add_fold(trained, "fold_3", "checkpoint_latest")
    (trained / "fold_0.zip").touch()
    with trained_folder(trained) as folder:
        folds = folds_of(folder, FINAL, None)
        assert folds.taken == ("0", "1")
        assert folds.left_out["3"] == "it has no checkpoint_final.pth"
        assert folds.left_out["old"].startswith("numbered folds are taken without it")
        assert folds_of(folder, "checkpoint_latest", None).taken == ("3",)


@pytest.mark.parametrize(
    ("checkpoint", "requested", "text"),
    [
        (FINAL, ["7"], "no fold_7/checkpoint_final.pth; folds: 0, 1"),
        (FINAL, ["00"], "no fold_00/checkpoint_final.pth"),
        (FINAL, ["0", "0"], "--folds 0 0 names a fold twice"),
        (
            "checkpoint_best",
            None,
            "no fold_*/checkpoint_best.pth; --checkpoint final is there, of fold 0, 1",
        ),
    ],
)
def test_folds_that_are_not_there(
    trained: Path, checkpoint: str, requested: list, text: str
) -> None:
    with trained_folder(trained) as folder, pytest.raises(Refusal) as refused:
        folds_of(folder, checkpoint, requested)
    assert str(refused.value) == f"{trained}: {text}" or text in str(refused.value)


def test_one_of_several_configurations(trained: Path, tmp_path: Path) -> None:
    low = trained.with_name("nnUNetTrainer__nnUNetPlans__3d_lowres")
    shutil.copytree(trained, low)
    archive = zipped(tmp_path / "results", tmp_path / "export.zip")
    for path in (tmp_path / "results", archive):
        with pytest.raises(Refusal, match=r"2 folders .*__3d_lowres"):
            trained_folder(path).__enter__()
        with trained_folder(path, "3d_lowres") as folder:
            assert folder.title == low.name
        with trained_folder(trained, "any") as folder:  # where there is one, it is that one
            assert folder.title == trained.name


def refusal_of(path: Path) -> str:
    with pytest.raises(Refusal) as refused, trained_folder(path):
        pass
    return str(refused.value)


def test_what_is_no_trained_folder(trained: Path, tmp_path: Path) -> None:
    assert refusal_of(tmp_path / "gone") == f"{tmp_path / 'gone'}: no such folder or zip"
    (tmp_path / "empty").mkdir()
    assert refusal_of(tmp_path / "empty").startswith(f"{tmp_path / 'empty'}: 0 folders with plans")
    (trained / "plans.json").write_text("{")
    assert refusal_of(trained).startswith(f"{trained}/plans.json: not JSON (")
    (trained / "plans.json").write_text("[]")
    assert refusal_of(trained) == f"{trained}/plans.json: holds no object"
    (trained / "plans.json").write_bytes(b"\xff\xfe{}")
    assert refusal_of(trained).startswith(f"{trained}/plans.json: not JSON (")
    (trained / "plans.json").write_text(json.dumps(tiny.plans()))
    (trained / "dataset.json").unlink()
    assert refusal_of(trained) == f"{trained}/dataset.json: missing"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil"])
def test_a_zip_that_points_outside(trained: Path, tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "results", tmp_path / "export.zip")
    with zipfile.ZipFile(archive, "a") as content:
        content.writestr(zipfile.ZipInfo(name), "x")
    assert refusal_of(archive) == f"{archive}: {name!r} points outside of the zip"


def test_a_zip_that_is_none_or_damaged(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_text("not a zip")
    assert refusal_of(path).startswith(f"{path}: neither a folder nor a sound zip")
    archive = zipped(tmp_path / "results", path)
    content = bytearray(archive.read_bytes())
    content[len(content) // 3] ^= 255
    archive.write_bytes(content)
    assert refusal_of(archive).startswith(f"{archive}: neither a folder nor a sound zip")
    with zipfile.ZipFile(archive, "w") as damaged:
        damaged.writestr("plans.json", "{}")
        damaged.filelist[0].flag_bits |= 1  # says that it is encrypted
    assert refusal_of(archive).startswith(f"{archive}: cannot be unzipped")


def test_what_is_refused_within_names_the_source(trained: Path, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "results", tmp_path / "export.zip")
    with trained_folder(archive) as folder:
        for text, text in (
            (f"{folder.path}/fold_0/x.pth: bad", f"{archive}/{INSIDE}/fold_0/x.pth: bad"),
            ("plans.json: bad", f"{archive}/{INSIDE}: plans.json: bad"),
        ):
            with pytest.raises(Refusal) as refused, naming(folder):
                raise Refusal(text)
            assert str(refused.value) == text
