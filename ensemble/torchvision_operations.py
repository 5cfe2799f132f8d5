"""Lets timm be imported beside a processor build of torch.

timm, which has the blocks of Primus, imports torchvision. PyPI's torchvision is compiled for CUDA's
torch: beside a processor build its operations do not load, and its import stops at the first that
it describes to torch. None of them is ever called here, so their names alone are enough.
"""

import functools
import importlib
from typing import Any

import torch

DESCRIBED = ("nms", "qnms")  # by torchvision/_meta_registrations.py, whether they loaded or not
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@functools.cache
def import_torchvision() -> Any:
    """Import torchvision; return the names that it was missing, or None where all of it loads.

    Raises:
        ImportError, RuntimeError: it cannot be imported all the same.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        names = torch.library.Library("torchvision", "FRAGMENT")
        for name in DESCRIBED:
            names.define(f"{name}{SIGNATURE}")
        importlib.import_module("torchvision")
        return names  # which last as long as it does
    return None
