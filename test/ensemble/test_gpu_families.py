"""Members that are no U-Net climb down the same ladder when a GPU fails, and lose no case."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from exported import PATCH, Small, description, save_onnx, scan, write_member
from fake_gpu import LAUNCH, NO_ENGINE, OUT_OF_MEMORY, FakeGpu
from small_models import packed

from challenge.scheme import MRI_SEQUENCES, labels_from
from ensemble.engine import Engine
from ensemble.manifest import Model
from ensemble.predict import Prediction, predict

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
CASE = scan((20, 14, 14), (1, 1, 1))  # two tiles
NEARLY_TIED = 8  # of 3,920 voxels; half precision moves these
MIRRORED = {"patch": list(PATCH), "mirror_axes": [0]}


def exported(folder: Path) -> Path:
    return write_member(folder, description(MRI_SEQUENCES, **MIRRORED), (Small(),))


def onnx(folder: Path) -> Path:
    save_onnx(Small().eval(), folder / "fold_0" / "program.onnx")
    (folder / "member.json").write_text(json.dumps(description(MRI_SEQUENCES, **MIRRORED)))
    return folder


def mednext(folder: Path) -> Path:
    return tiny.train(folder, tiny.mednext_plans(), tiny.dataset(), mirror_axes=(0,))


def primus(folder: Path) -> Path:  # of V2 and V3 torch pools no half precision on a CPU
    return tiny.train(folder, tiny.primus_plans("Primus"), tiny.dataset(), mirror_axes=(0,))


FAMILIES = {family.__name__: family for family in (exported, onnx, mednext, primus)}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Model]:
    folder = tmp_path_factory.mktemp("families")
    return {
        name: packed(folder / name, make(folder / f"{name}_f")) for name, make in FAMILIES.items()
    }


def run(model: Model, device: torch.device) -> tuple[Prediction, np.ndarray]:
    *_, last = predict(CASE, model, Engine(device))
    return last, labels_from(last.probabilities, model.head, model.scheme)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_no_failure_of_a_gpu_costs_the_case(
    family: str, models: Mapping[str, Model], gpu: FakeGpu
) -> None:
    """Twelve operations fail: while loading, warming up, in a tile, in sums or on the way back."""
    model = models[family]
    _, expected = run(model, CPU)
    assert len(np.unique(expected)) > 2
    sound, labels = run(model, CUDA)
    assert (sound.device, sound.device_errors) == ("cuda", ())
    assert (labels != expected).sum() <= NEARLY_TIED
    errors = [(OUT_OF_MEMORY, False), (OUT_OF_MEMORY, True), (NO_ENGINE, False), (LAUNCH, True)]
    gpu.operations.clear()
    run(model, CUDA)  # the first run makes more of them
    count = len(gpu.operations)
    for turn, at in enumerate(np.linspace(0, count - 1, 12).astype(int).tolist()):
        error, forever = errors[turn % len(errors)]
        gpu.fail(at, error, forever)
        prediction, labels = run(model, CUDA)
        assert (labels != expected).sum() <= NEARLY_TIED, (at, gpu.operations[at])
        assert prediction.device_errors, (at, gpu.operations[at])
        assert not forever or prediction.device == "cpu"
    gpu.fail_at = None
