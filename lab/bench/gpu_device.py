"""The first lines of `bench gpu`: the card, what drives it, and the most that it computes."""

import platform
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

import torch

from challenge.refusal import Refusal
from ensemble.device import driver_version
from lab.bench.device_peak import device_peak
from lab.bench.gpu_part import Column, Context, Part, Row

COLUMNS = (
    Column("what", "", 8),
    Column("tflops", "TFLOP/s", 9, ".2f"),
    Column("memory_mib", "MiB", 9, "d"),
    Column("card", "card", 36),
    Column("driver", "driver", 14),
    Column("torch", "torch", 16),
    Column("cuda", "CUDA", 7),
    Column("python", "Python", 9),
    Column("nnunetv2", "nnunetv2", 10),
)


class NoGpu(Refusal):
    """There is no GPU that torch can use."""


def check_gpu() -> None:
    """Refuse to measure a GPU where there is none.

    Raises:
        NoGpu: saying what runs without one.
    """
    if not torch.cuda.is_available():
        built = torch.version.cuda or "none"
        raise NoGpu(
            f"--device cuda: torch {torch.__version__} (built for CUDA {built}) sees no GPU; "
            "--device cpu rehearses the measurement"
        )


def device_part(device: str) -> Part:
    """Return the part: what the shares of the peak refer to."""
    kind = "half precision" if device == "cuda" else "float32, and a convolution"
    title = f"the device; its peak by a matrix product, {kind}"
    return Part("device", title, ("peak",), measure, COLUMNS, 0)


def measure(what: str, context: Context) -> Iterator[Row]:
    """Measure the peak, and describe the device."""
    flops = device_peak(context.device)
    row: Row = {
        "flops": flops,
        "tflops": flops / 1e12,
        "card": platform.processor() or platform.machine(),
        "driver": driver_version() or _driver_by_nvidia_smi(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "python": platform.python_version(),
        "nnunetv2": _version("nnunetv2"),
    }
    if context.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        row |= {
            "card": properties.name,
            "memory_mib": properties.total_memory >> 20,
            "capability": f"{properties.major}.{properties.minor}",
        }
    yield row


def _driver_by_nvidia_smi() -> str | None:
    """Return the driver's version where a sandbox hides the kernel's file."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return answer.stdout.strip().splitlines()[0]
    return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
