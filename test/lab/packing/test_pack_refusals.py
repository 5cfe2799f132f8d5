"""What cannot be packed is refused in one sentence that names the source."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from packer import change_checkpoint, pack

Run = Callable[..., tuple[int, str, str]]
Refused = Callable[..., str]


def change_plans(source: Path, **changes: object) -> None:
    """Change plans.json, by key of its configuration, or of its first level."""
    plans = json.loads((source / "plans.json").read_text())
    for key, value in changes.items():
        at = plans if key in plans else plans["configurations"]["3d_fullres"]
        at[key] = value
    (source / "plans.json").write_text(json.dumps(plans))


def not_fetched(file: Path) -> None:
    """Leave a pointer of Git LFS in a file's place, as a clone without LFS has it."""
    sha256 = "0" * 64
    file.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 9\n")


def no_features(source: Path) -> None:
    """Write a network whose first stage has no channel, in plans.json and in the checkpoint."""
    plans = tiny.plans()
    settings = plans["configurations"]["3d_fullres"]
    settings["architecture"]["arch_kwargs"]["features_per_stage"] = [0, 8, 10]
    (source / "plans.json").write_text(json.dumps(plans))


RGB = ["RGBTo01Normalization"] * 4
REFUSED: dict[str, tuple[Callable[[Path], object], tuple[str, ...], str]] = {
    "reader": (lambda s: change_plans(s, image_reader_writer="Tiff3DIO"), (), "reader 'Tiff3DIO'"),
    "preprocessor": (lambda s: change_plans(s, preprocessor_name="Bias"), (), "'Bias' is not"),
    "label manager": (lambda s: change_plans(s, label_manager="Own"), (), "label_manager 'Own'"),
    "resampling": (lambda s: change_plans(s, resampling_fn_data="mine"), (), "'mine' is not"),
    "plans not fetched": (lambda s: not_fetched(s / "plans.json"), (), "a pointer of Git LFS"),
    "weights not fetched": (
        lambda s: not_fetched(s / "fold_0" / "checkpoint_final.pth"),
        (),
        "a pointer of Git LFS",
    ),
    "features": (no_features, (), "the network cannot take a patch"),
    "keyword": (lambda s: change_plans(s, resampling_fn_data_kwargs={"mode": "x"}), (), "['mode']"),
    "normalisation": (
        lambda s: change_plans(s, normalization_schemes=["Own"] * 4),
        (),
        "'Own' is not",
    ),
    "RGB of MRI": (lambda s: change_plans(s, normalization_schemes=RGB), (), "had mean 300"),
    "1-D": (lambda s: change_plans(s, patch_size=[16]), (), "is neither 2-D nor 3-D"),
    "2-D along three axes": (
        lambda s: change_plans(s, patch_size=[16, 16], spacing=[1, 1]),
        (),
        "inference_allowed_mirroring_axes (0, 1, 2) are no axes of 0 to 1",
    ),
    "2-D of volumes": (
        lambda s: (
            change_plans(s, patch_size=[16, 16], spacing=[1, 1]),
            change_checkpoint(s, inference_allowed_mirroring_axes=(0, 1)),
        ),
        (),
        "conv_op Conv3d of PlainConvUNet, but 3d_fullres is 2-D: Conv2d",
    ),
    "channels": (
        lambda s: change_plans(
            s, normalization_schemes=["NoNormalization"], use_mask_for_norm=[True]
        ),
        (),
        "4 channels by dataset.json, 1 by plans.json",
    ),
    "blank channels": (lambda s: None, ("--channels", "t1n, t1c, t2w, t2f"), "a blank"),
    "unknown channels": (lambda s: None, ("--channels", "a,b,c,d"), "'a' is none of them"),
    "no labels": (lambda s: None, ("--labels", "NETC"), "'NETC' is not NAME=VALUE"),
    "unknown labels": (lambda s: None, ("--labels", "A=1,B=2,C=3,D=4"), "'A' is no label"),
    "weights": (lambda s: None, ("--weight", "1", "1"), "--weight: 2 for 1 sources"),
    "weight": (lambda s: None, ("--weight", "0"), "--weight 0: each must be above 0"),
    "step": (lambda s: None, ("--step", "0"), "--step 0 is not above 0 and at most 1"),
    "fold": (lambda s: None, ("--folds", "0", "3"), "no fold_3/checkpoint_final.pth"),
    "checkpoint": (lambda s: None, ("--checkpoint", "best"), "no fold_*/checkpoint_best.pth"),
    "not JSON": (lambda s: (s / "plans.json").write_text("{"), (), "plans.json: not JSON"),
    "dataset": (lambda s: (s / "dataset.json").write_text("{}"), (), "labels None"),
    "old labels": (
        lambda s: (s / "dataset.json").write_text(
            json.dumps({"labels": {"0": "background", "1": "NETC"}})
        ),
        (),
        "write them as nnU-Net 2 does",
    ),
    "provenance": (lambda s: (s / "fold_0" / "provenance.json").write_text("["), (), "not JSON"),
    "no trainer": (lambda s: change_checkpoint(s, "trainer_name"), (), "no trainer_name"),
    "trainer": (
        lambda s: change_checkpoint(s, trainer_name="Own"),
        (),
        "trainer 'Own' does not ship",
    ),
    "no arguments": (
        lambda s: change_checkpoint(s, "init_args"),
        (),
        "does not say its configuration",
    ),
    "no weights": (
        lambda s: change_checkpoint(s, "network_weights"),
        (),
        "holds no network_weights",
    ),
}


def test_foreign_code_in_a_checkpoint_is_not_run(tmp_path: Path, refused_pack: Refused) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    path = source / "fold_0" / "checkpoint_final.pth"
    torch.save({"network_weights": {}, "trap": Path.cwd}, path)
    assert "cannot be opened as plain tensors" in refused_pack(source, tmp_path)
    assert not list((tmp_path / "weights").iterdir())


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_one_sentence_that_names_the_source(
    tmp_path: Path, refused_pack: Refused, case: str
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    change, flags, message = REFUSED[case]
    change(source)
    text = refused_pack(source, tmp_path, *flags)
    assert message in text
    assert str(source) in text or case in ("weight", "step")  # options of no source
    assert not [p for p in (tmp_path / "weights").glob("**/*") if p.is_file()]


def test_of_a_zip_the_zip_is_named(tmp_path: Path, refused_pack: Refused) -> None:
    source = tiny.train(tmp_path / "results" / "trained", tiny.plans(), tiny.dataset())
    change_plans(source, preprocessor_name="Bias")
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in source.rglob("*"):
            archive.write(path, path.relative_to(source.parent))
    text = refused_pack(tmp_path / "export.zip", tmp_path)
    assert text.startswith(f"{tmp_path / 'export.zip'}/trained: plans.json: preprocessor_name")


def test_an_existing_target_and_a_bad_name_are_refused(
    tmp_path: Path, run_pack: Run, refused_pack: Refused
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    pack(source, tmp_path / "weights")
    assert "m exists already" in refused_pack(source, tmp_path)
    for name in ("", "a/b", "..", "/tmp/x"):
        code, _, err = run_pack(source, tmp_path, model=name)
        assert (code, "is not the name of a folder" in err) == (2, True)
