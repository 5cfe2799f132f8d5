"""Both programs get the same networks and cases, and are measured alike."""

from pathlib import Path

import pytest
import torch

from challenge.scheme import SCHEMES
from ensemble.manifest import verify_model
from ensemble.network import build_network
from ensemble.plans import read_plan
from lab.bench.engine import ON_CPU, pack_model
from lab.bench.networks import GLIOMA, GLIOMA_PATCH, RESENC_L, RESENC_L_PATCH
from lab.bench.processes import ROOT, Subject, copy_networks, measured
from lab.training.random_networks import (
    flops_of_a_pass,
    plans_of,
    random_weights,
    write_heads,
    write_trained,
)
from postprocess.artefacts import load_artefacts

GLI = SCHEMES["brats-gli"]
SMALL = "demo", (64, 32, 32)


def test_a_pass_costs_what_others_have_counted() -> None:
    """1.057 TFLOP for the glioma network, by PyTorch's counter in another program."""
    assert flops_of_a_pass(plans_of(GLIOMA, GLIOMA_PATCH, 4), 4, 5) == pytest.approx(
        1.057e12, rel=1e-3
    )


def test_networks_have_the_published_size() -> None:
    """30.8 million parameters, and 102 million for ResEnc-L (Isensee et al., MICCAI 2024)."""
    glioma, pancreas = (GLIOMA, GLIOMA_PATCH, 4), (RESENC_L, RESENC_L_PATCH, 1)
    for (name, patch, channels), millions in ((glioma, 30.79), (pancreas, 102.4)):
        plan = read_plan(plans_of(name, patch, channels), "3d_fullres")
        parameters = sum(p.numel() for p in build_network(plan, channels, 5).parameters()) / 1e6
        assert parameters == pytest.approx(millions, rel=0.01)


def test_the_reduced_patch_of_resenc_l_can_be_halved_as_often_as_the_network_does() -> None:
    assert flops_of_a_pass(plans_of(RESENC_L, ON_CPU, 1), 1, 3) == pytest.approx(
        4.843e12 * (128 * 96 * 96) / 192**3, rel=0.02
    )


def test_weights_that_modules_share_are_drawn_once() -> None:
    network = build_network(read_plan(plans_of(*SMALL, 4), "3d_fullres"), 4, 5)
    weights = random_weights(network, 0)
    assert len({id(value) for value in weights.values()}) == len(list(network.parameters()))
    network.load_state_dict(weights, assign=True)
    with torch.inference_mode():
        answer = network(torch.randn(1, 4, 64, 32, 32))
    assert 0.1 < answer.std() < 10  # activations neither die nor explode


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        measured(["python", "-c", "1 / 0"], {})


def test_a_process_is_measured_alone(tmp_path: Path) -> None:
    run = measured(["python", "-c", "x = bytearray(200 << 20); sum(range(10**6))"], {})
    assert run.peak_mib > 200
    assert 0 < run.cpu_s < 60
    assert run.wall_s > 0


def test_networks_are_compared_with_stock_as_images_are_stored_and_without_rules(
    tmp_path: Path,
) -> None:
    """Stock nnU-Net turns no image: with the training's axis order, labels would be others'."""
    trained = copy_networks(ROOT / "weights" / "brats-gli", tmp_path / "weights")
    model = verify_model(tmp_path / "weights" / "MANIFEST.json")
    assert [member.orientation for member in model.members] == [None] * 3
    assert (trained / "plans.json").is_file()
    assert not load_artefacts(model.folder, GLI).has_rules


@pytest.mark.slow
def test_both_programs_give_the_same_labels(tmp_path: Path) -> None:
    write_heads(tmp_path / "cases", ["BraTS-GLI-00000-100"], (44, 40, 42), (40, 36, 38))
    write_trained(tmp_path / "trained", plans_of(*SMALL, 4), GLI.sequences, GLI.labels, 2)
    pack_model(tmp_path, GLI)
    subject = Subject(tmp_path, GLI, tmp_path / "trained", tmp_path / "packed", "cpu")
    for folds, mirroring in ((1, False), (2, True)):
        subject.stock(folds, mirroring, 1, {})
        run = subject.podium(folds, mirroring, 1)
        assert set(run.stages_s) >= {"read", "networks", "finish"}
        equal, dice = subject.agreement(1)
        assert equal > 0.99  # random weights: nearly tied logits
        assert min(dice.values()) > 0.9
