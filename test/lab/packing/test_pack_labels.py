"""Labels and channels of a source are understood, or refused by name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from packer import pack

from ensemble.manifest import verify_model
from lab.__main__ import main as lab

Run = Callable[..., tuple[int, str, str]]
Refused = Callable[..., str]


def test_values_without_a_name_need_labels(tmp_path: Path, refused_pack: Refused) -> None:
    labels = {"background": 0, "class 1": 1, "class 2": 2, "class 3": 3}
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(labels))
    assert "--labels NAME=VALUE" in refused_pack(source, tmp_path)
    folder = pack(source, tmp_path / "weights", "--labels", "ET=1,NETC=2,SNFH=3")
    head = verify_model(folder / "MANIFEST.json").head
    assert head.paints == ("", "ET", "NETC", "SNFH")


PERMUTED = {"background": 0, "ET": 1, "NETC": 2, "SNFH": 3, "RC": 4}


def test_names_in_another_order_need_labels(
    tmp_path: Path, run_pack: Run, refused_pack: Refused
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(PERMUTED))
    refusal = refused_pack(source, tmp_path)
    assert (
        "dataset.json names ET=1,NETC=2,SNFH=3,RC=4, where brats-gli has NETC=1,SNFH=2" in refusal
    )
    for model, text in (("own", "ET=1,NETC=2,SNFH=3,RC=4"), ("theirs", "NETC=1,SNFH=2,ET=3,RC=4")):
        code, out, _ = run_pack(source, tmp_path, "--labels", text, model=model)
        assert code == 0
        folder = tmp_path / "weights" / model
        assert verify_model(folder / "MANIFEST.json").head.paints[1:] == tuple(
            pair.split("=")[0] for pair in text.split(",")
        )
        assert ("taken as --labels says" in out) is (model == "theirs")


def test_labels_may_differ_per_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    text = "member second-1/fold_0/checkpoint_final.pth: its labels cannot be averaged with others'"
    assert capsys.readouterr().err == f"{first}, {second}: {text}\n"


def test_channels_are_packed_in_every_spelling(tmp_path: Path, refused_pack: Refused) -> None:
    dataset = tiny.dataset(channels=["a", "b", "c", "d"])
    dataset["modality"] = dataset.pop("channel_names")
    source = tmp_path / "trained"
    tiny.train(source, tiny.plans(), tiny.dataset())
    (source / "dataset.json").write_text(json.dumps(dataset))
    assert "name them when packing (--channels)" in refused_pack(source, tmp_path)
    folder = pack(source, tmp_path / "weights", "--channels", "T1c,t1n,flair,t2w")
    (member,) = verify_model(folder / "MANIFEST.json").members
    assert member.sequences == ("t1c", "t1n", "t2f", "t2w")
    assert "modality" not in json.loads((folder / "trained" / "dataset.json").read_text())


def test_a_folder_without_channel_names_packs_with_channels(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    dataset = tiny.dataset()
    del dataset["channel_names"]
    (source / "dataset.json").write_text(json.dumps(dataset))
    folder = pack(source, tmp_path / "weights", "--channels", "t1n,t1c,t2w,t2f")
    assert len(verify_model(folder / "MANIFEST.json").members) == 1


def test_one_channel_of_another_contrast_is_refused(tmp_path: Path) -> None:
    dataset = tiny.dataset({"background": 0, "tumor": 1}, channels=["T2w"])
    source = tiny.train(tmp_path / "trained", tiny.plans(channels=1), dataset)
    words = ["pack", str(source), "--model", "m", "--out", str(tmp_path / "weights"), "--scheme"]
    assert lab([*words, "panther-t1"]) == 2
    assert lab([*words, "panther-t2"]) == 0
    assert lab([*words, "panther-t1", "--channels", "t1", "--model", "n"]) == 0
