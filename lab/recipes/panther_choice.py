"""Which weights of a PANTHER task ship, by the rule of docs/default-weights.md.

`python -m lab.recipes.panther_choice --shipped NAME FOLDER...`: each a folder in which `lab
evaluate --scorer voxel` wrote seed-21.json, seed-7.json and healthy.json before post-processing.
`panther_choose.sh` makes the folders.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.recipes.choice import print_choice

REGION = "tumour"
NOISE = 0.01  # of the mean Dice


@dataclass(frozen=True)
class Candidate:
    """What is known of one candidate on synthetic patients."""

    name: str
    dice: tuple[float, ...]  # of the patients with a tumour
    missed: int  # of them
    false_ml: tuple[float, ...]  # tumour predicted in healthy patients

    @property
    def false_alarms(self) -> int:
        """Return the number of healthy patients with a tumour predicted."""
        return sum(volume > 0 for volume in self.false_ml)


def read_candidate(folder: Path) -> Candidate:
    """Read one candidate's folder.

    Raises:
        ValueError: a patient of seed-21.json or seed-7.json is healthy, or one of healthy.json not.
    """
    ill = [*_scores(folder / "seed-21.json", True), *_scores(folder / "seed-7.json", True)]
    healthy = _scores(folder / "healthy.json", False)
    return Candidate(
        name=folder.name,
        dice=tuple(float(row["dice"]) for row in ill),
        missed=sum(row["tp_mm3"] == 0 for row in ill),
        false_ml=tuple(row["fp_mm3"] / 1000 for row in healthy),
    )


def replaces(candidate: Candidate, shipped: Candidate) -> tuple[list[str], list[str]]:
    """Return in what a candidate is worse than what ships, and in what it is better."""
    gains = {
        "Dice": _beyond_noise(float(np.mean(candidate.dice) - np.mean(shipped.dice))),
        "missed tumours": shipped.missed - candidate.missed,
        "false alarms": shipped.false_alarms - candidate.false_alarms,
    }
    worse = [name for name, gain in gains.items() if gain < 0]
    return worse, [name for name, gain in gains.items() if gain > 0]


def choose(candidates: Sequence[Candidate], shipped: Candidate) -> Candidate:
    """Return what ships: of those that may replace it the one with the best mean Dice."""
    allowed = []
    for candidate in candidates:
        worse, better = replaces(candidate, shipped)
        if better and not worse:
            allowed.append(candidate)
    return max(allowed, key=lambda candidate: np.mean(candidate.dice), default=shipped)


def table(candidates: Sequence[Candidate], shipped: Candidate) -> list[str]:
    """Return the lines that people read; the difference is paired, with its 95 % interval."""
    lines = [f"{'':<16}{'Dice':>7}{'SD':>7}{'missed':>12}{'false alarms':>14}{'mean mL':>9}"]
    for each in candidates:
        alarms = f"{each.false_alarms} of {len(each.false_ml)}"
        line = (
            f"{each.name:<16}{np.mean(each.dice):7.3f}{np.std(each.dice, ddof=1):7.3f}"
            f"{f'{each.missed} of {len(each.dice)}':>12}{alarms:>14}{np.mean(each.false_ml):9.2f}"
        )
        if each is not shipped:
            worse, better = replaces(each, shipped)
            difference = np.subtract(each.dice, shipped.dice)
            half = 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
            line += f"   {difference.mean():+.3f} +- {half:.3f}"
            line += f"; worse: {', '.join(worse) or '-'}; better: {', '.join(better) or '-'}"
        lines.append(line)
    return [*lines, f"ships: {choose(candidates, shipped).name}"]


def main(argv: Sequence[str]) -> int:
    """Read the folders and print the table."""
    return print_choice(argv, "python -m lab.recipes.panther_choice", read_candidate, table)


def _scores(path: Path, has_tumour: bool) -> list[Mapping[str, Any]]:
    cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    for name, scores in cases.items():
        volume = scores[REGION]["tp_mm3"] + scores[REGION]["fn_mm3"]
        if (volume > 0) != has_tumour:
            raise ValueError(f"{path}: {name} has {volume / 1000:.2f} mL of tumour")
    return [scores[REGION] for _, scores in sorted(cases.items())]


def _beyond_noise(gain: float) -> float:
    return gain if abs(gain) > NOISE else 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
