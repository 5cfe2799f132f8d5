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
from clock import Clock
from fake_gpu import GIB, LAUNCH, NO_ENGINE, NO_HANDLE, OUT_OF_MEMORY, FakeGpu
from test_predict import CASE, folds, packed
from test_stock import scan

from challenge.case import Case, CaseError
from challenge.scheme import labels_from
from ensemble import loaded_networks as module
from ensemble.backends import BACKENDS, Backend, BackendError
from ensemble.budget import Budget
from ensemble.engine import Engine
from ensemble.loaded_networks import half_patch
from ensemble.manifest import Model
from ensemble.plans import read_plan
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


def test_a_slow_first_call_of_a_gpu_drops_nothing_that_would_have_fitted(
    tmp_path: Path, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five members, 24 tiles, eight flips; the first call tunes for 90 s, each batch takes 2 s."""
    source = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset(), range(5))
    model, clock = packed(tmp_path, source), Clock(1000.0)
    case, calls = scan((40, 36, 38), (1, 1, 1), 3), []
    monkeypatch.setattr(module, "MOST_VOXELS", 0)  # eight flips of one tile run together

    def make(*_: object) -> object:
        def forward(tiles: torch.Tensor) -> torch.Tensor:
            clock.now += 2.0 if calls else 90.0
            calls.append(len(tiles))
            logits = torch.zeros((len(tiles), 5, 16, 16, 16), device=CUDA)
            logits[:, 3].add_(9)
            return logits

        return forward

    monkeypatch.setitem(BACKENDS, "torch", replace(BACKENDS["torch"], make=make))
    *_, prediction = predict(case, model, Engine(CUDA), Budget(1200.0, clock))
    assert prediction.skipped == ()
    assert prediction.members_run == 5
    assert set(calls) == {8}
    assert clock.now - 1000 < 1200


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


def test_networks_stay_loaded_only_where_they_are_needed_again(tmp_path: Path) -> None:
    model = folds(tmp_path, 2)
    for keeps_networks, expected in ((False, 1), (True, 2)):
        engine = Engine(CPU, "torch", keeps_networks=keeps_networks)
        first = engine.load(model.members[0])
        engine.load(model.members[1])
        assert len(engine._networks._loaded) == expected
        assert (engine.load(model.members[0]) is first) == keeps_networks


@pytest.mark.parametrize(("long_run_s", "expected"), [(60.0, "openvino"), (0.0, "torch")])
def test_only_a_long_run_is_worth_comparing_backends_for(
    long_run_s: float, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first tile measures the pace; from the second on the faster backend runs."""
    monkeypatch.setattr(module, "LONG_RUN_S", {"cpu": long_run_s})
    monkeypatch.setattr(module, "choose_backend", lambda *_: BACKENDS["torch"])
    model, made = folds(tmp_path, 2), []
    for name in ("openvino", "torch"):
        row = BACKENDS[name]

        def make(*args: object, row: Backend = row) -> object:
            made.append(row.name)
            return row.make(*args)

        monkeypatch.setitem(BACKENDS, name, replace(row, make=make))
    (prediction,) = predict(CASE, model, Engine(CPU))
    assert made[0] == "openvino"
    assert set(made[1:]) == {expected}
    (expected_answer,) = predict(CASE, model, Engine(CPU, "torch"))
    np.testing.assert_allclose(prediction.probabilities, expected_answer.probabilities, atol=1e-3)


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


@pytest.mark.parametrize(
    ("patch", "strides", "expected"),
    [
        ((128, 160, 112), [[1, 1, 1], *[[2, 2, 2]] * 4, [2, 2, 1]], (64, 64, 48)),
        ((48, 64, 64), [1, 2, 2, 2, 2], (32, 32, 32)),
        ((16, 16, 20), [[1, 1, 1], [2, 2, 2], [2, 2, 1]], (8, 8, 10)),
        ((8, 8, 8), [1, 2, 2, 2], (8, 8, 8)),
    ],
)
def test_half_a_patch_can_still_be_halved(patch: tuple, strides: list, expected: tuple) -> None:
    plan = replace(
        read_plan(tiny.plans(), "3d_fullres"), patch=patch, arguments={"strides": strides}
    )
    assert half_patch(plan) == expected


def test_a_network_for_one_patch_gets_that_patch() -> None:
    plan = read_plan(tiny.primus_plans("PrimusV2", patch=(16, 48, 24)), "3d_fullres")
    assert half_patch(plan) == (16, 48, 24)


def test_a_mednext_halves_a_tile_four_times() -> None:
    plan = read_plan(tiny.mednext_plans(), "3d_fullres")
    assert half_patch(replace(plan, patch=(128, 160, 112))) == (64, 80, 48)
    assert half_patch(replace(plan, patch=(32, 96, 16))) == (32, 48, 16)
