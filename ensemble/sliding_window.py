"""Tiles, mirroring, accumulation: where a network looks, and how its answers are blended."""

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage

from ensemble.backends import Forward

# As in nnU-Net 2.8: sigma is an eighth of the patch.
GAUSSIAN_SIGMA = 1 / 8

Place = tuple[slice, slice, slice]


class Sums:
    """Blended logits over one volume: of the member at work, and the mean of those before it.

    Both are kept as sums with their weights, voxel by voxel, so that a member may stop anywhere.
    They grow with the volume and its channels, not with the number of members.
    """

    def __init__(self, channels: int, shape: Sequence[int], device: torch.device) -> None:
        # One member's sums are in half precision because stock nnU-Net keeps them so: at a volume's
        # corners, where the Gaussian is nearly zero, the rounding is coarse enough to be seen.
        self._own = torch.zeros((channels, *shape), dtype=torch.half, device=device)
        self._own_weights = torch.zeros(tuple(shape), dtype=torch.half, device=device)
        self._total = torch.zeros((channels, *shape), device=device)
        self._weights = torch.zeros(tuple(shape), device=device)

    @property
    def device(self) -> torch.device:
        """Return where the sums are."""
        return self._weights.device

    def move(self, device: torch.device) -> None:
        """Take the sums to another device."""
        self._own, self._own_weights = self._own.to(device), self._own_weights.to(device)
        self._total, self._weights = self._total.to(device), self._weights.to(device)

    @torch.inference_mode()
    def add(self, logits: torch.Tensor, place: Place) -> None:
        """Add a tile's logits (channel, z, y, x) of the member at work, blended by the Gaussian."""
        gaussian = _importance_on(tuple(logits.shape[1:]), self.device)
        for own, tile in zip(self._own, logits.to(self.device), strict=True):
            own[place].add_(tile * gaussian)  # channel by channel: stays in the cache
        self._own_weights[place].add_(gaussian)

    @torch.inference_mode()
    def finish(self, weight: float) -> None:
        """Fold the member at work into the mean with a weight, and make room for the next one."""
        seen = self._own_weights > 0
        complete = bool(seen.all())
        for total, own in zip(self._total, self._own, strict=True):
            mean = own.div_(self._own_weights)
            total.add_(mean if complete else torch.where(seen, mean, 0), alpha=weight)
        self._weights.add_(seen, alpha=weight)
        self._own.zero_()
        self._own_weights.zero_()

    def own_logits(self, inner: tuple[slice, ...]) -> np.ndarray:
        """Return the logits (channel, ...) float32 of the member at work, 0 where it has none."""
        weights = self._own_weights[inner]
        mean = torch.where(weights > 0, self._own[(slice(None), *inner)] / weights, 0)
        return np.asarray(mean.float().cpu().numpy())

    def logits(self, inner: tuple[slice, ...]) -> np.ndarray:
        """Return the mean logits (channel, ...) float32 of finished members, 0 where none was."""
        weights = self._weights[inner].clamp(min=torch.finfo().tiny)
        return np.asarray((self._total[(slice(None), *inner)] / weights).cpu().numpy())


def pad(data: np.ndarray, patch: Sequence[int]) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Pad (channel, ...) with zeros to at least one patch; return the way back too."""
    short = [max(0, p - size) for p, size in zip(patch, data.shape[1:], strict=True)]
    inner = tuple(
        slice(s // 2, s // 2 + size) for s, size in zip(short, data.shape[1:], strict=True)
    )
    if not any(short):
        return data, inner
    return np.pad(data, [(0, 0), *((s // 2, s - s // 2) for s in short)]), inner


def tiles(shape: Sequence[int], patch: Sequence[int], step: float) -> Iterator[Place]:
    """Yield the places of the tiles: evenly spread, at most `step` of the patch apart."""
    starts = [_starts(size, side, step) for size, side in zip(shape, patch, strict=True)]
    for start in itertools.product(*starts):
        a, b, c = (slice(s, s + side) for s, side in zip(start, patch, strict=True))
        yield a, b, c


def count_tiles(shape: Sequence[int], patch: Sequence[int], step: float) -> int:
    """Return the number of tiles of a volume, which is padded to one patch where it is smaller."""
    sides = zip(shape, patch, strict=True)
    return math.prod(len(_starts(max(size, side), side, step)) for size, side in sides)


def mirrorings(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return every set of axes to flip, the empty one first (0 is the first spatial axis)."""
    return [c for n in range(len(axes) + 1) for c in itertools.combinations(axes, n)]


@torch.inference_mode()
def mean_over_mirrorings(
    forward: Forward, tile: torch.Tensor, axes: Sequence[int], batch: int
) -> torch.Tensor:
    """Return the mean logits (channel, z, y, x) of a tile (channel, z, y, x) over all mirrorings.

    Args:
        forward: what runs the network, on at most `batch` tiles at a time.
        tile: where the network is.
        axes: that the network was mirrored along in training; () runs it once.
        batch: mirrored tiles that run together.
    """
    flips = mirrorings(axes)
    mean: torch.Tensor | None = None
    for start in range(0, len(flips), batch):
        together = flips[start : start + batch]
        answers = forward(torch.stack([_flip(tile, flip) for flip in together]))
        for answer, flip in zip(answers, together, strict=True):
            back = _flip(answer, flip)
            if mean is None:
                mean = back if len(flips) == 1 else back.clone()
            else:
                mean += back
    if mean is None:
        raise ValueError("a batch of no tiles")
    return mean if len(flips) == 1 else mean.div_(len(flips))


def importance(patch: tuple[int, ...]) -> np.ndarray:
    """Return the blending weight of each voxel of a tile: a Gaussian, never zero."""
    profiles = []
    for side in patch:
        impulse = np.zeros(side)
        impulse[side // 2] = 1
        profiles.append(ndimage.gaussian_filter1d(impulse, side * GAUSSIAN_SIGMA, mode="constant"))
    gaussian = np.einsum("i,j,k->ijk", *profiles)
    # Stock nnU-Net keeps these weights in half precision, at ten times the height.
    gaussian = (gaussian / gaussian.max() * 10).astype(np.float16).astype(np.float32)
    gaussian[gaussian == 0] = gaussian[gaussian > 0].min()
    return gaussian


@lru_cache(maxsize=4)
def _importance_on(patch: tuple[int, ...], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(importance(patch)).to(device)


def _flip(tile: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """Flip a tile (channel, z, y, x)."""
    return torch.flip(tile, [axis + 1 for axis in axes]) if axes else tile


def _starts(size: int, side: int, step: float) -> list[int]:
    count = math.ceil((size - side) / (side * step)) + 1
    stride = (size - side) / (count - 1) if count > 1 else 0
    return [round(stride * i) for i in range(count)]
