"""A GPU that computes on the CPU, counts what it is asked to do, and fails where a test says so.

Its tensors say that they are on `cuda`; torch refuses to mix them with others, as on a real one. A
failure comes before the operation: the n-th one raises, once or from then on.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
NO_ENGINE = RuntimeError("GET was unable to find an engine to execute this computation")
NO_HANDLE = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)")
LAUNCH = RuntimeError(
    "CUDA error: an illegal memory access was encountered\nCUDA kernel errors ..."
)
GIB = 2**30
# Views and questions: on a GPU they compute nothing, and cannot fail.
NO_WORK = {
    f"aten::{name}"
    for name in ("detach", "alias", "view", "select", "slice", "unbind", "permute", "unsqueeze")
} | {"aten::_has_compatible_shallow_copy_type"}


class FakeGpu:
    """Counts operations; `fail_at` says which one fails, how, and whether all later ones do."""

    def __init__(self, memory_bytes: int = 16 * GIB) -> None:
        self.memory_bytes = memory_bytes
        self.operations: list[str] = []
        self.threads: set[int] = set()  # that asked for operations
        self.fail_at: int | None = None
        self.error: RuntimeError = OUT_OF_MEMORY
        self.fails_forever = False

    def fail(self, at: int, error: RuntimeError, forever: bool = False) -> None:
        """Raise an error at the n-th operation from now on, the first being 0."""
        self.operations.clear()
        self.fail_at, self.error, self.fails_forever = at, error, forever

    def before(self, operation: str) -> None:
        """Count an operation, or fail."""
        number = len(self.operations)
        self.operations.append(operation)
        self.threads.add(threading.get_ident())
        if self.fail_at is not None and (
            number == self.fail_at or (self.fails_forever and number > self.fail_at)
        ):
            raise type(self.error)(*self.error.args)

    @contextmanager
    def present(self) -> Iterator[None]:
        """Let torch see the GPU in this thread."""
        with _Dispatch(self):
            yield

    def attach(self) -> None:
        """Let torch see the GPU in this thread as long as it lives."""
        _Dispatch(self).__enter__()

    def run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run one operation of torch."""
        on_gpu = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, GpuTensor)]
        # `aten::to` takes the device by its position too.
        target = next((a for a in args if isinstance(a, torch.device)), kwargs.get("device"))
        makes_gpu = target is not None and torch.device(target).type == "cuda"
        if not on_gpu and not makes_gpu:
            return func(*args, **kwargs)
        if _works(func.name().split(".")[0], args, kwargs, makes_gpu):
            self.before(func.name())
        plain = {k: torch.device("cpu") if k == "device" else v for k, v in kwargs.items()}
        args = tuple(torch.device("cpu") if isinstance(a, torch.device) else a for a in args)
        result = func(*tree_map(_inner, args), **tree_map(_inner, plain))
        if target is not None and not makes_gpu:
            return result
        known = {id(tensor.inner): tensor for tensor in on_gpu}

        def wrap(leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor):
                return leaf
            return known[id(leaf)] if id(leaf) in known else GpuTensor(leaf, self)

        return tree_map(wrap, result)


class GpuTensor(torch.Tensor):
    """A tensor that says it is on the GPU; its values are those of `inner`, on the CPU."""

    inner: torch.Tensor
    gpu: FakeGpu

    @staticmethod
    def __new__(cls, inner: torch.Tensor, gpu: FakeGpu) -> "GpuTensor":
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), **layout, dtype=inner.dtype, device="cuda:0", requires_grad=False
        )
        made.inner, made.gpu = inner, gpu
        return made

    def __repr__(self) -> str:
        return f"GpuTensor({self.inner!r})"

    def __getitem__(self, index: Any) -> Any:  # torch's own asks a library that a CPU build lacks
        result, axis = self, 0
        indices = index if isinstance(index, tuple) else (index,)
        for each in indices:
            if each is ...:
                axis += self.dim() - sum(i is not None for i in indices) + 1
            elif each is None:
                result, axis = torch.ops.aten.unsqueeze(result, axis), axis + 1
            elif isinstance(each, slice):
                ends = each.start, each.stop, each.step or 1
                result, axis = torch.ops.aten.slice(result, axis, *ends), axis + 1
            else:
                result = torch.ops.aten.select(result, axis, each)
        return result

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        gpu = next(leaf.gpu for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, GpuTensor))
        return gpu.run(func, args, kwargs or {})


class _Dispatch(TorchDispatchMode):
    def __init__(self, gpu: FakeGpu) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self.gpu.run(func, args, kwargs or {})


def install(monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu) -> None:
    """Let torch.cuda answer for a GPU that nobody else uses."""
    properties = SimpleNamespace(name="Pretended T4", total_memory=gpu.memory_bytes)
    answers = {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "synchronize": lambda device=None: gpu.before("synchronize"),
        "empty_cache": lambda: None,
        "mem_get_info": lambda device=None: (gpu.memory_bytes, gpu.memory_bytes),
        "memory_reserved": lambda device=None: 0,
        "memory_allocated": lambda device=None: 0,
        "max_memory_reserved": lambda device=None: 3 * GIB,
        "get_device_properties": lambda device=None: properties,
        "get_device_name": lambda device=None: properties.name,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    # Autocast to half precision is what a GPU does; torch switches it off where there is none.
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    torch.__future__.set_overwrite_module_params_on_conversion(True)


def remove() -> None:
    """Undo what `install` changed beyond the monkeypatch."""
    torch.__future__.set_overwrite_module_params_on_conversion(False)


def _works(name: str, args: Any, kwargs: dict[str, Any], makes_gpu: bool) -> bool:
    """Return whether an operation computes or copies something."""
    if name != "aten::to":
        return name not in NO_WORK
    source = args[0]
    dtypes = [each for each in (*args[1:], kwargs.get("dtype")) if isinstance(each, torch.dtype)]
    moves = "device" in kwargs or any(isinstance(each, torch.device) for each in args)
    stays = isinstance(source, GpuTensor) and (makes_gpu or not moves)
    return not stays or dtypes not in ([], [source.dtype])


def _inner(leaf: Any) -> Any:
    return leaf.inner if isinstance(leaf, GpuTensor) else leaf
