"""How many tiles a network takes together on a GPU: from a pass, traced without running it."""

import math
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Of the memory that is free: the trace knows no workspace of cuDNN and no fragmentation.
MEMORY_SHARE = 0.6
# Some versions of cuDNN compute tensors of more elements wrongly (pytorch issue 163539).
MOST_ELEMENTS = 2**31 - 1
# Tiles of a small patch run together until there are as many voxels: eight of 128x160x112.
MOST_VOXELS = 8 * 128 * 160 * 112


@dataclass(frozen=True)
class PassMemory:
    """What one tile takes on its way through a network, without the weights."""

    peak_bytes: int
    largest_elements: int  # of the largest tensor


def trace_pass(
    network: nn.Module, tile_shape: tuple[int, ...], precision: torch.dtype = torch.half
) -> PassMemory:
    """Return what a pass takes, in half precision unless another is named.

    Args:
        network: on the meta device, where nothing is computed; its weights change precision.
        tile_shape: (channel, z, y, x).
        precision: of weights and tile.
    """
    network, trace = network.to(precision), _Trace()
    with torch.inference_mode(), trace:
        tile = torch.empty((1, *tile_shape), dtype=precision, device="meta")
        trace.add(tile)
        network(tile)
    return PassMemory(trace.peak_bytes, trace.largest_elements)


def batch_that_fits(memory: PassMemory, free_bytes: int, most: int) -> int:
    """Return how many tiles run together: a power of two, at least 1, at most `most`.

    Args:
        memory: of one tile.
        free_bytes: on the device.
        most: tiles that there are to run.
    """
    fits = int(MEMORY_SHARE * free_bytes) // max(memory.peak_bytes, 1)
    below_limit = MOST_ELEMENTS // max(memory.largest_elements, 1)
    return largest_power_of_two(max(1, min(most, fits, below_limit)))


def batch_sizes(count: int, most: int) -> Iterator[int]:
    """Yield the sizes of the batches that `count` tiles run in, `most` at a time.

    What remains runs in powers of two, so that few shapes occur: each costs a GPU its autotuning.
    """
    while count > 0:
        size = most if count >= most else largest_power_of_two(count)
        yield size
        count -= size


def largest_power_of_two(number: int) -> int:
    """Return the largest power of two that is at most `number`, which is at least 1."""
    return int(1 << (number.bit_length() - 1))


class _Trace(TorchDispatchMode):
    """Adds up the storages that are alive after each operation."""

    def __init__(self) -> None:
        super().__init__()
        self.peak_bytes = self.largest_elements = self._live_bytes = 0
        self._users: dict[int, int] = {}  # tensors of each storage

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler, which takes seconds

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = _shaped_like(func.name(), args)
        if result is None:
            result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.add(leaf)
        if func.name() == "aten::scaled_dot_product_attention":
            self.peak_bytes = max(self.peak_bytes, self._live_bytes + _scores_bytes(*args[:2]))
        return result

    def add(self, tensor: torch.Tensor) -> None:
        """Count a tensor until it is freed."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        self.largest_elements = max(self.largest_elements, tensor.numel())
        if key not in self._users:
            self._live_bytes += size
            self.peak_bytes = max(self.peak_bytes, self._live_bytes)
        self._users[key] = self._users.get(key, 0) + 1
        weakref.finalize(tensor, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._users[key] -= 1
        if not self._users[key]:
            del self._users[key]
            self._live_bytes -= size


def _scores_bytes(query: torch.Tensor, key: torch.Tensor) -> int:
    """Return what the scores of all pairs of tokens and their softmax take, in single precision.

    Newer GPUs never hold them; one without a fused kernel for the heads' size, as a T4, does.
    """
    return 2 * torch.float32.itemsize * math.prod(query.shape[:-1]) * key.shape[-2]


def _shaped_like(name: str, args: Any) -> torch.Tensor | None:
    """Return the result of an operation that takes torch seconds on the meta device, or None.

    It composes these of others in Python, for which it imports its compiler first.
    """
    if name in ("aten::instance_norm", "aten::batch_norm", "aten::group_norm", "aten::gelu"):
        return torch.empty_like(args[0])
    if name.endswith("_"):
        return args[0]
    if name == "aten::cat":
        tensors, axis = args[0], args[1] if len(args) > 1 else 0
        shape = list(tensors[0].shape)
        shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
        return tensors[0].new_empty(shape)
    return None
