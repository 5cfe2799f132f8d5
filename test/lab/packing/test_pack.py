"""A team's own folds, from a folder or an export zip, become a model that verifies."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch

from ensemble.manifest import accepts_missing_sequences, verify_model
from lab.__main__ import main as lab
from lab.packing.release import ReleaseError, check_reload
from lab.packing.reload_check import answer
from lab.training.checkpoints import read_training_checkpoint

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Pack; return exit code, stdout and stderr. Without a source: what was written so far."""

    def run(source: Path | None, at: Path | None = None, *flags: str, model: str = "m") -> tuple:
        code = 0
        if source is not None:
            capsys.readouterr()
            words = ["pack", str(source), "--model", model, "--scheme", "brats-gli", *flags]
            code = lab([*words, "--out", str(at / "weights")])
        return code, *capsys.readouterr()

    return run


def said(say: Say) -> str:
    return say(None)[2]


def refusal(say: Say, source: Path, at: Path, *flags: str) -> str:
    """Pack what cannot be packed; return its one sentence."""
    code, _, err = say(source, at, *flags)
    assert (code, err.count("\n")) == (2, 1)
    assert "Traceback" not in err and ".packing" not in err and "Error(" not in err
    return err


def pack(source: Path, out: Path, *flags: str) -> Path:
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(out), *flags])
    return out / "m"


def test_a_manifest_tells_everything(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    folder = pack(source, tmp_path / "weights", "--note", "for tests")
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    first = manifest["members"][0]
    assert (first["fold"], first["checkpoint"], first["weight"]) == ("0", "checkpoint_final", 1)
    assert first["labels"] == {"1": "NETC", "2": "SNFH", "3": "ET", "4": "RC"}
    assert len(first["sha256"]) == 64 and first["size_bytes"] > 0
    assert first["provenance"]["trainer"] == "nnUNetTrainer"
    assert {"trained/plans.json", "trained/dataset.json"} < set(manifest["files"])
    model = verify_model(folder / "MANIFEST.json")
    assert (model.note, len(model.members), model.step, model.mirroring) == (
        "for tests",
        2,
        0.5,
        False,
    )


def test_missing_sequences_are_accepted_where_the_packer_says_so(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    for flag in ("--missing-sequences", "--accepts-missing"):
        manifest = pack(source, tmp_path / flag, flag) / "MANIFEST.json"
        assert json.loads(manifest.read_text())["settings"]["accepts_missing"] is True
        assert accepts_missing_sequences(manifest)
    assert not accepts_missing_sequences(pack(source, tmp_path / "weights") / "MANIFEST.json")


def test_slim_means_half_precision_each_tensor_once_and_stock_opens_it(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    slim = pack(source, tmp_path / "weights") / "trained" / "fold_0" / "checkpoint_final.pth"
    content = torch.load(slim, weights_only=True)
    weights = content["network_weights"]
    values = {v.untyped_storage().data_ptr(): v.numel() for v in weights.values()}
    trained = read_training_checkpoint(source / "fold_0" / "checkpoint_final.pth")
    assert {v.dtype for v in weights.values()} == {torch.float16}
    assert set(weights) == set(trained["network_weights"])
    assert sum(values.values()) < sum(v.numel() for v in weights.values()) / 2
    assert slim.stat().st_size < sum(values.values()) * 2 + 60_000

    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(slim.parents[1]), (0,))
    assert predictor.allowed_mirroring_axes == (0, 1, 2)


def test_an_exported_zip(tmp_path: Path) -> None:
    inside = "Dataset999_Tiny/nnUNetTrainer__nnUNetPlans__3d_fullres"
    tiny.train(tmp_path / "results" / inside, tiny.plans(), tiny.dataset())
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in (tmp_path / "results").rglob("*"):
            archive.write(path, path.relative_to(tmp_path / "results"))
    folder = pack(tmp_path / "export.zip", tmp_path / "weights")
    assert len(verify_model(folder / "MANIFEST.json").members) == 1


def test_two_sources_with_one_folder_name(tmp_path: Path) -> None:
    a = tiny.train(tmp_path / "a" / "same", tiny.plans(), tiny.dataset())
    b = tiny.train(tmp_path / "b" / "same", tiny.plans(spacing_mm=(2, 2, 2)), tiny.dataset())
    out = ["--out", str(tmp_path / "weights")]
    lab(["pack", str(a), str(b), "--model", "m", "--scheme", "brats-gli", *out])
    members = verify_model(tmp_path / "weights" / "m" / "MANIFEST.json").members
    assert [m.plan.spacing_mm for m in members] == [(1, 1, 1), (2, 2, 2)]


def test_values_without_a_name_must_be_told(tmp_path: Path, say: Say) -> None:
    labels = {"background": 0, "class 1": 1, "class 2": 2, "class 3": 3}
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(labels))
    assert "--labels NAME=VALUE" in refusal(say, source, tmp_path)
    folder = pack(source, tmp_path / "weights", "--labels", "ET=1,NETC=2,SNFH=3")
    head = verify_model(folder / "MANIFEST.json").head
    assert head.paints == ("", "ET", "NETC", "SNFH")


PERMUTED = {"background": 0, "ET": 1, "NETC": 2, "SNFH": 3, "RC": 4}


def test_names_in_another_order_are_asked_about_and_then_taken(tmp_path: Path, say: Say) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(PERMUTED))
    told = refusal(say, source, tmp_path)
    assert "dataset.json names ET=1,NETC=2,SNFH=3,RC=4, where brats-gli has NETC=1,SNFH=2" in told
    for model, text in (("own", "ET=1,NETC=2,SNFH=3,RC=4"), ("theirs", "NETC=1,SNFH=2,ET=3,RC=4")):
        code, out, _ = say(source, tmp_path, "--labels", text, model=model)
        assert code == 0
        folder = tmp_path / "weights" / model
        assert verify_model(folder / "MANIFEST.json").head.paints[1:] == tuple(
            pair.split("=")[0] for pair in text.split(",")
        )
        assert ("taken as --labels says" in out) is (model == "theirs")


def test_each_source_has_its_own_labels(tmp_path: Path, say: Say) -> None:
    first = tiny.train(tmp_path / "first", tiny.plans(), tiny.dataset(PERMUTED))
    second = tiny.train(tmp_path / "second", tiny.plans(), tiny.dataset())
    each = ["--labels", "ET=1,NETC=2,SNFH=3,RC=4", "--labels", "NETC=1,SNFH=2,ET=3,RC=4"]
    words = [
        "pack",
        str(first),
        str(second),
        "--model",
        "m",
        "--scheme",
        "brats-gli",
        "--out",
        str(tmp_path / "weights"),
        *each,
    ]
    # Softmax heads of another order cannot be averaged, which is refused without a temporary name.
    assert lab(words) == 2
    told = "member second-1/fold_0/checkpoint_final.pth: its labels cannot be averaged with others'"
    assert said(say) == f"{first}, {second}: {told}\n"


def test_channels_as_they_are_given_are_packed_in_every_spelling(tmp_path: Path, say: Say) -> None:
    dataset = tiny.dataset(channels=["a", "b", "c", "d"])
    dataset["modality"] = dataset.pop("channel_names")
    source = tmp_path / "trained"
    tiny.train(source, tiny.plans(), tiny.dataset())
    (source / "dataset.json").write_text(json.dumps(dataset))
    assert "name them when packing (--channels)" in refusal(say, source, tmp_path)
    folder = pack(source, tmp_path / "weights", "--channels", "T1c,t1n,flair,t2w")
    (member,) = verify_model(folder / "MANIFEST.json").members
    assert member.sequences == ("t1c", "t1n", "t2f", "t2w")
    assert "modality" not in json.loads((folder / "trained" / "dataset.json").read_text())


def test_a_folder_without_channel_names_packs_with_them_given(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    dataset = tiny.dataset()
    del dataset["channel_names"]
    (source / "dataset.json").write_text(json.dumps(dataset))
    folder = pack(source, tmp_path / "weights", "--channels", "t1n,t1c,t2w,t2f")
    assert len(verify_model(folder / "MANIFEST.json").members) == 1


def test_one_channel_of_another_contrast_is_asked_about(tmp_path: Path) -> None:
    dataset = tiny.dataset({"background": 0, "tumor": 1}, channels=["T2w"])
    source = tiny.train(tmp_path / "trained", tiny.plans(channels=1), dataset)
    words = ["pack", str(source), "--model", "m", "--out", str(tmp_path / "weights"), "--scheme"]
    assert lab([*words, "panther-t1"]) == 2
    assert lab([*words, "panther-t2"]) == 0
    assert lab([*words, "panther-t1", "--channels", "t1", "--model", "n"]) == 0


def test_foreign_code_in_a_checkpoint_is_not_run(tmp_path: Path, say: Say) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    path = source / "fold_0" / "checkpoint_final.pth"
    torch.save({"network_weights": {}, "trap": Path.cwd}, path)
    assert "cannot be opened as plain tensors" in refusal(say, source, tmp_path)
    assert not list((tmp_path / "weights").iterdir())


def spoil(source: Path, **changes: object) -> None:
    """Change plans.json, by key of its configuration or its own."""
    plans = json.loads((source / "plans.json").read_text())
    for key, value in changes.items():
        at = plans if key in plans else plans["configurations"]["3d_fullres"]
        at[key] = value
    (source / "plans.json").write_text(json.dumps(plans))


def recheckpoint(source: Path, drop: str = "", **changes: object) -> None:
    path = source / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False) | changes
    content.pop(drop, None)
    torch.save(content, path)


RGB = ["RGBTo01Normalization"] * 4
REFUSED: dict[str, tuple[Callable[[Path], object], tuple[str, ...], str]] = {
    "reader": (lambda s: spoil(s, image_reader_writer="Tiff3DIO"), (), "reader 'Tiff3DIO'"),
    "preprocessor": (lambda s: spoil(s, preprocessor_name="Bias"), (), "'Bias' is not"),
    "label manager": (lambda s: spoil(s, label_manager="Own"), (), "label_manager 'Own'"),
    "resampling": (lambda s: spoil(s, resampling_fn_data="mine"), (), "'mine' is not"),
    "keyword": (lambda s: spoil(s, resampling_fn_data_kwargs={"mode": "x"}), (), "['mode']"),
    "normalisation": (lambda s: spoil(s, normalization_schemes=["Own"] * 4), (), "'Own' is not"),
    "RGB of MRI": (lambda s: spoil(s, normalization_schemes=RGB), (), "had mean 300"),
    "2-D": (lambda s: spoil(s, patch_size=[16, 16]), (), "not a 3-D configuration"),
    "cascade": (lambda s: spoil(s, previous_stage="3d_lowres"), (), "cascade's second stage"),
    "channels": (
        lambda s: spoil(s, normalization_schemes=["NoNormalization"], use_mask_for_norm=[True]),
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
    "no trainer": (lambda s: recheckpoint(s, "trainer_name"), (), "no trainer_name"),
    "trainer": (lambda s: recheckpoint(s, trainer_name="Own"), (), "trainer 'Own' does not ship"),
    "no arguments": (lambda s: recheckpoint(s, "init_args"), (), "does not say its configuration"),
    "no weights": (lambda s: recheckpoint(s, "network_weights"), (), "holds no network_weights"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_one_sentence_that_names_the_source(
    tmp_path: Path, say: Say, case: str
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    change, flags, told = REFUSED[case]
    change(source)
    text = refusal(say, source, tmp_path, *flags)
    assert told in text
    assert str(source) in text or case in ("weight", "step")  # options of no source
    assert not [p for p in (tmp_path / "weights").glob("**/*") if p.is_file()]


def test_of_a_zip_the_zip_is_named(tmp_path: Path, say: Say) -> None:
    source = tiny.train(tmp_path / "results" / "trained", tiny.plans(), tiny.dataset())
    spoil(source, preprocessor_name="Bias")
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in source.rglob("*"):
            archive.write(path, path.relative_to(source.parent))
    text = refusal(say, tmp_path / "export.zip", tmp_path)
    assert text.startswith(f"{tmp_path / 'export.zip'}/trained: plans.json: preprocessor_name")


def test_a_target_that_is_there_and_a_name_that_is_none(tmp_path: Path, say: Say) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    pack(source, tmp_path / "weights")
    assert "m exists already" in refusal(say, source, tmp_path)
    for name in ("", "a/b", "..", "/tmp/x"):
        code, _, err = say(source, tmp_path, model=name)
        assert (code, "is not the name of a folder" in err) == (2, True)


def test_a_checkpoint_of_numpy_1_is_packed(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    tiny.as_numpy_1(source / "fold_0" / "checkpoint_final.pth")
    assert len(verify_model(pack(source, tmp_path / "weights") / "MANIFEST.json").members) == 1


@pytest.mark.parametrize("checkpoint", ["best", "latest"])
def test_another_checkpoint(tmp_path: Path, checkpoint: str) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    for fold in (0, 1):
        path = source / f"fold_{fold}" / "checkpoint_final.pth"
        path.rename(path.with_name(f"checkpoint_{checkpoint}.pth"))
    folder = pack(source, tmp_path / "weights", "--checkpoint", checkpoint)
    names = [m.checkpoint.name for m in verify_model(folder / "MANIFEST.json").members]
    assert names == [f"checkpoint_{checkpoint}.pth"] * 2


def test_a_foreign_trainer_is_in_the_manifest_and_on_the_card(tmp_path: Path, say: Say) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    recheckpoint(source, trainer_name="Own")
    code, out, _ = say(source, tmp_path, "--foreign-trainer", "--release")
    assert code == 0 and "trainer 'Own' does not ship with nnU-Net 2.8.1" in out
    folder = tmp_path / "weights" / "m"
    provenance = json.loads((folder / "MANIFEST.json").read_text())["members"][0]["provenance"]
    assert (provenance["trainer"], provenance["foreign_trainer"]) == ("Own", True)
    assert "| Own, not nnU-Net's own |" in (folder / "MODEL_CARD.md").read_text()


def test_members_without_mirroring_are_named_where_it_is_asked_for(
    tmp_path: Path, say: Say
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    recheckpoint(source, "inference_allowed_mirroring_axes")
    _, out, _ = say(source, tmp_path, "--mirroring")
    assert f"{source}: fold_0 was trained without mirroring, and stays unmirrored" in out


def test_a_batch_norm_trainer_is_packed_as_it_was_built(tmp_path: Path) -> None:
    plans = tiny.plans()
    settings = plans["configurations"]["3d_fullres"]
    settings["architecture"]["arch_kwargs"]["norm_op"] = "torch.nn.BatchNorm3d"
    source = tiny.train(tmp_path / "trained", plans, tiny.dataset())
    (source / "plans.json").write_text(json.dumps(tiny.plans()))  # names instance norm, as always
    recheckpoint(source, trainer_name="nnUNetTrainerBN")
    folder = pack(source, tmp_path / "weights", "--release")
    (member,) = verify_model(folder / "MANIFEST.json").members
    assert member.plan.arguments["norm_op"].endswith("BatchNorm3d")


def test_a_release_has_a_card_and_was_loaded_in_a_new_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    artefact = Path(__file__).resolve().parents[3] / "weights" / "brats-gli"
    folder = pack(
        source,
        tmp_path / "weights",
        "--release",
        "--artefact",
        str(artefact),
        "--data",
        "Cubes.",
        "--note",
        "for tests",
    )
    assert "2 members load in a new process, within " in capsys.readouterr().out
    card = (folder / "MODEL_CARD.md").read_text()
    for told in (
        "# m",
        "for tests",
        "Cubes.",
        "| 4 | RC | yes |",
        "| trained | 1 |",
        "No medical device",
        "pooled, by 2025-gli on 60 cases",
    ):
        assert told in card
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert {"MODEL_CARD.md", "postprocess.json", "clusters.npz"} < set(manifest["files"])


def test_a_release_that_answers_otherwise_in_a_new_process_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    folder = pack(source, tmp_path / "weights")
    with monkeypatch.context() as here:
        here.setattr("lab.packing.release.answer", lambda member: answer(member) * 1.01)
        with pytest.raises(ReleaseError, match="answer otherwise in a new process"):
            check_reload(folder / "MANIFEST.json")
    (folder / "trained" / "plans.json").unlink()
    reason = "does not load in a new process: .*plans.json: listed in MANIFEST.json but missing"
    with pytest.raises(ReleaseError, match=reason):
        check_reload(folder / "MANIFEST.json")


def test_a_folds_origin_is_packed_without_the_machines_paths(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    told = {
        "stage": "full",
        "commit": "abc",
        "start": "/home/x/y.pth",
        "start_sha256": "1f",
        "settings": {"lr": 0.01},
        "hours": 3.0,
    }
    (source / "fold_1" / "provenance.json").write_text(json.dumps(told))
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)])
    text = (tmp_path / "m" / "MANIFEST.json").read_text()
    first, second = (entry["provenance"] for entry in json.loads(text)["members"])
    assert "recipe" not in first
    assert second["recipe"] == {
        "stage": "full",
        "commit": "abc",
        "start_sha256": "1f",
        "settings": {"lr": 0.01},
    }
    assert "/home" not in text
