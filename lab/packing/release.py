"""What makes a packed model a release: its card, and the check that it loads in a new process."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from ensemble.manifest import MANIFEST, verify_model
from lab.packing.model_card import NAME, card
from lab.packing.model_facts import EXACTNESS, describe
from lab.packing.random_tile import deviations_apart
from lab.packing.reload_check import TOLERANCE, answer
from postprocess.artefacts import load_artefacts


class ReleaseError(Refusal):
    """A packed model is not what was trained, or does not load by itself."""


def write_card(folder: Path, manifest: Mapping[str, Any], scheme: Scheme, data: str) -> None:
    """Write MODEL_CARD.md into a model folder that is being made, its manifest written already."""
    facts = [row for row in describe(folder / MANIFEST) if row[0] in EXACTNESS]
    lines = card(manifest, scheme, load_artefacts(folder, scheme), data, facts)
    (folder / NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")


def check_reload(manifest: Path) -> None:
    """Load a release in a new process, and compare its networks' answers there and here.

    Raises:
        ReleaseError: it does not load, or a member answers otherwise than in this process, where it
            was proven beside stock nnU-Net (`lab.packing.proof`).
    """
    done = subprocess.run(
        [sys.executable, "-m", "lab.packing.reload_check", str(manifest)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise ReleaseError(f"{manifest}: does not load in a new process: {reason}")
    there = [np.array(values) for values in json.loads(done.stdout)]
    here = [answer(member) for member in verify_model(manifest).members]
    apart = [deviations_apart(first, second) for first, second in zip(here, there, strict=True)]
    if any(not each <= TOLERANCE for each in apart):
        raise ReleaseError(f"{manifest}: members answer otherwise in a new process, by {apart}")
    print(f"{len(there)} members load in a new process, within {max(apart):.1e} of here")
