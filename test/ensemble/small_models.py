"""Small scans, packed models of tiny networks, and an engine whose networks answer by a script."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tiny
import torch
from clock import Clock

from challenge.case import Case
from challenge.scheme import MRI_SEQUENCES
from ensemble.backends import BACKENDS
from ensemble.engine import Engine
from ensemble.loaded_networks import LoadedNetwork
from ensemble.manifest import Member, Model, verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab


def scan(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], margin: int) -> Case:
    """Smooth random images with `margin` zero voxels on every side."""
    rng = np.random.default_rng(0)
    inner = tuple(side - 2 * margin for side in shape)
    images = {}
    for sequence in MRI_SEQUENCES:
        coarse = torch.from_numpy(rng.normal(300, 90, (1, 1, 7, 7, 7))).float()
        image = np.zeros(shape, np.float32)
        window = tuple(slice(margin, side - margin) for side in shape)
        image[window] = torch.nn.functional.interpolate(coarse, inner, mode="trilinear")[0, 0]
        images[sequence] = image
    return Case("case", images, spacing_mm)


CASE = scan((20, 18, 22), (1, 1, 1), 2)
LONG = scan((36, 20, 20), (1, 1, 1), 2)  # three tiles in a row; two, where they do not overlap
Network = Callable[[torch.Tensor], torch.Tensor]


def engine() -> Engine:
    return Engine(torch.device("cpu"), "torch")


def probabilities_of(case: Case, model: Model) -> np.ndarray:
    (prediction,) = predict(case, model, engine())
    return prediction.probabilities


def packed(tmp_path: Path, *sources: Path, flags: tuple[str, ...] = ()) -> Model:
    out = str(tmp_path / "weights")
    lab(["pack", *map(str, sources), "--model", "m", "--scheme", "brats-gli", "--out", out, *flags])
    return verify_model(tmp_path / "weights" / "m" / "MANIFEST.json")


def folds(tmp_path: Path, n: int, *flags: str) -> Model:
    source = tiny.train(tmp_path / "folds", tiny.plans(), tiny.dataset(), folds=range(n))
    return packed(tmp_path, source, flags=flags)


class Scripted(Engine):
    """An engine whose networks answer by a script and record each call."""

    def __init__(self, networks: list[Network], model: Model) -> None:
        super().__init__(torch.device("cpu"), "torch")
        names = [member.name for member in model.members]
        self.networks, self.calls = dict(zip(names, networks, strict=True)), []

    def _load(self, member: Member, tiles: int, flips: int) -> LoadedNetwork:
        def forward(tiles: torch.Tensor) -> torch.Tensor:
            self.calls.append(member.name)
            return self.networks[member.name](tiles)

        return LoadedNetwork(forward, BACKENDS["torch"])


def always(channel: int, sure: float = 20.0) -> Network:
    """Return a network that is certain of one of five channels."""

    def forward(tiles: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros((len(tiles), 5, *tiles.shape[2:]))
        logits[:, channel] = sure
        return logits

    return forward


def slow(clock: Clock, seconds: Callable[[], float], inner: Network) -> Network:
    def forward(tiles: torch.Tensor) -> torch.Tensor:
        clock.now += seconds() * len(tiles)
        return inner(tiles)

    return forward
