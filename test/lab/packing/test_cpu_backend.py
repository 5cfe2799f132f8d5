"""A network that OpenVINO computes otherwise than torch is packed, and torch runs it on a CPU."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from packer import pack_exit_code, proof_of

from challenge.case import Case, read_case
from challenge.scheme import SCHEMES
from ensemble.engine import Engine
from ensemble.manifest import ManifestError, Model, verify_model
from ensemble.network import build_network
from ensemble.plans import read_plan
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.packing.named_case import find_case
from lab.packing.random_tile import draw_tile, logits_of
from lab.packing.synthetic_case import grid_for, write_input

Say = pytest.CaptureFixture[str]
BIAS = 40  # times the deviation of what is convolved: a norm takes most digits away


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two folds whose deepest stage has 2 x 2 x 2 voxels; only the second has large means."""
    architecture = tiny.architecture("PlainConvUNet")
    architecture["arch_kwargs"] |= {
        "n_stages": 4,
        "features_per_stage": [6, 8, 10, 12],
        "kernel_sizes": [[3, 3, 3]] * 4,
        "strides": [[1, 1, 1], *[[2, 2, 2]] * 3],
        "n_conv_per_stage": [2] * 4,
        "n_conv_per_stage_decoder": [2] * 3,
    }
    plans = tiny.plans(architecture=architecture)
    folder = tmp_path_factory.mktemp("trained") / "deep"
    tiny.train(folder, plans, tiny.dataset(), folds=(0, 1), mirror_axes=None)
    path = folder / "fold_1" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    for name, value in content["network_weights"].items():
        if name.endswith("conv.bias"):
            value *= BIAS
    torch.save(content, path)
    return folder


@pytest.fixture(scope="module")
def packed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packed")
    assert pack_exit_code(source, out, "--release") == 0
    return out


def model_of(out: Path) -> Model:
    return verify_model(out / "m" / "MANIFEST.json")


@pytest.fixture(scope="module")
def case(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    members = model_of(packed).members
    folder = write_input(tmp_path_factory.mktemp("case"), SCHEMES["brats-gli"], grid_for(members))
    return read_case(find_case(folder, members[0].sequences))


def test_the_member_is_packed_for_torch_and_the_other_is_not(packed: Path) -> None:
    manifest = json.loads((packed / "m" / "MANIFEST.json").read_text())
    assert [entry.get("cpu_backend") for entry in manifest["members"]] == [None, "torch"]
    assert manifest["schema"] == 7
    plain, deep = proof_of(packed)["tiles"]["folds"].values()
    assert "cpu_backend" not in plain
    # OpenVINO alone is far away: torch gives stock's answer
    assert deep["backend"]["logits_in_deviations"] > 0.01
    assert deep["as_trained"]["logits_in_deviations"] < 1e-3
    assert deep["as_packed"]["differing"] == 0
    assert deep["cpu_backend"] == deep["cpu_backend"] | {
        "name": "torch",
        "instead_of": "openvino",
        "allowed_deviations": 0.01,
    }


def test_pack_verify_and_card_say_why_and_what_it_costs(
    source: Path, packed: Path, tmp_path: Path, capsys: Say
) -> None:
    assert pack_exit_code(source, tmp_path) == 0
    said = capsys.readouterr().out
    assert lab(["verify", "--weights", str(packed), "--quick"]) == 0
    verified, card = capsys.readouterr().out, (packed / "m" / "MODEL_CARD.md").read_text()
    apart = proof_of(packed)["tiles"]["folds"]["1"]["backend"]
    sentence = (
        f"openvino's logits are {apart['logits_in_deviations']:.2g} deviations apart (0.01 allowed)"
        f", {apart['differing']:,} of 4,096 voxels have other labels (0.1% allowed)"
    )
    for text in (said, verified, card):
        assert "fold 1: torch runs it on a CPU (" in text and " x the time of openvino)" in text
        assert sentence in text
        assert "fold 0: torch" not in text


def test_torch_is_right_by_double_precision(source: Path, packed: Path) -> None:
    """The network is no nonsense: torch's labels are those of a calculation in float64."""
    member = model_of(packed).members[1]
    tile = draw_tile(member.plan, 4, member.plan.patch, 1)
    network = build_network(
        read_plan(json.loads((source / "plans.json").read_text()), "3d_fullres"), 4, 5
    )
    content = torch.load(source / "fold_1" / "checkpoint_final.pth", weights_only=False)
    network.to_empty(device="cpu").load_state_dict(content["network_weights"])
    with torch.inference_mode():
        exact = network.double().eval()(tile[None].double())[0].numpy()
    by_torch, by_openvino = (logits_of(member, tile, name) for name in ("torch", "openvino"))
    errors = [np.abs(each - exact).max() / exact.std() for each in (by_torch, by_openvino)]
    assert 5 * errors[0] < errors[1] and errors[0] < 0.01


def test_inference_runs_it_as_recorded_and_says_so(
    packed: Path, case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    model, engine = model_of(packed), Engine(torch.device("cpu"))
    with caplog.at_level(logging.WARNING, "podium"):
        (prediction,) = predict(case, model, engine)
    backends = {name: runs["backend"] for name, runs in engine.description()["networks"].items()}
    first, second = (member.name for member in model.members)
    assert backends == {first: "openvino", second: "torch"}
    assert f"{second} was packed for torch; torch runs it" in caplog.text
    assert first not in caplog.text
    (expected,) = predict(case, model, Engine(torch.device("cpu"), "torch"))
    np.testing.assert_allclose(prediction.probabilities, expected.probabilities, atol=1e-3)


def test_a_backend_that_is_named_runs_and_says_so(
    packed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    member, engine = model_of(packed).members[1], Engine(torch.device("cpu"), "openvino")
    with caplog.at_level(logging.WARNING, "podium"):
        assert engine.load(member).backend.name == "openvino"
    assert "was packed for torch; openvino runs it" in caplog.text


def test_another_backend_in_a_manifest_is_refused(packed: Path, tmp_path: Path) -> None:
    path = packed / "m" / "MANIFEST.json"
    text = path.read_text()
    try:
        path.write_text(text.replace('"cpu_backend": "torch"', '"cpu_backend": "onnx"'))
        with pytest.raises(ManifestError, match="cpu_backend 'onnx' is not torch"):
            verify_model(path)
    finally:
        path.write_text(text)
