"""Which networks stay loaded, which backend runs them, and on which tile backends are compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from clock import Clock
from fake_gpu import FakeGpu
from small_models import CASE, folds, packed, scan

from ensemble import loaded_networks as module
from ensemble.backends import BACKENDS, Backend
from ensemble.budget import Budget
from ensemble.engine import Engine
from ensemble.loaded_networks import half_patch
from ensemble.plans import read_plan
from ensemble.predict import predict

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")


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
