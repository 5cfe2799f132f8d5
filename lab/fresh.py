"""What networks say of one seeded tile: before packing, and after it in a fresh process.

`python -m lab.fresh MODEL/MANIFEST.json` prints each member's answer as JSON. A release whose
members answer otherwise than the networks that were trained is refused.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from ensemble.engine import half_patch
from ensemble.manifest import verify_model
from ensemble.network import build_network, fill_network, open_checkpoint, plain_key
from ensemble.plans import Plan

SAMPLES = 500
# Half precision rounds weights by 1 in 2,000; through thirty layers logits move by less than this
# share of their standard deviation.
TOLERANCE = 0.05


def answer(plan: Plan, weights: Mapping[str, torch.Tensor]) -> np.ndarray:
    """Return some of a network's logits of a seeded tile of half its patch."""
    plain = {plain_key(key): value for key, value in weights.items()}
    heads = [value for key, value in plain.items() if ".seg_layers." in f".{key}"]
    stem = next(value for value in plain.values() if value.dim() == 5)
    network = build_network(plan, stem.shape[1], heads[-1].shape[0])
    fill_network(network, plain)
    generator = torch.Generator().manual_seed(0)
    tile = torch.randn((1, stem.shape[1], *half_patch(plan)), generator=generator)
    with torch.inference_mode():
        logits = network(tile).flatten().numpy()
    return np.asarray(logits[:: max(1, len(logits) // SAMPLES)][:SAMPLES])


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest difference of two answers, in standard deviations of the first."""
    return float(np.abs(first - second).max() / max(float(first.std()), 1e-9))


def main(argv: list[str]) -> int:
    """Print every member's answer."""
    members = verify_model(Path(argv[0])).members
    told = [answer(m.plan, open_checkpoint(m.checkpoint)["network_weights"]) for m in members]
    print(json.dumps([values.tolist() for values in told]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
