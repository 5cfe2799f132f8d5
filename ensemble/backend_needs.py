"""What backends need beside torch, and which of it is missing here."""

import os
import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import torch


def nothing(device: torch.device) -> None:
    """Return None: torch itself runs wherever this program does."""


def openvino(device: torch.device) -> str | None:
    """Return why OpenVINO cannot run, if it cannot."""
    return None if find_spec("openvino") else "openvino is not installed"


def triton(device: torch.device) -> str | None:
    """Return why Triton cannot compile a kernel for a GPU, if it cannot.

    Its own launcher is a C program, which it compiles at its first use (`triton/runtime/build.py`):
    by $CC, gcc or clang, with Python's headers. The image has no compiler.
    """
    if not find_spec("triton"):
        return "triton is not installed"
    compilers = [os.environ["CC"]] if "CC" in os.environ else ["gcc", "clang"]
    if not any(shutil.which(compiler) for compiler in compilers):
        return f"Triton needs a C compiler when it runs, {' or '.join(compilers)}"
    return _no_headers("Triton")


def torch_compile(device: torch.device) -> str | None:
    """Return why torch.compile cannot run, if it cannot: on a GPU it is Triton that compiles."""
    if device.type == "cuda":
        return triton(device)
    compiler = os.environ.get("CXX", "g++")
    if not shutil.which(compiler):
        return f"torch.compile needs a C++ compiler, {compiler}"
    return _no_headers("torch.compile")


def _no_headers(library: str) -> str | None:
    # Debian's scheme for what users install names a folder without headers.
    scheme = sysconfig.get_default_scheme().replace("posix_local", "posix_prefix")
    header = Path(sysconfig.get_path("include", scheme), "Python.h")
    return None if header.is_file() else f"{library} needs Python's headers, {header}"
