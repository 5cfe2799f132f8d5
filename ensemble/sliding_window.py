"""Tiles, mirroring, accumulation: where a network looks, and how its logits are blended."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from scipy import ndimage

from ensemble.backends import Forward
from ensemble.batch_size import batch_sizes

# As in nnU-Net 2.8: sigma is an eighth of the patch.
GAUSSIAN_SIGMA = 1 / 8

TileSlices = tuple[slice, slice, slice]


class SumsLost(RuntimeError):
    """A device failed in the middle of an addition: the sums are no longer what they should be."""


class LogitAccumulator:
    """Blended logits over one volume: of the running member, and the mean of finished ones.

    Both are sums (channel, z, y, x) with weights (z, y, x), so that a member may stop anywhere.
    Memory grows with the volume and its channels, not with the number of members. What takes memory
    is allocated before a sum is changed: a call that fails for want of it may be repeated.
    """

    def __init__(self, channels: int, shape: Sequence[int], device: torch.device) -> None:
        """Start at zero, for a volume of `shape` (z, y, x) on a device."""
        # One member's sums are in half precision as in stock nnU-Net: at a volume's corners, where
        # the Gaussian is nearly zero, the rounding is coarse enough to show in the labels.
        self._member_sum = torch.zeros((channels, *shape), dtype=torch.half, device=device)
        self._member_weights = torch.zeros(tuple(shape), dtype=torch.half, device=device)
        self._sum = torch.zeros((channels, *shape), device=device)
        self._weights = torch.zeros(tuple(shape), device=device)
        self._importance: dict[tuple[int, ...], torch.Tensor] = {}  # by the size of a tile

    @property
    def device(self) -> torch.device:
        """Device of the sums."""
        return self._weights.device

    def move(self, device: torch.device) -> None:
        """Move the sums to another device; after an error they are all where they were."""
        sums = self._member_sum, self._member_weights, self._sum, self._weights
        moved = [each.to(device) for each in sums]
        self._member_sum, self._member_weights, self._sum, self._weights = moved
        self._importance = {}

    def add(self, logits: torch.Tensor, position: TileSlices) -> None:
        """Add a tile's logits (channel, z, y, x) of the running member, blended by the Gaussian.

        Raises:
            SumsLost: the device failed while the sums were changed.
        """
        gaussian = self._importance_of(tuple(logits.shape[1:]))
        blended: Iterable[torch.Tensor] = (t * gaussian for t in logits.to(self.device).unbind())
        if self.device.type != "cpu":
            blended = list(blended)
        with _changing():
            for channel, tile in zip(self._member_sum.unbind(), blended, strict=True):
                channel[position].add_(tile)  # channel by channel: stays in the cache
            self._member_weights[position].add_(gaussian)

    def overflows(self) -> bool:
        """Return whether the running member's sums hold what is not finite."""
        return not all(np.isfinite(end.cpu().item()) for end in torch.aminmax(self._member_sum))

    def restart_member(self) -> None:
        """Forget the running member, and add what comes in single precision."""
        self._member_sum = torch.zeros_like(self._sum)
        self._member_weights = torch.zeros_like(self._weights)

    def finish_member(self, weight: float) -> None:
        """Add the running member to the mean with a weight, and reset for the next one.

        Raises:
            SumsLost: the device failed while the sums were changed.
        """
        missing = self._member_weights == 0
        is_complete = not missing.any().cpu().item()
        mean, covered = torch.empty_like(self._member_weights), torch.logical_not(missing)
        is_half = self._member_sum.dtype == torch.half
        sums = self._member_sum if is_half else self._member_sum.half()
        weights = self._member_weights if is_half else self._member_weights.half()
        with _changing():
            for total, channel in zip(self._sum.unbind(), self._member_sum.unbind(), strict=True):
                torch.div(channel, self._member_weights, out=mean)
                if not is_complete:
                    mean.masked_fill_(missing, 0)
                total.add_(mean, alpha=weight)
            self._weights.add_(covered, alpha=weight)
            self._member_sum, self._member_weights = sums.zero_(), weights.zero_()

    def member_logits(self, inner: tuple[slice, ...]) -> np.ndarray:
        """Return the running member's logits (channel, ...) float32, 0 where it has none."""
        weights = self._member_weights[inner]
        means = (channel[inner] / weights for channel in self._member_sum.unbind())
        return _on_host(torch.where(weights > 0, mean, 0) for mean in means)

    def logits(self, inner: tuple[slice, ...]) -> np.ndarray:
        """Return the mean logits (channel, ...) float32 of finished members, 0 where none ran."""
        weights = self._weights[inner].clamp(min=torch.finfo().tiny)
        return _on_host(channel[inner] / weights for channel in self._sum.unbind())

    def _importance_of(self, patch: tuple[int, ...]) -> torch.Tensor:
        if patch not in self._importance:
            self._importance[patch] = torch.from_numpy(importance(patch)).to(self.device)
        return self._importance[patch]


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
    """Yield the slices of each tile: evenly spread, at most `step` of the patch apart.

    Where a patch is one voxel thick, that is one voxel: no tile comes twice.
    """
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


def mean_over_mirrorings(
    forward: Forward,
    tiles: torch.Tensor,
    axes: Sequence[int],
    batch: int,
    unmirrored: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the mean logits (n, channel, z, y, x) of tiles (n, channel, z, y, x) over mirrorings.

    Args:
        forward: what runs the network, on at most `batch` tiles at a time.
        tiles: where the network is.
        axes: that the network was mirrored along in training; () runs it once.
        batch: tiles, mirrored or not, that run together.
        unmirrored: logits of the tiles as they are, where they are known already.
    """
    flips = mirrorings(axes)
    if len(flips) == 1 and unmirrored is not None:
        return unmirrored
    remaining = flips if unmirrored is None else flips[1:]
    passes = [(i, flip) for i in range(len(tiles)) for flip in remaining]
    if len(flips) == 1 and len(passes) <= batch:
        return forward(tiles)
    total = None if unmirrored is None else unmirrored.clone()
    start = 0
    for size in batch_sizes(len(passes), batch):
        together = passes[start : start + size]
        outputs = forward(torch.stack([_flip(tiles[i], flip) for i, flip in together]))
        if total is None:
            total = outputs.new_zeros((len(tiles), *outputs.shape[1:]))
        for output, (i, flip) in zip(outputs.unbind(), together, strict=True):
            total[i].add_(_flip(output, flip))
        start += size
    if total is None:
        raise ValueError("a batch of no tiles")
    return total.div_(len(flips))


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


@contextmanager
def _changing() -> Iterator[None]:
    """Turn what a device raises while sums are changed into SumsLost."""
    try:
        yield
    except RuntimeError as error:
        raise SumsLost(str(error)) from None


def _on_host(channels: Iterable[torch.Tensor]) -> np.ndarray:
    """Bring channels to the host one by one, as float32 (channel, ...)."""
    return np.stack([channel.float().cpu().numpy() for channel in channels])


def _flip(tile: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """Flip a tile (channel, z, y, x)."""
    return torch.flip(tile, [axis + 1 for axis in axes]) if axes else tile


def _starts(size: int, side: int, step: float) -> list[int]:
    count = math.ceil((size - side) / max(side * step, 1)) + 1
    stride = (size - side) / (count - 1) if count > 1 else 0
    return [round(stride * i) for i in range(count)]
