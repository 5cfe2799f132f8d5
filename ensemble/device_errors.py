"""What a GPU's error means, and what is tried next: the rungs of a ladder, in a declared order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ensemble.sliding_window import SumsLost


class DeviceFailed(Exception):
    """Nothing is left to try on the GPU: the case is to be run anew, on the CPU."""


@dataclass(frozen=True)
class Failure:
    """An error of the device, without the traceback that would hold its tensors."""

    reason: str
    is_memory: bool = False
    spoilt_sums: bool = False

    @classmethod
    def of(cls, error: RuntimeError) -> "Failure":
        """Describe an error in one line."""
        line = (str(error).splitlines() or [type(error).__name__])[0]
        is_memory = isinstance(error, torch.OutOfMemoryError)
        reason = "out of GPU memory" if is_memory else f"GPU error ({line[:200]})"
        return cls(reason, is_memory, isinstance(error, SumsLost))


@dataclass(frozen=True)
class Rung:
    """One way to go on; `take` returns whether it was there to be taken."""

    what: str
    take: Callable[[], bool]


def step_down(failure: Failure, rungs: Sequence[Rung]) -> Rung:
    """Take the first rung that there is, and return it.

    Raises:
        DeviceFailed: no rung is left.
    """
    for rung in rungs:
        if rung.take():
            return rung
    raise DeviceFailed(f"{failure.reason}: the case is run anew on the CPU, much slower")


def answers(device: torch.device) -> bool:
    """Return whether a GPU still computes: after some errors a process has lost it for good."""
    try:
        return float(torch.ones(8, device=device).add_(1).sum().cpu().item()) == 16
    except RuntimeError:
        return False
