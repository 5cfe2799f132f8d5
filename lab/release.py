"""What makes a packed model a release: its card, and the proof that nothing was lost."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from challenge.scheme import Scheme
from ensemble.plans import read_plan
from lab.checkpoints import read_training_checkpoint
from lab.fresh import TOLERANCE, answer, difference
from lab.model_card import NAME, card
from postprocess.artefacts import load_artefacts


def write_card(folder: Path, manifest: Mapping[str, Any], scheme: Scheme, data: str) -> None:
    """Write MODEL_CARD.md into a model folder that is being made."""
    lines = card(manifest, scheme, load_artefacts(folder, scheme), data)
    (folder / NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")


def answers_of(folder: Path, folds: Sequence[str], checkpoint: str) -> list[np.ndarray]:
    """Return what each of a source's networks says of a seeded tile, as it was trained."""
    plans = json.loads((folder / "plans.json").read_text(encoding="utf-8"))
    found = []
    for fold in folds:
        path = folder / f"fold_{fold}" / f"{checkpoint}.pth"
        content = read_training_checkpoint(path)
        plan = read_plan(plans, content["init_args"]["configuration"])
        found.append(answer(plan, content["network_weights"]))
    return found


def check_fresh(manifest: Path, trained: Sequence[np.ndarray]) -> None:
    """Load a release in a fresh process, and compare its networks with those that were trained.

    Raises:
        SystemExit: it does not load, or a member answers otherwise. Members of a selection were
            compared when they were packed, so that only loading is checked.
    """
    done = subprocess.run(
        [sys.executable, "-m", "lab.fresh", str(manifest)], capture_output=True, text=True,
        check=False, cwd=Path(__file__).resolve().parents[1],
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{manifest}: does not load in a fresh process: {done.stderr[-500:]}")
    told = [np.array(values) for values in json.loads(done.stdout)]
    apart = [difference(first, second) for first, second in zip(trained, told, strict=False)]
    if any(not each <= TOLERANCE for each in apart):
        raise SystemExit(f"{manifest}: members answer otherwise than as trained, by {apart}")
    worst = f", within {max(apart):.1e} of the trained ones" if apart else ""
    print(f"{len(told)} members load in a fresh process{worst}")
