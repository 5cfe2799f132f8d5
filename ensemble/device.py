"""Which processor to run on, and why not the other one."""

import logging
import re
import warnings
from pathlib import Path

import torch

log = logging.getLogger("podium")


def choose_device(wanted: str) -> torch.device:
    """Return the device for `auto`, `cuda` or `cpu`, and log torch, CUDA and driver.

    A GPU that cannot be used (no driver, a driver older than the CUDA that torch was built for, a
    chip this torch has no code for) is a warning, and the CPU is used: slow labels count, a dead
    container's do not.
    """
    cuda, driver = torch.version.cuda or "none", driver_version() or "none"
    log.info("torch %s, built for CUDA %s, driver %s", torch.__version__, cuda, driver)
    if wanted == "cpu":
        return torch.device("cpu")
    reason = _why_no_gpu()
    if reason is None:
        log.info("running on %s", torch.cuda.get_device_name(0))
        return torch.device("cuda")
    if wanted == "cuda" or driver_version():
        log.warning("GPU cannot be used (%s); the CPU is used, much slower", reason)
    return torch.device("cpu")


def driver_version() -> str | None:
    """Return the NVIDIA kernel driver's version, or None where there is none."""
    path = Path("/proc/driver/nvidia/version")
    if not path.is_file():
        return None
    match = re.search(r"\s(\d+\.\d+(\.\d+)?)\s", path.read_text(encoding="utf-8"))
    return match[1] if match else "unknown"


def _why_no_gpu() -> str | None:
    if torch.version.cuda is None:
        return "this torch is a CPU build"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if not torch.cuda.is_available():
            return str(caught[0].message).splitlines()[0] if caught else "no CUDA device"
        try:
            torch.zeros(8, device="cuda").add_(1).sum().item()
        except RuntimeError as error:
            return str(error).splitlines()[0]
    return None
