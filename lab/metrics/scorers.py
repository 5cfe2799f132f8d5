"""Every official metric by name and year; a result without its scorer's name means nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from challenge.scheme import SCHEMES, Scheme
from lab.layouts import LESIONWISE, METS_2026, PLAIN, SEG_2026, Layout
from lab.metrics import brats2023, brats2025, brats2026, lesionwise, panther, voxel
from lab.metrics.pair import Pair

CaseScores = dict[str, dict[str, float]]  # region -> metric -> value
# What the platform does with a case that has no prediction.
Missing = Literal["left-out", "penalty", "empty"]


@dataclass(frozen=True)
class Scorer:
    """One year's official metric of one challenge."""

    name: str
    scheme: str | None  # whose label values the files hold; None: the user says which
    score: Callable[[Pair], CaseScores]
    missing: Missing
    absent: str  # how a region that neither map holds is counted, in words
    missing_mm: float = 0.0  # HD95 of a missing case where `missing` is "penalty"
    grid: Literal["size", "spacing", "all"] = "size"  # what the platform compares between files
    spacing_from: Literal["header", "affine"] = "header"  # of the prediction
    # What the platform opens files with; SimpleITK refuses some that nibabel reads.
    reads_with: Literal["nibabel", "SimpleITK"] = "nibabel"
    strict_labels: bool = False  # an undeclared label costs the case its scores
    binary: bool = False  # predictions hold one value beside 0
    layout: Layout = PLAIN  # of the platform's table

    @property
    def missing_in_words(self) -> str:
        """What becomes of a case that has no prediction."""
        penalty = f"scored 0 and {self.missing_mm:g} mm"
        return {"left-out": "left out", "penalty": penalty, "empty": "scored as empty"}[
            self.missing
        ]


ONE = "a region in neither map scores 1 (HD95 0)"
SKIPPED = "a region in neither map is left out of the means"
SCHEME_OF = {
    "gli": "brats-gli", "ssa": "brats-ssa", "met": "brats-met", "mets": "brats-met-2025",
    "ped": "brats-ped", "men": "brats-men", "goat": "brats-goat", "men-rt": "brats-men-rt",
}  # fmt: skip
# The challenges whose labels changed on the way.
SCHEME_2023 = SCHEME_OF | {"gli": "brats-gli-2023", "ped": "brats-gli-2023"}
SCHEME_2025 = SCHEME_OF | {"met": "brats-met-2025"}


_SCORE = {2023: brats2023.score}


def _lesionwise(year: int, missing: Missing) -> dict[str, Scorer]:
    profiles, schemes = {
        2023: (brats2023.PROFILES, SCHEME_2023),
        2024: (brats2025.PROFILES_2024, SCHEME_OF),
        2025: (brats2025.PROFILES_2025, SCHEME_2025),
    }[year]
    return {
        f"{year}-{task}": Scorer(
            name=f"{year}-{task}",
            scheme=schemes[task],
            score=partial(_SCORE.get(year, lesionwise.score), profile=profile),
            missing=missing,
            # The runner knows two penalties only, whatever the task's own one.
            missing_mm=brats2025.PENALTY_GLI_MM if task == "gli" else brats2025.PENALTY_MM,
            absent=ONE,
            layout=LESIONWISE,
            # From 2024 on the script writes its own files with the prediction's affine; MEN's not.
            spacing_from="header" if year == 2023 or task == "men" else "affine",
        )
        for task, profile in profiles.items()
    }


def _instances(task: str) -> Scorer:
    parser = brats2026.MetParser() if task == "mets" else None
    return Scorer(
        name=f"2026-{task}",
        scheme=SCHEME_OF[task],
        score=partial(brats2026.score, regions=brats2026.REGIONS[task], parser=parser),
        missing="penalty",
        missing_mm=brats2026.PENALTY_MM,
        absent=SKIPPED,
        grid="all",
        reads_with="SimpleITK",
        strict_labels=True,
        layout=METS_2026 if parser else SEG_2026,
    )


def _panther(name: str, order: Literal["right", "as-published"]) -> Scorer:
    return Scorer(
        name=name,
        scheme="panther-t1",
        score=partial(panther.score, order=order),
        missing="empty",
        absent="an empty prediction scores 0 and the grid's diagonal",
        grid="spacing",
        reads_with="SimpleITK",
        strict_labels=order == "as-published",
        binary=True,
    )


SCORERS: Mapping[str, Scorer] = {
    **_lesionwise(2023, missing="left-out"),
    **_lesionwise(2024, missing="left-out"),
    **_lesionwise(2025, missing="penalty"),
    **{f"2026-{task}": _instances(task) for task in ("mets", "ped", "goat", "gli")},
    "panther": _panther("panther", "right"),
    "panther-as-published": _panther("panther-as-published", "as-published"),
}
VOXEL = "voxel"


def voxel_scorer(scheme: Scheme, absent: voxel.AbsentRule) -> Scorer:
    """Return the voxel-wise scorer of a scheme's labels and regions."""
    return Scorer(
        name=VOXEL,
        scheme=scheme.name,
        score=partial(voxel.score, scheme=scheme, absent=absent),
        missing="empty",
        absent=SKIPPED if absent == "excluded" else "a region in neither map scores 1",
    )


def scheme_of(scorer: Scorer) -> Scheme:
    """Return the label map of a scorer's challenge."""
    return SCHEMES[str(scorer.scheme)]


def score_missing(scorer: Scorer, reference: Pair) -> CaseScores | None:
    """Score a case that has no prediction as the platform does; None leaves it out.

    `reference` is a pair whose prediction is empty.
    """
    if scorer.missing == "left-out":
        return None
    scores = scorer.score(reference)
    if scorer.missing == "empty":
        return scores
    return {
        region: {m: scorer.missing_mm if "hd95" in m else 0.0 for m in metrics}
        for region, metrics in scores.items()
    }


def without_scores(scorer: Scorer) -> CaseScores:
    """Return NaN for all that the scorer reports: a case that it could not score."""
    nothing = np.zeros((1, 1, 1), np.uint8)
    scores = scorer.score(Pair(nothing, nothing, (1.0, 1.0, 1.0)))
    return {region: dict.fromkeys(metrics, np.nan) for region, metrics in scores.items()}
