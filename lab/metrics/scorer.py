"""What a scorer is: one year's official metrics of one challenge, and how its platform counts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lab.metrics.csv_layouts import PLAIN, Layout
from lab.metrics.metric_info import metric_info
from lab.metrics.pair import Pair
from lab.metrics.variant_scores import VariantScorer

CaseScores = dict[str, dict[str, float]]  # region -> metric -> value
# What the platform does with a case that has no prediction.
Missing = Literal["left-out", "penalty", "empty", "last"]


@dataclass(frozen=True)
class Scorer:
    """One year's official metric of one challenge."""

    name: str
    scheme: str | None  # whose label values the files hold; None: the user says which
    score: Callable[[Pair], CaseScores]
    missing: Missing
    absent: str  # how a region that neither map holds is counted, in words
    missing_mm: float = 0.0  # distances of a missing case where `missing` is "penalty"
    grid: Literal["size", "spacing", "all"] = "size"  # what the platform compares between files
    spacing_from: Literal["header", "affine"] = "header"  # of the prediction
    # What the platform opens files with; SimpleITK refuses some that nibabel reads.
    reads_with: Literal["nibabel", "SimpleITK", "any"] = "nibabel"
    strict_labels: bool = False  # an undeclared label costs the case its scores
    binary: bool = False  # predictions hold one value beside 0
    layout: Layout = PLAIN  # of the platform's table
    dice: Literal["lesion-wise", "voxel-wise"] = "lesion-wise"  # its metric "dice"
    # Metrics that the organisers rank by, whatever else they report; (): they do not say.
    ranked_by: tuple[str, ...] = ()
    # Region whose probability map it reads beside the label map, for one metric more; "": none.
    probability_of: str = ""
    # Scores the variants of a case that a search tries without their images, all metrics that
    # count for its objectives but distances; None: every variant is scored as a whole volume.
    fast_scorer: Callable[[Pair], VariantScorer] | None = None
    # The same with distances, which take longer; None: `fast_scorer` has them, or nothing has.
    fast_distances: Callable[[Pair], VariantScorer] | None = None
    # Cohort that a case came from -> the scorer of its cases; {}: all cases are scored alike.
    by_cohort: Mapping[str, "Scorer"] = field(default_factory=dict)
    cohort_notes: Mapping[str, str] = field(default_factory=dict)  # what is odd about a cohort's

    def of(self, cohort: str) -> "Scorer":
        """Return the scorer of a cohort's cases."""
        return self.by_cohort[cohort] if self.by_cohort else self

    @property
    def missing_in_words(self) -> str:
        """What becomes of a case that has no prediction."""
        penalty = f"scored 0 and {self.missing_mm:g} mm"
        return {
            "left-out": "left out",
            "penalty": penalty,
            "empty": "scored as empty",
            "last": "without numbers, which takes the last rank of every metric",
        }[self.missing]


def score_missing(scorer: Scorer, reference: Pair) -> CaseScores | None:
    """Score a case that has no prediction as the platform does; None leaves it out.

    `reference` is a pair whose prediction is empty.
    """
    if scorer.missing == "left-out":
        return None
    scores = scorer.score(reference)
    if scorer.missing == "empty":
        return scores
    if scorer.missing == "last":
        return {region: dict.fromkeys(metrics, np.nan) for region, metrics in scores.items()}
    return {
        region: {m: scorer.missing_mm if metric_info(m).unit == "mm" else 0.0 for m in metrics}
        for region, metrics in scores.items()
    }


def without_scores(scorer: Scorer) -> CaseScores:
    """Return NaN for all that the scorer reports: a case that it could not score.

    Without a cohort these are the regions that every cohort has.
    """
    if scorer.by_cohort:
        return min((without_scores(of_cohort) for of_cohort in scorer.by_cohort.values()), key=len)
    nothing = np.zeros((1, 1, 1), np.uint8)
    scores = scorer.score(Pair(nothing, nothing, (1.0, 1.0, 1.0)))
    return {region: dict.fromkeys(metrics, np.nan) for region, metrics in scores.items()}
