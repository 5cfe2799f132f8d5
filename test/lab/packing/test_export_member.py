"""A packed member becomes a program that torch runs by itself and packs to the same labels."""

import contextlib
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from exported import scan

from challenge.scheme import SCHEMES, Head, labels_from
from ensemble.backends import REFERENCE
from ensemble.engine import Engine
from ensemble.exported_member import read_description
from ensemble.manifest import Model, verify_model
from ensemble.plans import read_plan
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.packing.export_member import describe

CASE = scan((20, 18, 22), (1.5, 1, 1))


def pack(source: Path, out: Path, name: str) -> Model:
    words = ["pack", str(source), "--model", name, "--scheme", "brats-gli", "--out", str(out)]
    assert lab(words) == 0
    return verify_model(out / name / "MANIFEST.json")


def labels(model: Model) -> np.ndarray:
    *_, final = predict(CASE, model, Engine(torch.device("cpu"), REFERENCE))
    return labels_from(final.probabilities, model.head, model.scheme)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("packed")
    plans = tiny.plans(spacing_mm=(2, 1, 1), network="ResidualEncoderUNet")
    plans |= {"transpose_forward": [1, 0, 2], "transpose_backward": [1, 0, 2]}
    dataset = tiny.dataset(tiny.REGIONS, order=tiny.REGION_ORDER)
    tiny.train(home / "trained", plans, dataset, folds=(0, 1), mirror_axes=(0, 2))
    pack(home / "trained", home / "weights", "m")
    return home / "weights" / "m"


def export(packed: Path, out: Path, *words: str) -> int:
    return lab(["export", "--model", str(packed), "--out", str(out), *words])


@pytest.fixture(scope="module")
def exported(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Both folds, exported once, and what was printed."""
    out, said = tmp_path_factory.mktemp("exported") / "program", io.StringIO()
    with contextlib.redirect_stdout(said):
        for fold in ("0", "trained/fold_1/checkpoint_final.pth"):
            assert export(packed, out, "--member", fold) == 0
    return out, said.getvalue()


@pytest.mark.slow
def test_exported_folds_pack_to_the_same_labels(
    packed: Path,
    exported: tuple[Path, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program, said = exported
    assert said.count("logits of a random tile differ by at most 0 from the packed ones") == 2
    assert said.count("labels of a synthetic case are the packed member's") == 2
    model = verify_model(packed / "MANIFEST.json")
    again = pack(program, tmp_path / "weights", "again")
    assert "deviations from its own framework 0.0e+00" in capsys.readouterr().out
    assert np.array_equal(labels(again), labels(model))
    assert len(np.unique(labels(model))) > 2
    assert again.members[0].plan.mirror_axes == (0, 2)
    assert again.members[0].plan.transpose == (1, 0, 2)
    assert export(again.folder, tmp_path / "more") == 2
    assert "is an exported program already" in capsys.readouterr().err


@pytest.mark.parametrize("logits", ["resample_torch_fornnunet", "no_resampling_hack"])
def test_a_described_member_resamples_as_its_plan_says(logits: str) -> None:
    changes = {"resampling_fn_data": "no_resampling_hack", "resampling_fn_data_kwargs": {}}
    changes |= {"resampling_fn_probabilities": logits, "resampling_fn_probabilities_kwargs": {}}
    plan = read_plan(tiny.plans(**changes), "3d_fullres")
    scheme = SCHEMES["brats-gli"]
    head = Head("softmax", ((), *((name,) for name in scheme.labels)), ("", *scheme.labels))
    described = read_description(describe(plan, scheme.sequences, head), scheme, "home").plan
    assert described.image_resampling == plan.image_resampling
    assert described.logit_resampling == plan.logit_resampling


@pytest.mark.slow
def test_torch_runs_the_program_without_this_package(exported: tuple[Path, str]) -> None:
    folder = exported[0] / "fold_0"
    program = torch.export.load(folder / "program.pt2").module()
    known = np.load(folder / "answer.npz")
    tile = torch.from_numpy(known["tile"])
    with torch.inference_mode():
        for count in (1, 3):
            logits = program(torch.stack([tile] * count))
            assert np.allclose(logits[-1].numpy(), known["logits"], atol=1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--member", "7"), "no member '7', only 0 trained/fold_0/checkpoint_final.pth, 1 trained"),
        (("--member", "0"), "program.pt2 exists already; choose another --out"),
    ],
)
def test_what_cannot_be_exported_is_named(
    packed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    there = tmp_path / "program" / "fold_0" / "program.pt2"
    there.parent.mkdir(parents=True)
    there.touch()
    assert export(packed, tmp_path / "program", *words) == 2
    assert message in capsys.readouterr().err


def test_folds_of_another_network_do_not_mix(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "member.json").write_text(json.dumps({"schema": 1}))
    assert export(packed, tmp_path / "program") == 2
    assert "member.json is of another network" in capsys.readouterr().err


def test_onnx_names_what_it_needs(
    packed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert export(packed, tmp_path / "program", "--onnx") == 2
    assert "onnx and onnxscript not installed; pip install onnx onnxscript" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "program").exists()


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("onnxscript"), reason="onnxscript is an extra")
def test_onnx_answers_alike_in_openvino(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(packed, tmp_path / "program", "--onnx") == 0
    assert "in OpenVINO" in capsys.readouterr().out
    assert (tmp_path / "program" / "fold_0" / "program.onnx").stat().st_size > 10_000
