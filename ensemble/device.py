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
        return torch.device("cuda", 0)
    if wanted == "cuda" or driver_version():
        log.warning("GPU cannot be used (%s); the CPU is used, much slower", reason)
    return torch.device("cpu")


def describe_device(device: torch.device) -> dict[str, str | int | None]:
    """Return what a run record says of a device: card, driver, versions, memory and its peak."""
    description: dict[str, str | int | None] = {
        "type": device.type,
        "card": None,
        "driver": driver_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "memory_mib": None,
        "peak_memory_mib": None,
    }
    if device.type == "cuda":
        try:
            properties = torch.cuda.get_device_properties(device)
            peak_bytes = torch.cuda.max_memory_reserved(device)
        except RuntimeError:  # the device is lost; the record is written all the same
            return description
        sizes = {"memory_mib": properties.total_memory >> 20, "peak_memory_mib": peak_bytes >> 20}
        description |= {"card": properties.name, **sizes}
    return description


def free_bytes(device: torch.device) -> int:
    """Return the memory of a GPU that a new tensor could have: free, or cached by torch."""
    free, _ = torch.cuda.mem_get_info(device)
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + cached)


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was asked to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def empty_cache(device: torch.device) -> None:
    """Give memory that torch holds but does not use back to a GPU."""
    if device.type == "cuda":
        try:
            torch.cuda.empty_cache()
        except RuntimeError as error:  # what comes next finds out whether the device still works
            log.warning("GPU memory cannot be given back (%s)", str(error).splitlines()[0])


def set_autotune(wanted: bool) -> None:
    """Switch cuDNN's autotuner, which times its kernels at the first pass of each shape."""
    torch.backends.cudnn.benchmark = wanted


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
