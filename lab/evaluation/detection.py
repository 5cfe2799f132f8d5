"""Is a region detected in the patients who have it, and invented in those who have not?

Dice says neither: it is 0 for a tumour that was missed and for one that was invented, and is left
out, or 1, where nothing was to be found and nothing was. Both questions are about a patient: one
voxel of overlap is a hit, one voxel in a patient without the region is a false prediction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from lab.evaluation.counts import Cohort, ScoredClass, cohort_of
from lab.evaluation.results import Results
from lab.statistics import CONFIDENCE


@dataclass(frozen=True)
class Rate:
    """A share of patients and its Wilson interval; NaN of no patients."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Detection:
    """Patients of one region who have a prediction, with it in the reference and without."""

    region: str
    n_with: int
    n_hit: int  # prediction and reference overlap
    missed_ml: float  # mean reference volume of those that were missed; NaN of none
    n_without: int
    n_false: int  # something is predicted
    false_ml: float  # mean predicted volume of these; NaN of none

    @property
    def sensitivity(self) -> Rate:
        """Return the share of patients with the region in whom it is hit."""
        return wilson_rate(self.n_hit, self.n_with)

    @property
    def false_rate(self) -> Rate:
        """Return the share of patients without the region in whom it is predicted."""
        return wilson_rate(self.n_false, self.n_without)


def wilson_rate(count: int, n: int) -> Rate:
    """Return count / n and its 95 % interval (Wilson 1927); NaN where n is 0."""
    if n == 0:
        return Rate(np.nan, np.nan, np.nan)
    interval = binomtest(count, n).proportion_ci(CONFIDENCE, "wilson")
    return Rate(count / n, float(interval.low), float(interval.high))


def detect(results: Results) -> tuple[Detection, ...]:
    """Count patients by region, of every scored region that the challenge's predictions may hold.

    A case without a prediction is left out.
    """
    cohort = cohort_of(results)
    if cohort is None:
        return ()
    classes = {scored.name: scored for scored in cohort.classes}
    predicted = np.array([results.facts[id].prediction is not None for id in cohort.ids])
    regions = [region for region in results.scored_regions if region in classes]
    return tuple(_detection(cohort, classes[region], predicted) for region in regions)


def _detection(cohort: Cohort, scored: ScoredClass, predicted: np.ndarray) -> Detection:
    counts = cohort.counts(scored)
    has = predicted & (counts.reference > 0)
    missed = has & (counts.tp == 0)
    false = predicted & (counts.reference == 0) & (counts.prediction > 0)
    voxel_ml = cohort.voxel_volume_mm3 / 1000
    return Detection(
        region=scored.name,
        n_with=int(has.sum()),
        n_hit=int((has & ~missed).sum()),
        missed_ml=_mean((counts.reference * voxel_ml)[missed]),
        n_without=int((predicted & (counts.reference == 0)).sum()),
        n_false=int(false.sum()),
        false_ml=_mean((counts.prediction * voxel_ml)[false]),
    )


def detection_rows(rows: Sequence[Detection]) -> Mapping[str, Mapping[str, Any]]:
    """Return region -> numbers, as the result file holds them."""
    return {
        row.region: {key: value for key, value in vars(row).items() if key != "region"}
        | {"sensitivity": asdict(row.sensitivity), "false_rate": asdict(row.false_rate)}
        for row in rows
    }


def detection_lines(rows: Sequence[Detection]) -> list[str]:
    """Lay the regions out for the terminal; nothing where there are none."""
    if not rows:
        return []
    lines = [
        "patients with a region, hit (overlap) or missed; patients without it, falsely predicted",
        f"{'':<8}{'with':>5}{'hit':>5}  {'sensitivity':<22}{'missed mL':>9}"
        f"{'without':>9}{'false':>6}  {'false rate':<22}{'false mL':>8}",
    ]
    return lines + [
        f"{row.region:<8}{row.n_with:>5}{row.n_hit:>5}  {_rate(row.sensitivity):<22}"
        f"{_volume(row.missed_ml):>9}{row.n_without:>9}{row.n_false:>6}  "
        f"{_rate(row.false_rate):<22}{_volume(row.false_ml):>8}"
        for row in rows
    ]


def _rate(rate: Rate) -> str:
    if np.isnan(rate.value):
        return "-"
    return f"{rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}]"


def _volume(ml: float) -> str:
    return "-" if np.isnan(ml) else f"{ml:.2f}"


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan
