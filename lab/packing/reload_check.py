"""Answers of networks to one seeded tile, in a new process and in the one that packed them.

`python -m lab.packing.reload_check MODEL/MANIFEST.json` prints each member's answer as
JSON. A release whose members answer otherwise there is refused.
"""

import json
import sys
from pathlib import Path

import numpy as np

from ensemble.backends import REFERENCE
from ensemble.loaded_networks import half_patch
from ensemble.manifest import Member, verify_model
from lab.packing.random_tile import SEED, draw_input, logits_of

SAMPLES = 500
# The same weights by the same program: no more than sums in another order.
TOLERANCE = 1e-3


def answer(member: Member) -> np.ndarray:
    """Return some of a member's logits of a seeded tile of half its patch."""
    tile = draw_input(member, half_patch(member.plan), SEED)
    logits = logits_of(member, tile, REFERENCE).flatten()
    return np.asarray(logits[:: max(1, len(logits) // SAMPLES)][:SAMPLES])


def main(argv: list[str]) -> int:
    """Print every member's answer."""
    members = verify_model(Path(argv[0])).members
    print(json.dumps([answer(member).tolist() for member in members]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
