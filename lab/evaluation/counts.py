"""Voxel counts of a cohort's labels and regions, all from one confusion matrix a case.

TP, FP and FN of a label or region, and with them Dice, IoU, precision, recall and volumes, follow
from the matrix alone: a region's mask is the set of its labels, so voxels that swap labels inside
a region are no error of the region.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from challenge.challenges import in_reading_order
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.evaluation.results import Results


@dataclass(frozen=True)
class ScoredClass:
    """A label or a region, and where its labels stand in a confusion matrix."""

    name: str
    kind: str  # region | label
    members: tuple[str, ...]  # label names
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Counts:
    """Voxels (case,) of one class that are right, only predicted, and only in the reference."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray

    @property
    def prediction(self) -> np.ndarray:
        """Voxels (case,) of the prediction."""
        return self.tp + self.fp

    @property
    def reference(self) -> np.ndarray:
        """Voxels (case,) of the reference."""
        return self.tp + self.fn

    def overlaps(self) -> dict[str, np.ndarray]:
        """Return Dice, IoU, precision and recall (case,); NaN where the denominator is 0."""
        return {
            "dice": ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn),
            "iou": ratio(self.tp, self.tp + self.fp + self.fn),
            "precision": ratio(self.tp, self.prediction),
            "recall": ratio(self.tp, self.reference),
        }

    def pooled(self) -> "Counts":
        """Return the sums over the cases, as arrays of one."""
        return Counts(*(np.array([part.sum()]) for part in (self.tp, self.fp, self.fn)))


@dataclass(frozen=True)
class Cohort:
    """The confusion matrices of all cases that have one."""

    ids: tuple[str, ...]
    classes: tuple[ScoredClass, ...]
    tables: np.ndarray  # (case, reference label, predicted label), 0 the background
    voxel_volume_mm3: np.ndarray  # (case,)

    def counts(self, scored: ScoredClass) -> Counts:
        """Return TP, FP and FN of one class."""
        rows = list(scored.rows)
        tp = self.tables[:, rows][:, :, rows].sum((1, 2))
        prediction, reference = self.tables[:, :, rows], self.tables[:, rows]
        return Counts(tp, prediction.sum((1, 2)) - tp, reference.sum((1, 2)) - tp)

    def dice(self, scored: ScoredClass, absent: str) -> np.ndarray:
        """Return one class's Dice (case,); 1 or NaN, as `absent` says, where both maps lack it."""
        dice = self.counts(scored).overlaps()["dice"]
        return np.where(np.isnan(dice), 1.0, dice) if absent == "one" else dice

    def reference_mm3(self, scored: ScoredClass) -> np.ndarray:
        """Return the reference volume (case,) of one class."""
        return self.counts(scored).reference * self.voxel_volume_mm3

    def presence(self, scored: ScoredClass) -> dict[str, bool]:
        """Say for every case id whether prediction or reference holds the class."""
        counts = self.counts(scored)
        present = counts.prediction + counts.reference > 0
        return dict(zip(self.ids, present.tolist(), strict=True))


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide, with NaN where the denominator is 0."""
    out = np.full(np.shape(below), np.nan)
    return np.divide(above, below, out=out, where=np.asarray(below) != 0)


def scored_classes(
    labels: Mapping[str, int], regions: Mapping[str, tuple[str, ...]]
) -> tuple[ScoredClass, ...]:
    """List regions of several labels and all labels, in the order in which challenges list them.

    Raises:
        Refusal: a region is made of a label that the label map does not have.
    """
    row = {name: i for i, name in enumerate(labels, 1)}
    classes = []
    for region, members in regions.items():
        if unknown := set(members) - set(row):
            raise Refusal(f"region {region}: {sorted(unknown)} not in label map {dict(labels)}")
        if tuple(members) != (region,):
            rows = tuple(row[name] for name in members)
            classes.append(ScoredClass(region, "region", tuple(members), rows))
    several = {scored.name for scored in classes}
    for name in labels:
        # PANTHER's region "pancreas" holds the tumour, its label "pancreas" does not.
        title = f"{name} (label)" if name in several else name
        classes.append(ScoredClass(title, "label", (name,), (row[name],)))
    order = in_reading_order(scored.name for scored in classes)
    return tuple(sorted(classes, key=lambda scored: order.index(scored.name)))


def cohort_of(results: Results) -> Cohort | None:
    """Stack the confusion matrices of a result file; None where it holds none.

    Raises:
        Refusal: a matrix is not square over background and labels; the message names the case.
    """
    if not results.facts or not results.labels:
        return None
    side = len(results.labels) + 1
    for id, facts in results.facts.items():
        if facts.confusion.shape != (side, side):
            raise Refusal(
                f"{id}: confusion matrix is {facts.confusion.shape}, not {(side, side)} "
                f"for background and {list(results.labels)}"
            )
    tables = np.stack([f.confusion for f in results.facts.values()]).astype(np.int64)
    beyond = beyond_prediction(results, tables)
    classes = scored_classes(results.labels, results.regions)
    return Cohort(
        ids=tuple(results.facts),
        classes=tuple(scored for scored in classes if not beyond & set(scored.members)),
        tables=tables,
        voxel_volume_mm3=np.array([f.voxel_volume_mm3 for f in results.facts.values()]),
    )


def beyond_prediction(results: Results, tables: np.ndarray) -> set[str]:
    """Return the labels that the challenge's predictions never hold, such as PANTHER's pancreas.

    A label is only one of them if no prediction holds it after all.
    """
    scheme = SCHEMES.get(results.scheme)
    predicted = tables.sum((0, 1))[1:]
    return {
        name
        for name, voxels in zip(results.labels, predicted, strict=True)
        if scheme and name in scheme.labels and name not in scheme.written and not voxels
    }
