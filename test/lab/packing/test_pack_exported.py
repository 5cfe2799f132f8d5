"""A folder with member.json and programs becomes members like any other, or is refused by name."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from exported import (
    PATCH,
    Small,
    change_json,
    description,
    rewrite,
    save,
    save_onnx,
    scan,
    write_member,
)

from challenge.scheme import SCHEMES, Head, labels_from
from ensemble.backends import REFERENCE
from ensemble.budget import Budget
from ensemble.engine import Engine
from ensemble.heads import to_head
from ensemble.manifest import Model, verify_model
from ensemble.members import ManifestError
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.packing.exported_proof import ANSWER_FILE
from lab.packing.write_manifest import write_manifest

Refused = Callable[..., str]
SEQUENCES = SCHEMES["brats-gli"].sequences


def member(folder: Path, *networks: torch.nn.Module, **changes: Any) -> Path:
    return write_member(folder, description(SEQUENCES, **changes), networks or (Small(),))


def pack(tmp_path: Path, *sources: Path, flags: tuple[str, ...] = ()) -> Model:
    words = ["--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path / "weights")]
    assert lab(["pack", *map(str, sources), *words, *flags]) == 0
    return verify_model(tmp_path / "weights" / "m" / "MANIFEST.json")


def test_a_mixed_ensemble_is_the_mean_made_by_hand(tmp_path: Path) -> None:
    fold = tiny.train(
        tmp_path / "fold", tiny.plans(), tiny.dataset(tiny.REGIONS, order=[2, 1, 3, 4])
    )
    model = pack(tmp_path, fold, member(tmp_path / "small"), flags=("--weight", "1", "3"))
    case, engine = scan((20, 18, 22), (1, 1, 1)), Engine(torch.device("cpu"), REFERENCE)
    parts = [tiny.predict_member(case, each, model, engine) for each in model.members]
    regions: Head = model.members[0].head
    assert (model.head, model.members[1].head.kind) == (regions, "softmax")
    brought = to_head(parts[1], model.members[1].head, regions)
    by_hand = (parts[0] + 3 * brought) / 4
    *_, final = predict(case, model, engine, Budget(), count_votes=True)
    assert np.allclose(final.probabilities, by_hand, atol=1e-6)
    labels = labels_from(final.probabilities, model.head, model.scheme)
    assert np.array_equal(labels, labels_from(by_hand, regions, model.scheme))
    assert len(np.unique(labels)) > 2
    assert final.votes is not None and final.members_run == 2


def test_folds_of_one_folder_average_their_logits(tmp_path: Path) -> None:
    model = pack(tmp_path, member(tmp_path / "small", Small(seed=0), Small(seed=1)))
    case, engine = scan((16, 16, 16), (1, 1, 1)), Engine(torch.device("cpu"), REFERENCE)
    parts = [tiny.predict_member(case, each, model, engine) for each in model.members]
    (final,) = predict(case, model, engine)
    by_hand = np.sqrt(parts[0] * parts[1])
    assert np.allclose(final.probabilities, by_hand / by_hand.sum(0), atol=1e-3)


def test_an_onnx_program_is_a_member_too(
    tmp_path: Path, refused_pack: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript", reason="onnxscript is an extra")
    source = member(tmp_path / "small")
    save_onnx(Small(), source / "fold_0" / "program.onnx")
    program = pack(tmp_path / "pt2", source)
    assert "program.onnx is not packed: program.pt2 beside it is" in capsys.readouterr().out
    (source / "fold_0" / "program.pt2").unlink()
    model = pack(tmp_path, source)
    content = json.loads((model.folder / "MANIFEST.json").read_text())
    assert set(content["files"]) == {"small/member.json", "small/fold_0/program.onnx"}
    assert content["members"][0]["format"] == "onnx"
    assert content["proof"][0]["tiles"]["folds"]["0"]["batch"]["agreement"] == 1
    case, engine = scan((20, 18, 22), (1, 1, 1)), Engine(torch.device("cpu"), "auto")
    answers = [
        final.probabilities for each in (model, program) for final in predict(case, each, engine)
    ]
    assert np.allclose(*answers, atol=1e-3)
    assert lab(["verify", "--weights", str(tmp_path / "weights"), "--quick"]) == 0
    assert "known answers of 1 exported members right" in capsys.readouterr().out
    content["members"][0]["format"] = "pickle"
    write_manifest(model.folder, content)
    with pytest.raises(ManifestError, match="format 'pickle' is not one of exported, onnx"):
        verify_model(model.folder / "MANIFEST.json")
    (source / "fold_0" / "program.onnx").write_bytes(b"\x3a\x00")
    said = refused_pack(source, tmp_path / "again")
    assert (
        "fold_0/program.onnx: it is no ONNX model: a graph or its operator set is missing" in said
    )


def test_the_manifest_has_hashes_known_answers_and_a_newer_schema(tmp_path: Path) -> None:
    model = pack(tmp_path, member(tmp_path / "small"))
    content = json.loads((model.folder / "MANIFEST.json").read_text())
    assert content["schema"] == 5
    assert set(content["files"]) == {"small/member.json", "small/fold_0/program.pt2"}
    assert content["members"][0]["provenance"]["exported_by_torch"] == torch.__version__
    (fold,) = content["proof"][0]["tiles"]["folds"].values()
    assert len(fold["answer"]) == 64 and fold["batch"]["agreement"] == 1
    assert "answer.npz" in content["proof"][0]["not_proven"]


def test_another_step_than_member_jsons_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = member(tmp_path / "small", step=0.25)
    pack(tmp_path, source)
    line = f"{source}: member.json says step 0.25, the model has 0.5 for all of its members; "
    assert f"{line}--step 0.25 takes the other" in capsys.readouterr().out


def test_a_case_to_prove_is_not_compared_without_its_framework(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack(tmp_path, member(tmp_path / "small"), flags=("--prove", "scan.nii.gz"))
    said = capsys.readouterr().out
    assert "scan.nii.gz not compared: its own framework is not here" in said
    assert "member.json says step" not in said


def test_sample_inputs_are_not_packed(tmp_path: Path) -> None:
    source = member(tmp_path / "small")
    model = pack(tmp_path, source)
    sizes = [path / "fold_0" / "program.pt2" for path in (source, model.folder / "small")]
    assert sizes[1].stat().st_size < sizes[0].stat().st_size - 4 * 16**3 * 4
    assert b"sample_inputs" not in sizes[1].read_bytes()


def test_verify_asks_for_the_known_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = pack(tmp_path, member(tmp_path / "small"))
    words = ["verify", "--weights", str(tmp_path / "weights"), "--quick"]
    capsys.readouterr()
    assert lab(words) == 0
    assert "known answers of 1 exported members right" in capsys.readouterr().out
    save(Small(seed=9), model.members[0].checkpoint)  # another network, its hash written anew
    manifest = model.folder / "MANIFEST.json"
    write_manifest(model.folder, json.loads(manifest.read_text()))
    assert lab(words) == 1
    assert "its answer to a known tile is" in capsys.readouterr().out


def write_answer(source: Path, network: torch.nn.Module) -> None:
    tile = torch.randn((4, *PATCH), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = network.eval()(tile[None])[0]
    np.savez(source / "fold_0" / ANSWER_FILE, tile=tile.numpy(), logits=logits.numpy())


def test_a_program_is_compared_with_the_framework_that_trained_it(
    tmp_path: Path, refused_pack: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    source = member(tmp_path / "small")
    write_answer(source, Small())
    pack(tmp_path, source)
    said = "small: proven on one random tile a fold (16x16x16): deviations from its own framework"
    assert said in capsys.readouterr().out
    write_answer(source, Small(seed=1))
    assert "the program is not the network of answer.npz" in refused_pack(source, tmp_path / "b")


def test_a_deadline_leaves_out_what_it_would_of_any_member(tmp_path: Path) -> None:
    model = pack(tmp_path, member(tmp_path / "small"))
    *_, final = predict(
        scan((36, 20, 20), (1, 1, 1)), model, Engine(torch.device("cpu"), REFERENCE), Budget(0)
    )
    assert final.skipped and final.members_run == 0


class Flipped(Small):
    """Its answer depends on what else is in the batch."""

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return super().forward(tiles - tiles.mean(0, keepdim=True))


class Infinite(Small):
    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return super().forward(tiles) / (tiles[:, :1] * 0)


class Smaller(Small):
    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return super().forward(tiles)[..., ::2]


class Huge(Small):
    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        wide = tiles.repeat(1, 2**21, 1, 1, 1).sum(1, keepdim=True)
        return super().forward(tiles) + wide


@pytest.mark.parametrize(
    ("network", "changes", "message"),
    [
        (Flipped(), {}, "a tile has another answer in a batch than alone"),
        (Infinite(), {}, "holds NaN or infinity"),
        (Smaller(), {}, "a patch becomes logits of (1, 5, 16, 16, 8)"),
        (Small(outputs=4), {}, "a patch becomes logits of (1, 4, 16, 16, 16)"),
        (Huge(), {}, "one pass takes"),
        (Small(), {"head": {"kind": "labels", "channels": ["background", "X"]}}, "'X' is no label"),
        (Small(), {"normalisation": "x"}, "'normalisation', which is not among"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else "",
)
def test_a_bad_member_is_named(
    tmp_path: Path,
    refused_pack: Refused,
    network: torch.nn.Module,
    changes: dict[str, Any],
    message: str,
) -> None:
    said = refused_pack(member(tmp_path / "bad", network, **changes), tmp_path)
    assert message in said
    assert str(tmp_path / "bad") in said
    assert not list((tmp_path / "weights").iterdir())


def test_channels_and_patch_are_those_of_member_json(tmp_path: Path, refused_pack: Refused) -> None:
    source = member(tmp_path / "bad")
    save(Small(channels=3), source / "fold_0" / "program.pt2", channels=3)
    said = refused_pack(source, tmp_path)
    assert "takes tiles of [3, 16, 16, 16] (channel, z, y, x), member.json says [4, 16, 16" in said
    save(Small(), source / "fold_0" / "program.pt2", patch=(8, 16, 16))
    assert "takes tiles of [4, 8, 16, 16]" in refused_pack(source, tmp_path)


def test_a_newer_version_is_named(tmp_path: Path, refused_pack: Refused) -> None:
    source = member(tmp_path / "bad")

    def change(content: dict[str, Any]) -> None:
        content["schema_version"]["major"] = 9
        content["torch_version"] = "3.0.0"

    rewrite(
        source / "fold_0" / "program.pt2",
        lambda files: change_json(files, "models/model.json", change),
    )
    said = refused_pack(source, tmp_path)
    assert "schema 9 is not 8" in said and "exported by torch 3.0.0, this is" in said


@pytest.mark.parametrize(
    "flag", ["--labels=NETC=1", "--channels=t1n", "--half", "--orientation=RAS"]
)
def test_options_of_trained_folders_are_refused(
    tmp_path: Path, refused_pack: Refused, flag: str
) -> None:
    said = refused_pack(member(tmp_path / "small"), tmp_path, *flag.split("=", 1))
    assert f"{flag.split('=')[0]} is of trained folders; member.json says all of it" in said


def test_a_folder_without_a_program_is_refused(tmp_path: Path, refused_pack: Refused) -> None:
    source = member(tmp_path / "small")
    (source / "fold_0" / "program.pt2").unlink()
    assert "no fold_*/program.pt2 or program.onnx beside member.json" in refused_pack(
        source, tmp_path
    )


def test_an_older_schema_number_is_refused(tmp_path: Path) -> None:
    model = pack(tmp_path, member(tmp_path / "small"))
    path = model.folder / "MANIFEST.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 4}))
    with pytest.raises(ValueError, match="exported members need schema 5"):
        verify_model(path)


def test_a_member_of_weight_0_is_not_run(tmp_path: Path) -> None:
    model = pack(tmp_path, member(tmp_path / "small"))
    silent = replace(model.members[0], weight=0.0)
    assert not silent.is_averaged
