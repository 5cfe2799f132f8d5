"""How OpenVINO runs a network on the CPU."""

from collections.abc import Mapping
from typing import Any

import torch


def settings_of(precision: str) -> Mapping[str, Any]:
    """Return OpenVINO's properties for one network at a time; `precision` is f32 or bf16."""
    return {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # two containers on a host would share the same cores
    }
