"""Where networks run, how many tiles together, on which backend, and that a GPU may fail anywhere.

The GPU is a pretended one that computes on the CPU, see test/fake_gpu.py.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from fake_gpu import GIB, LAUNCH, NO_ENGINE, NO_HANDLE, OUT_OF_MEMORY, FakeGpu
from small_models import CASE, folds, packed, scan

from challenge.case import Case, CaseError
from challenge.scheme import labels_from
from ensemble.backends import BACKENDS, BackendError
from ensemble.budget import Budget
from ensemble.engine import Engine
from ensemble.manifest import Model
from ensemble.predict import Prediction, predict

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
SMALL = scan((14, 9, 9), (1, 1, 1), 2)  # two tiles of eight voxels a side


@dataclass(frozen=True)
class Sound:
    """A model, and its labels where nothing fails."""

    model: Model
    labels: np.ndarray


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """Two folds, mirrored along one axis: two tiles of two flips each."""
    folder = tmp_path_factory.mktemp("sound")
    network = tiny.architecture("PlainConvUNet")
    network["arch_kwargs"] |= {
        **{"n_stages": 2, "features_per_stage": [4, 6], "kernel_sizes": [[3, 3, 3]] * 2},
        **{"strides": [[1, 1, 1], [2, 2, 2]], "n_conv_per_stage": [1, 1]},
        "n_conv_per_stage_decoder": [1],
    }
    plans = tiny.plans(patch=(8, 8, 8), architecture=network)
    source = tiny.train(folder / "f", plans, tiny.dataset(), (0, 1), mirror_axes=(0,))
    model = packed(folder, source)
    (prediction,) = predict(SMALL, model, Engine(CPU, "torch"))
    labels = labels_of(prediction, model)
    assert len(np.unique(labels)) == 5
    return Sound(model, labels)


def labels_of(prediction: Prediction, model: Model) -> np.ndarray:
    return labels_from(prediction.probabilities, model.head, model.scheme)


def run(model: Model, engine: Engine, case: Case = SMALL) -> Prediction:
    return list(predict(case, model, engine))[-1]


def differ(prediction: Prediction, sound: Sound) -> int:
    return int((labels_of(prediction, sound.model) != sound.labels).sum())


# A GPU's half precision may move a voxel that is nearly tied, of 1134.
NEARLY_TIED = 1


def test_a_gpu_gives_the_labels_of_the_cpu(sound: Sound, gpu: FakeGpu) -> None:
    engine = Engine(CUDA)
    prediction = run(sound.model, engine)
    assert differ(prediction, sound) <= NEARLY_TIED
    assert (prediction.device, prediction.device_errors) == ("cuda", ())
    description = engine.description()
    assert description["device"] | {"torch": "", "cuda": "", "driver": ""} == {
        **{"type": "cuda", "card": "Pretended T4", "driver": "", "torch": "", "cuda": ""},
        **{"memory_mib": 16 * 1024, "peak_memory_mib": 3 * 1024},
    }
    names = [member.name for member in sound.model.members]
    assert description["networks"] == {name: {"backend": "torch", "batch": 4} for name in names}


def operations_of(model: Model, gpu: FakeGpu, case: Case = SMALL) -> int:
    gpu.operations.clear()
    run(model, Engine(CUDA), case)
    return len(gpu.operations)


FAILURES = {
    "no memory once": (OUT_OF_MEMORY, False),
    "no memory ever": (OUT_OF_MEMORY, True),
    "no engine once": (NO_ENGINE, False),
    "lost": (LAUNCH, True),
}


@pytest.mark.parametrize(
    "share", [pytest.param("every", marks=pytest.mark.long), "in turn"], ids=str
)
@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.slow
def test_no_failure_of_a_gpu_at_any_operation_costs_the_case(
    name: str, share: str, sound: Sound, gpu: FakeGpu
) -> None:
    """Loading, warming up, tiles, sums, their finish, logits, the way back: each may fail.

    In turn: the four failures share the operations among them, so that each fails in one way.
    """
    count = operations_of(sound.model, gpu)
    assert count > 150
    error, forever = FAILURES[name]
    turn = list(FAILURES).index(name), len(FAILURES)
    for at in range(count) if share == "every" else range(turn[0], count, turn[1]):
        gpu.fail(at, error, forever)
        prediction = run(sound.model, Engine(CUDA))
        assert differ(prediction, sound) <= NEARLY_TIED, (at, gpu.operations[at])
        assert prediction.device_errors, (at, gpu.operations[at])
        if forever:
            assert prediction.device == "cpu"


def test_the_ladder_is_climbed_down_in_its_order(
    sound: Sound, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "podium")
    monkeypatch.setitem(BACKENDS, "another", replace(BACKENDS["torch"], name="another"))
    engine = Engine(CUDA, "another", keeps_networks=True)
    run(sound.model, engine)  # both networks are loaded, four tiles run together
    gpu.fail(3, OUT_OF_MEMORY, forever=True)
    prediction = run(sound.model, engine)
    rungs = (
        "networks of other members are dropped",
        "fewer tiles run together",
        "fewer tiles run together",
        "the torch backend runs",
        "volume and sums are on the host",
        "the case is run anew on the CPU, much slower",
    )
    assert prediction.device_errors == tuple(f"out of GPU memory: {rung}" for rung in rungs)
    logged = [record.message for record in caplog.records if "GPU" in record.message]
    assert logged == list(prediction.device_errors)
    assert prediction.device == "cpu"
    assert differ(prediction, sound) <= NEARLY_TIED


def test_no_rung_repeats_an_attempt(tmp_path: Path, gpu: FakeGpu) -> None:
    """Without mirroring, and of a case of one tile, nothing runs together: no batch to halve."""
    source = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset(), mirror_axes=())
    model, case = packed(tmp_path, source), scan((12, 12, 12), (1, 1, 1), 2)
    count = operations_of(model, gpu, case)
    gpu.fail(count // 2, OUT_OF_MEMORY, forever=True)
    prediction = run(model, Engine(CUDA), case)
    assert prediction.device_errors == (
        "out of GPU memory: volume and sums are on the host",
        "out of GPU memory: the case is run anew on the CPU, much slower",
    )


def test_the_next_case_has_the_gpu_again_unless_it_is_lost(sound: Sound, gpu: FakeGpu) -> None:
    """What the memory forced on one case, the next one starts with, and says so."""
    for error, device, taken_over in (
        (OUT_OF_MEMORY, "cuda", ("since an earlier case: volume and sums are on the host",)),
        (LAUNCH, "cpu", ("the GPU was lost in an earlier case",)),
    ):
        engine = Engine(CUDA)
        gpu.fail(5, error, forever=True)
        assert run(sound.model, engine).device == "cpu"
        gpu.fail_at = None
        gpu.operations.clear()
        prediction = run(sound.model, engine)
        assert (prediction.device, prediction.device_errors) == (device, taken_over)
        assert bool(gpu.operations) == (device == "cuda")  # a lost GPU is not even asked
        assert differ(prediction, sound) <= NEARLY_TIED


@pytest.mark.parametrize("error", [NO_ENGINE, NO_HANDLE])
def test_a_librarys_error_is_named_in_the_log_and_the_record(
    error: RuntimeError, sound: Sound, gpu: FakeGpu
) -> None:
    operations_of(sound.model, gpu)
    gpu.fail(gpu.operations.index("aten::conv3d"), error)
    (sentence,) = run(sound.model, Engine(CUDA)).device_errors
    assert sentence == f"GPU error ({error}): fewer tiles run together"


def test_an_error_that_the_cpu_raises_too_is_raised(
    sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("sizes do not match")

    monkeypatch.setattr("ensemble.engine.mean_over_mirrorings", fail)
    with pytest.raises(RuntimeError, match="sizes do not match"):
        run(sound.model, Engine(CPU, "torch"))


@pytest.mark.parametrize(("memory_gib", "batch"), [(16, 4), (0.00002, 1)])
def test_as_many_tiles_run_together_as_the_memory_holds(
    memory_gib: float, batch: int, sound: Sound, gpu: FakeGpu
) -> None:
    gpu.memory_bytes = int(memory_gib * GIB)
    engine = Engine(CUDA)
    assert differ(run(sound.model, engine), sound) <= NEARLY_TIED
    assert [row["batch"] for row in engine.description()["networks"].values()] == [batch] * 2


def test_every_batch_is_warm_before_its_time_counts(
    sound: Sound, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zeros go first, once a batch size for all networks that are alike."""
    seen: list[tuple[int, bool]] = []
    row = BACKENDS["torch"]

    def make(*args: object) -> object:
        forward = row.make(*args)

        def watched(tiles: torch.Tensor) -> torch.Tensor:
            seen.append((len(tiles), not tiles.cpu().any()))
            return forward(tiles)

        return watched

    monkeypatch.setitem(BACKENDS, "torch", replace(row, make=make))
    run(sound.model, Engine(CUDA))
    assert seen == [(4, True), (4, False), (4, False)]  # two tiles of two flips, in two networks


def test_convolutions_are_tuned_where_there_is_time(
    sound: Sound, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seconds, expected in ((1100.0, True), (100.0, False)):
        monkeypatch.setattr(torch.backends.cudnn, "benchmark", not expected)
        list(predict(SMALL, sound.model, Engine(CUDA), Budget(seconds)))
        assert torch.backends.cudnn.benchmark is expected


def test_a_member_beyond_half_precision_is_run_again_in_single_precision(
    tmp_path: Path, gpu: FakeGpu, caplog: pytest.LogCaptureFixture
) -> None:
    model = overflowing(tmp_path, 1e5)
    expected = run(model, Engine(CPU, "torch"), CASE)
    assert "overflows half precision: it is run again in single precision" in caplog.text
    prediction = run(model, Engine(CUDA), CASE)
    assert (labels_of(prediction, model) == labels_of(expected, model)).mean() > 0.999
    assert len(np.unique(labels_of(prediction, model))) > 2
    assert np.isfinite(prediction.probabilities).all()


def test_logits_that_are_no_numbers_fail_the_case(tmp_path: Path) -> None:
    model = overflowing(tmp_path, float("nan"))
    with pytest.raises(CaseError, match=r"member .*fold_0.*: its logits are not finite"):
        run(model, Engine(CPU, "torch"))


def overflowing(tmp_path: Path, scale: float) -> Model:
    """Return a model whose logits are `scale` times as large as usual."""
    source = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset(), mirror_axes=())
    model = packed(tmp_path, source)
    checkpoint = model.members[0].checkpoint
    content = torch.load(checkpoint, weights_only=True)
    for name, value in content["network_weights"].items():
        if "seg_layers" in name:
            value.mul_(scale)
    torch.save(content, checkpoint)
    return model


def test_an_unknown_backend_is_refused_before_any_case() -> None:
    with pytest.raises(BackendError, match="no backend 'abacus'"):
        Engine(CPU, "abacus")


def test_a_backend_that_cannot_run_here_is_replaced_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert Engine(CPU, "channels-last").backend == "auto"
    assert "backend channels-last runs on cuda, not cpu; the backend is chosen" in caplog.text


def test_the_seconds_of_every_stage_are_known(tmp_path: Path) -> None:
    engine = Engine(CPU, "torch")
    list(predict(CASE, folds(tmp_path, 1), engine))
    assert set(engine.seconds) == {"prepare", "load", "networks", "blend", "restore"}
    assert all(seconds > 0 for seconds in engine.seconds.values())
