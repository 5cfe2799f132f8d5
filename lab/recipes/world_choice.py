"""Which revision of the weights of brats-gli ships, by the rule of docs/default-weights.md.

`python -m lab.recipes.world_choice --shipped NAME FOLDER...`: each a folder in which `lab evaluate
--scorer voxel` wrote expert.json and synthetic.json before post-processing, and in which the packed
model's MANIFEST.json lies. `world_choose.sh` makes the folders.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.recipes.choice import print_choice

REGIONS = ("WT", "TC", "ET")
WEIGHTS = {"expert": 1 / 2, "synthetic": 1 / 3, "cavity": 1 / 6}
MOST_LOST = 0.02  # of a region's Dice
TIE = 0.005


@dataclass(frozen=True)
class Revision:
    """What is known of one revision: Dice by region, and the cavity that it invents."""

    name: str
    members: int
    expert: Mapping[str, float]  # WT, TC, ET
    synthetic: Mapping[str, float]  # WT, TC, ET, mean of the patients who have the region
    cavity: float  # Dice of RC, mean of the patients who have a cavity
    invented_ml: float  # RC, mean of the patients without a cavity

    @property
    def score(self) -> float:
        """Return the weighted mean that revisions are compared by."""
        parts = {"expert": mean(self.expert), "synthetic": mean(self.synthetic)}
        parts["cavity"] = self.cavity
        return sum(WEIGHTS[name] * value for name, value in parts.items())


def mean(dice: Mapping[str, float]) -> float:
    """Return the mean over WT, TC and ET."""
    return sum(dice[region] for region in REGIONS) / len(REGIONS)


def read_revision(folder: Path) -> Revision:
    """Read one revision's folder.

    Raises:
        ValueError: no synthetic patient has a cavity, or all have.
    """
    expert, synthetic, manifest = (
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("expert.json", "synthetic.json", "MANIFEST.json")
    )
    without = [
        scores["RC"] for scores in synthetic["cases"].values() if not has_cavity(scores["RC"])
    ]
    cavities = [
        scores["RC"]["dice"] for scores in synthetic["cases"].values() if has_cavity(scores["RC"])
    ]
    if not cavities or not without:
        counts = f"{len(cavities)} patients have a cavity, {len(without)} have none"
        raise ValueError(f"{folder}/synthetic.json: {counts}")
    return Revision(
        name=folder.name,
        members=len(manifest["members"]),
        expert={region: expert["summary"][region]["dice"]["mean"] for region in REGIONS},
        synthetic={region: synthetic["summary"][region]["dice"]["mean"] for region in REGIONS},
        cavity=sum(cavities) / len(cavities),
        invented_ml=sum(row["fp_mm3"] for row in without) / len(without) / 1000,
    )


def has_cavity(scores: Mapping[str, float]) -> bool:
    """Return whether the reference holds a cavity."""
    return scores["tp_mm3"] + scores["fn_mm3"] > 0


def vetoes(candidate: Revision, shipped: Revision) -> list[str]:
    """Return why a candidate may not replace what ships."""
    reasons = []
    if mean(candidate.expert) < mean(shipped.expert):
        reasons.append("mean on the expert's case")
    for case in ("expert", "synthetic"):
        before, after = getattr(shipped, case), getattr(candidate, case)
        reasons += [f"{case} {r}" for r in REGIONS if after[r] < before[r] - MOST_LOST]
    if candidate.cavity < shipped.cavity - MOST_LOST:
        reasons.append("synthetic RC")
    if candidate.invented_ml > shipped.invented_ml:
        reasons.append("invents more cavity")
    return reasons


def choose(revisions: Sequence[Revision], shipped: Revision) -> Revision:
    """Return the revision that ships; of a tie the one with fewer members, then the first one."""
    allowed = [r for r in revisions if r is shipped or not vetoes(r, shipped)]
    best = max(revision.score for revision in allowed)
    tied = [revision for revision in allowed if revision.score > best - TIE]
    return min(tied, key=lambda revision: revision.members)


def table(revisions: Sequence[Revision], shipped: Revision) -> list[str]:
    """Return the lines that people read."""
    names = "".join(f"{region:>7}" for region in REGIONS)
    lines = [
        f"{'':<12}{'the expert':>21}{'synthetic patients':>28}{'cavity':>12}",
        f"{'':<12}{names}{names}{'RC':>7}{'invented':>12}{'score':>8}",
    ]
    for revision in revisions:
        dice = [cases[r] for cases in (revision.expert, revision.synthetic) for r in REGIONS]
        numbers = "".join(f"{number:7.3f}" for number in (*dice, revision.cavity))
        reasons = [] if revision is shipped else vetoes(revision, shipped)
        veto = f"   vetoed: {', '.join(reasons)}" if reasons else ""
        lines.append(
            f"{revision.name:<12}{numbers}{revision.invented_ml:9.2f} mL{revision.score:8.3f}{veto}"
        )
    return [*lines, f"ships: {choose(revisions, shipped).name}"]


def main(argv: Sequence[str]) -> int:
    """Read the folders and print the table."""
    return print_choice(argv, "python -m lab.recipes.world_choice", read_revision, table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
