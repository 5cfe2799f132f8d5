"""Tiles, mirroring, accumulation: where a network looks, and how its logits are blended."""

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

TileSlices = tuple[slice, slice, slice]


class LogitAccumulator:
    """Blended logits over one volume: of the running member, and the mean of finished ones.

    Both are sums (channel, z, y, x) with weights (z, y, x), so that a member may stop anywhere.
    Memory grows with the volume and its channels, not with the number of members.
    """

    def __init__(self, channels: int, shape: Sequence[int], device: torch.device) -> None:
        """Start at zero, for a volume of `shape` (z, y, x) on a device."""
        # One member's sums are in half precision as in stock nnU-Net: at a volume's corners, where
        # the Gaussian is nearly zero, the rounding is coarse enough to show in the labels.
        self._member_sum = torch.zeros((channels, *shape), dtype=torch.half, device=device)
        self._member_weights = torch.zeros(tuple(shape), dtype=torch.half, device=device)
        self._sum = torch.zeros((channels, *shape), device=device)
        self._weights = torch.zeros(tuple(shape), device=device)

    @property
    def device(self) -> torch.device:
        """Device of the sums."""
        return self._weights.device

    def move(self, device: torch.device) -> None:
        """Move the sums to another device."""
        self._member_sum, self._member_weights = (
            self._member_sum.to(device),
            self._member_weights.to(device),
        )
        self._sum, self._weights = self._sum.to(device), self._weights.to(device)

    @torch.inference_mode()
    def add(self, logits: torch.Tensor, position: TileSlices) -> None:
        """Add a tile's logits (channel, z, y, x) of the running member, blended by the Gaussian."""
        gaussian = _importance_on(tuple(logits.shape[1:]), self.device)
        for channel, tile in zip(self._member_sum, logits.to(self.device), strict=True):
            channel[position].add_(tile * gaussian)  # channel by channel: stays in the cache
        self._member_weights[position].add_(gaussian)

    @torch.inference_mode()
    def finish_member(self, weight: float) -> None:
        """Add the running member to the mean with a weight, and reset for the next one."""
        covered = self._member_weights > 0
        is_complete = bool(covered.all())
        for total, channel in zip(self._sum, self._member_sum, strict=True):
            mean = channel.div_(self._member_weights)
            total.add_(mean if is_complete else torch.where(covered, mean, 0), alpha=weight)
        self._weights.add_(covered, alpha=weight)
        self._member_sum.zero_()
        self._member_weights.zero_()

    def member_logits(self, inner: tuple[slice, ...]) -> np.ndarray:
        """Return the running member's logits (channel, ...) float32, 0 where it has none."""
        weights = self._member_weights[inner]
        mean = torch.where(weights > 0, self._member_sum[(slice(None), *inner)] / weights, 0)
        return np.asarray(mean.float().cpu().numpy())

    def logits(self, inner: tuple[slice, ...]) -> np.ndarray:
        """Return the mean logits (channel, ...) float32 of finished members, 0 where none ran."""
        weights = self._weights[inner].clamp(min=torch.finfo().tiny)
        return np.asarray((self._sum[(slice(None), *inner)] / weights).cpu().numpy())


def pad(data: np.ndarray, patch: Sequence[int]) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Pad (channel, ...) with zeros to at least one patch; return the slices of the data too."""
    short = [max(0, p - size) for p, size in zip(patch, data.shape[1:], strict=True)]
    inner = tuple(
        slice(s // 2, s // 2 + size) for s, size in zip(short, data.shape[1:], strict=True)
    )
    if not any(short):
        return data, inner
    return np.pad(data, [(0, 0), *((s // 2, s - s // 2) for s in short)]), inner


def tiles(shape: Sequence[int], patch: Sequence[int], step: float) -> Iterator[TileSlices]:
    """Yield the slices of each tile: evenly spread, at most `step` of the patch apart."""
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
    forward: Forward,
    tile: torch.Tensor,
    axes: Sequence[int],
    batch: int,
    unmirrored: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the mean logits (channel, z, y, x) of a tile (channel, z, y, x) over all mirrorings.

    Args:
        forward: what runs the network, on at most `batch` tiles at a time.
        tile: where the network is.
        axes: that the network was mirrored along in training; () runs it once.
        batch: mirrored tiles that run together.
        unmirrored: logits of the tile as it is, where they are known already.
    """
    flips = mirrorings(axes)
    if len(flips) == 1 and unmirrored is not None:
        return unmirrored
    mean = None if unmirrored is None else unmirrored.clone()
    remaining = flips if unmirrored is None else flips[1:]
    for start in range(0, len(remaining), batch):
        together = remaining[start : start + batch]
        outputs = forward(torch.stack([_flip(tile, flip) for flip in together]))
        for output, flip in zip(outputs, together, strict=True):
            back = _flip(output, flip)
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
