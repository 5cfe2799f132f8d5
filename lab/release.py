"""What makes a packed model a release: its card, and the proof that nothing was lost."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from lab.fresh import TOLERANCE, difference
from lab.model_card import NAME, card
from postprocess.artefacts import load_artefacts


class ReleaseError(Refusal):
    """A packed model is not what was trained, or does not load by itself."""


def write_card(folder: Path, manifest: Mapping[str, Any], scheme: Scheme, data: str) -> None:
    """Write MODEL_CARD.md into a model folder that is being made."""
    lines = card(manifest, scheme, load_artefacts(folder, scheme), data)
    (folder / NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")


def check_fresh(manifest: Path, trained: Sequence[np.ndarray]) -> None:
    """Load a release in a fresh process, and compare its networks with those that were trained.

    Raises:
        ReleaseError: it does not load, or a member answers otherwise. Members of a selection were
            compared when they were packed, so that only loading is checked.
    """
    done = subprocess.run(
        [sys.executable, "-m", "lab.fresh", str(manifest)], capture_output=True, text=True,
        check=False, cwd=Path(__file__).resolve().parents[1],
    )  # fmt: skip
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise ReleaseError(f"{manifest}: does not load in a fresh process: {reason}")
    told = [np.array(values) for values in json.loads(done.stdout)]
    apart = [difference(first, second) for first, second in zip(trained, told, strict=False)]
    if any(not each <= TOLERANCE for each in apart):
        raise ReleaseError(f"{manifest}: members answer otherwise than as trained, by {apart}")
    worst = f", within {max(apart):.1e} of the trained ones" if apart else ""
    print(f"{len(told)} members load in a fresh process{worst}")
