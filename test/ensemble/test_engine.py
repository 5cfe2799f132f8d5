"""When memory runs out: fewer tiles together, sums on the host, the CPU, each logged."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from test_predict import CASE, folds, packed

from ensemble import engine as module
from ensemble.backends import BACKENDS, Backend, BackendError
from ensemble.engine import Engine, half_patch
from ensemble.plans import read_plan
from ensemble.predict import predict

CPU = torch.device("cpu")


class Pretended(Engine):
    """An engine on a GPU that is really the CPU, short of memory for the first few attempts."""

    def __init__(self, failures: int) -> None:
        super().__init__(torch.device("cpu"), "torch")
        self.pretends = True
        self._together = 8
        self.failures = failures

    def reduce_memory(self, accumulator: object) -> bool:
        # The ladder reads the device: until the last rung it is "cuda".
        real, self.device = self.device, torch.device("cuda") if self.pretends else self.device
        try:
            reduced = super().reduce_memory(None)
        finally:
            self.pretends = self.pretends and self.device.type == "cuda"
            self.device = real
        return reduced


def fail_at_first(monkeypatch: pytest.MonkeyPatch, engine: Pretended) -> list[int]:
    real, batches = module.mean_over_mirrorings, []

    def short_of_memory(
        forward: object, tile: object, axes: object, together: int, unmirrored: object
    ) -> object:
        batches.append(together)
        if len(batches) <= engine.failures:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(forward, tile, axes, together, unmirrored)

    monkeypatch.setattr(module, "mean_over_mirrorings", short_of_memory)
    return batches


def test_the_ladder_is_climbed_down_and_the_answer_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "podium")
    model = folds(tmp_path, 2)
    (expected,) = predict(CASE, model, Engine(CPU, "torch"))
    engine = Pretended(failures=5)
    batches = fail_at_first(monkeypatch, engine)
    (prediction,) = predict(CASE, model, engine)
    np.testing.assert_allclose(prediction.probabilities, expected.probabilities, atol=1e-3)
    assert batches[:7] == [8, 4, 2, 1, 1, 1, 1]
    assert [record.message for record in caplog.records if "memory" in record.message] == [
        "out of GPU memory: 4 mirrored tiles together",
        "out of GPU memory: 2 mirrored tiles together",
        "out of GPU memory: 1 mirrored tiles together",
        "out of GPU memory: logits are accumulated on the host",
        "out of GPU memory: the CPU is used, much slower",
    ]
    assert engine.backend == "auto"


def test_when_nothing_is_left_to_reduce_the_error_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = packed(tmp_path, tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset()))
    engine = Pretended(failures=99)
    fail_at_first(monkeypatch, engine)
    with pytest.raises(torch.OutOfMemoryError):
        list(predict(CASE, model, engine))


def test_networks_stay_loaded_only_where_they_are_needed_again(tmp_path: Path) -> None:
    model = folds(tmp_path, 2)
    for keeps_networks, expected in ((False, 1), (True, 2)):
        engine = Engine(CPU, "torch", keeps_networks=keeps_networks)
        first = engine.load(model.members[0], 1)
        engine.load(model.members[1], 1)
        assert len(engine._loaded) == expected
        assert (engine.load(model.members[0], 1) is first) == keeps_networks


@pytest.mark.parametrize(("long_run_s", "expected"), [(60.0, "openvino"), (0.0, "torch")])
def test_only_a_long_run_is_worth_comparing_backends_for(
    long_run_s: float, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first tile measures the pace; from the second on the faster backend runs."""
    monkeypatch.setattr(module, "LONG_RUN_S", long_run_s)
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


def test_a_backend_that_cannot_run_is_refused_before_any_case() -> None:
    with pytest.raises(BackendError, match="no backend 'abacus'"):
        Engine(CPU, "abacus")


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
