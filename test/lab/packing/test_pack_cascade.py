"""Both stages of a cascade are packed together, proven, and described."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cascades
import numpy as np
import pytest
import tiny
import torch
from raw_cohort import IDS, SPLITS, write_raw

from challenge.case import read_case
from challenge.scheme import SCHEMES, labels_from
from challenge.volume import read_volume
from ensemble.engine import Engine
from ensemble.manifest import Model, verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.data.cohort import read_cohort
from lab.member_selection.candidates import candidate_fault
from lab.member_selection.splits import SplitsError, members_without
from lab.member_selection.stored_validation import validation_fault
from lab.packing.random_tile import draw_input
from lab.pipeline.sources import SourceError, find_sources
from lab.provenance.records import networks_sha256

PLANS = cascades.plans((1.5, 1.5, 1.5), (1.1, 1, 1))


def train(folder: Path, **settings: object) -> tuple[Path, Path]:
    settings = {"mirror_axes": (2,), **settings}
    return cascades.train(folder / "results", PLANS, tiny.dataset(), **settings)


def pack(out: Path, *words: object) -> int:
    flags = ["--model", "m", "--scheme", "brats-gli", "--out", out]
    return lab(["pack", *map(str, [*words, *flags])])


def model_of(out: Path) -> Model:
    return verify_model(out / "m" / "MANIFEST.json")


def manifest_of(out: Path) -> dict:
    return dict(json.loads((out / "m" / "MANIFEST.json").read_text()))


@pytest.mark.slow
def test_a_cascade_is_proven_and_says_who_feeds_whom(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lowres, cascade = train(tmp_path)
    assert pack(tmp_path, lowres, cascade, "--release", "--half", "--step", "0.75") == 0
    out = capsys.readouterr().out
    second = f"{cascade.name}-1"
    assert f"{lowres.name}: its labels feed {second}; it is not averaged itself" in out
    assert f"{lowres.name}: 0, 1 (checkpoint_final; previous stage of a cascade, not aver" in out
    assert f"{second}: 0, 1 (checkpoint_final; sees the labels of {lowres.name})" in out
    manifest = manifest_of(tmp_path)
    assert [each.get("feeds_only", False) for each in manifest["members"]] == [True] * 2 + [
        False
    ] * 2
    for record in manifest["proof"]:
        assert record["tiles"]["folds"]["0"]["as_trained"]["differing"] == 0
        assert record["case"]["exact"]["agreement"] >= 0.999
        assert record["case"]["changes"] == ["half precision", "step 0.75"]
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text()
    assert (
        f"{second} sees the labels that {lowres.name} gives of the case; {lowres.name} is not"
        in card
    )
    assert "| feeds a cascade |" in card
    assert lab(["verify", "--weights", str(tmp_path / "m")]) == 0


def test_a_second_stage_alone_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lowres, cascade = train(tmp_path, folds=(0,))
    for sources in ([cascade], [cascade, lowres]):
        assert pack(tmp_path, *sources) == 2
        err = capsys.readouterr().err
        assert "3d_cascade_fullres is the second stage of a cascade and sees the labels" in err
        assert f"of 3d_lowres: add {lowres.name} before it" in err
    assert not (tmp_path / "m").exists()


def test_roles_by_weight(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 feeds alone, as without --weight; a number is averaged too."""
    lowres, cascade = train(tmp_path, folds=(0,))
    assert pack(tmp_path / "a", lowres, cascade, "--weight", "0", "2") == 0
    assert [member.is_averaged for member in model_of(tmp_path / "a").members] == [False, True]
    assert pack(tmp_path / "b", lowres, cascade, "--weight", "1", "2") == 0
    assert [member.is_averaged for member in model_of(tmp_path / "b").members] == [True, True]
    assert "is averaged too, by --weight" in capsys.readouterr().out
    hashes = {networks_sha256(manifest_of(tmp_path / name)) for name in "ab"}
    assert len(hashes) == 2
    assert pack(tmp_path / "c", lowres, cascade, "--weight", "1", "0") == 2
    assert "each must be above 0, but that of the previous stage" in capsys.readouterr().err


def test_both_stages_of_one_zip(tmp_path: Path) -> None:
    train(tmp_path, folds=(0,))
    archive = shutil.make_archive(str(tmp_path / "export"), "zip", tmp_path / "results")
    both = ("--configuration", cascades.LOWRES, "--configuration", cascades.CASCADE)
    assert pack(tmp_path, archive, archive, *both) == 0
    first, second = model_of(tmp_path).members
    assert (first.feeds_only, second.previous_stage) == (True, first.group)


def test_a_donor_is_no_part_of_a_cascade(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {"background": 0, "tumour": 1, "pancreas": 2}
    plans = cascades.plans((1.5, 1.5, 1.5), (1, 1, 1), channels=1)
    dataset = tiny.dataset(labels, ["MRI"])
    lowres, cascade = cascades.train(tmp_path / "results", plans, dataset, (0,), mirror_axes=())
    words = ["--model", "m", "--scheme", "panther-t1", "--out", str(tmp_path)]
    assert lab(["pack", str(lowres), "--donor", f"tumour={cascade}", *words]) == 2
    assert "a donor cannot be part of a cascade" in capsys.readouterr().err


def test_what_needs_a_member_alone_refuses_a_cascade(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pack(tmp_path, *train(tmp_path, folds=(0,))) == 0
    out = ["--out", str(tmp_path / "exported")]
    assert lab(["export", "--model", str(tmp_path / "m"), "--member", "1", *out]) == 2
    assert "is a cascade's second stage; member.json cannot" in capsys.readouterr().err
    assert "is a cascade" in str(candidate_fault(manifest_of(tmp_path)))
    assert validation_fault(model_of(tmp_path)) == "a cascade"
    with pytest.raises(SourceError, match="3d_cascade_fullres is the second stage of a cascade"):
        find_sources([tmp_path / "results"], ["final"])


def test_the_previous_stage_of_a_case_is_of_the_fold_without_it(tmp_path: Path) -> None:
    lowres, cascade = train(tmp_path)
    assert pack(tmp_path, lowres, cascade) == 0
    members = members_without(model_of(tmp_path).members, [SPLITS])
    by_fold = {id: [m.checkpoint.parent.name for m in each] for id, each in members.items()}
    assert by_fold == {id: [f"fold_{int(id in 'cd')}"] * 2 for id in IDS}
    shutil.rmtree(lowres / "fold_1")
    assert pack(tmp_path / "fewer", lowres, cascade) == 0
    with pytest.raises(SplitsError, match=r"previous stage .*3d_lowres was trained on c; pack"):
        members_without(model_of(tmp_path / "fewer").members, [SPLITS])


@pytest.mark.slow
def test_out_of_fold_predicts_with_both_stages(tmp_path: Path) -> None:
    cohort = write_raw(tmp_path / "raw", tiny.dataset())
    assert pack(tmp_path, *train(tmp_path)) == 0
    (tmp_path / "splits.json").write_text(json.dumps(SPLITS))
    words = ["--model", tmp_path / "m", "--cohort", cohort, "--device", "cpu"]
    words += ["--splits", tmp_path / "splits.json", "--out", tmp_path / "oof"]
    assert lab(["out-of-fold", *map(str, words)]) == 0
    model, scheme = model_of(tmp_path), SCHEMES["brats-gli"]
    case = read_case(read_cohort(cohort, scheme)[2].files)  # "c" is held out by fold 1
    of_fold = tuple(m for m in model.members if m.checkpoint.parent.name == "fold_1")
    *_, final = predict(case, replace(model, members=of_fold), Engine(torch.device("cpu")))
    labels = read_volume(tmp_path / "oof" / "c.nii.gz", np.uint8).array
    np.testing.assert_array_equal(labels, labels_from(final.probabilities, model.head, scheme))


def test_a_drawn_tile_has_at_most_one_label_a_voxel(tmp_path: Path) -> None:
    assert pack(tmp_path, *train(tmp_path, folds=(0,))) == 0
    first, second = model_of(tmp_path).members
    assert draw_input(first, (16, 16, 16), 3).shape == (4, 16, 16, 16)
    masks = draw_input(second, (16, 16, 16), 3)[4:]
    assert masks.shape == (4, 16, 16, 16)
    assert set(masks.unique().tolist()) == {0, 1}
    assert masks.sum(0).max() == 1 and masks.any(dim=(1, 2, 3)).all() and not masks.any(0).all()
