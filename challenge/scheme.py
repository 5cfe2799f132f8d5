"""Labels, regions and sequences of each challenge, by name.

A label map is a list of integers that every challenge numbers its own way; here each integer has
its name once, and everything else in the program speaks names. Shapes are (z, y, x).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

MRI_SEQUENCES = ("t1n", "t1c", "t2w", "t2f")


@dataclass(frozen=True)
class Scheme:
    """One challenge's channels, labels and regions."""

    name: str
    labels: Mapping[str, int]
    regions: Mapping[str, tuple[str, ...]]
    sequences: tuple[str, ...]
    tumour: str  # the region that rules call "the tumour" and that features describe
    whole: str  # the region that `usual_share` is a share of
    written: tuple[str, ...]  # labels that go into the output file; others become background
    # What to try, in order, when no tumour is left; () where an empty answer may be right.
    when_empty: tuple[str, ...] = ()
    usual_share: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def mask(self, labels: np.ndarray, region: str) -> np.ndarray:
        """Return the bool mask of a region or of a single label, by name."""
        names = self.regions.get(region, (region,))
        return np.isin(labels, [self.labels[name] for name in names])


@dataclass(frozen=True)
class Head:
    """What the channels of a probability array (channel, z, y, x) mean.

    softmax: one channel a label, channel 0 the background; a voxel takes the most probable one.
    regions: one channel a (possibly nested) set of labels; where a channel passes 0.5 its painted
    label overwrites what earlier channels painted (nnU-Net's `regions_class_order`).
    """

    kind: Literal["softmax", "regions"]
    channels: tuple[tuple[str, ...], ...]  # label names a channel stands for; () is background
    paints: tuple[str, ...]  # label name painted by each channel; "" is background


def labels_from(probabilities: np.ndarray, head: Head, scheme: Scheme) -> np.ndarray:
    """Turn probabilities (channel, z, y, x) into uint8 labels (z, y, x) in `scheme`'s values.

    Ties go to the lower channel, and a region needs more than 0.5, both as in nnU-Net 2.8.
    """
    values = np.array([scheme.labels[name] if name else 0 for name in head.paints], np.uint8)
    labels = np.zeros(probabilities.shape[1:], np.uint8)
    if head.kind == "softmax":
        labels += values[0]
        highest = probabilities[0].copy()
        for value, probability in zip(values[1:], probabilities[1:], strict=True):
            labels[probability > highest] = value
            np.maximum(highest, probability, out=highest)
        return labels
    for value, probability in zip(values, probabilities, strict=True):
        labels[probability > 0.5] = value
    return labels


def probability_of(probabilities: np.ndarray, head: Head, names: tuple[str, ...]) -> np.ndarray:
    """Return the probability (z, y, x) that a voxel carries one of the label `names`.

    A region head tells the sets that it predicts, and what of one lies outside another (NETC is
    TC without ET).

    Raises:
        ValueError: the head's regions do not tell these labels from others.
    """
    if head.kind == "softmax":
        return probabilities[[i for i, c in enumerate(head.channels) if c and c[0] in names]].sum(0)
    sets = [frozenset(channel) for channel in head.channels]
    holding = [i for i, own in enumerate(sets) if own.issuperset(names)]
    if not holding:
        raise ValueError(f"no channel of {head.channels} holds all of {names}")
    smallest = min(holding, key=lambda i: len(sets[i]))
    others = sets[smallest].difference(names)
    if not others:
        return probabilities[smallest]
    if others not in sets:
        raise ValueError(f"no channel of {head.channels} tells {names} from {sorted(others)}")
    return (probabilities[smallest] - probabilities[sets.index(others)]).clip(0)


def tumour_differences(scheme: Scheme, target: Scheme) -> list[str]:
    """Return the labels of either challenge's tumour that the other one does not have.

    Where there are none, labels of `scheme` can be written as `target`'s: a resection cavity is no
    tumour and may be missing on either side.
    """
    tumours = (*scheme.regions[scheme.tumour], *target.regions[target.tumour])
    both = scheme.labels.keys() & target.labels.keys()
    return sorted({name for name in tumours if name not in both})


def restrict(labels: np.ndarray, scheme: Scheme, target: Scheme) -> np.ndarray:
    """Renumber a label map (z, y, x) from the values of `scheme` to those that `target` writes.

    Labels that `target` does not write (PANTHER's pancreas, a resection cavity where the challenge
    has none) become background; `unwritten_mm3` says how much that is.

    Raises:
        ValueError: the two challenges do not describe the same tumour.
    """
    if different := tumour_differences(scheme, target):
        raise ValueError(f"{scheme.name} and {target.name} do not share {', '.join(different)}")
    table = np.zeros(256, np.uint8)
    for name in target.written:
        if name in scheme.labels:
            table[scheme.labels[name]] = target.labels[name]
    return table[labels]


def unwritten_mm3(
    labels: np.ndarray, scheme: Scheme, target: Scheme, voxel_volume_mm3: float
) -> dict[str, float]:
    """Return the volume of each label of a label map (z, y, x) that `restrict` leaves out."""
    volumes = volumes_mm3(labels, scheme, voxel_volume_mm3)
    return {name: mm3 for name, mm3 in volumes.items() if mm3 and name not in target.written}


def volumes_mm3(labels: np.ndarray, scheme: Scheme, voxel_volume_mm3: float) -> dict[str, float]:
    """Return the volume of each label of a label map (z, y, x), by name."""
    counts = np.bincount(labels.ravel(), minlength=256)
    return {name: float(counts[value] * voxel_volume_mm3) for name, value in scheme.labels.items()}


def voxels_changed(
    before: np.ndarray, after: np.ndarray, scheme: Scheme
) -> dict[str, dict[str, int]]:
    """Return how many voxels each label lost and gained between two label maps (z, y, x).

    Labels that did neither are left out.
    """
    changed = before != after
    lost, gained = (np.bincount(labels[changed], minlength=256) for labels in (before, after))
    return {
        name: {"lost": int(lost[value]), "gained": int(gained[value])}
        for name, value in scheme.labels.items()
        if lost[value] or gained[value]
    }


Regions = Mapping[str, tuple[str, ...]]
Shares = Mapping[str, tuple[float, float]]


def _brats(name: str, labels: tuple[str, ...], regions: Regions, usual_share: Shares) -> Scheme:
    return Scheme(
        name=name,
        labels={label: value for value, label in enumerate(labels, 1)},
        regions=regions,
        sequences=MRI_SEQUENCES,
        tumour="WT",
        whole="WT",
        written=labels,
        usual_share=usual_share,
    )


_GLIOMA = {"WT": ("NETC", "SNFH", "ET"), "TC": ("NETC", "ET"), "ET": ("ET",)}
# Resection cavity is not tumour: WT leaves it out (BraTS 2024 GLI scorer).
_POST = _GLIOMA | {"NETC": ("NETC",), "SNFH": ("SNFH",), "RC": ("RC",)}
_PEDIATRIC = {
    "WT": ("ET", "NETC", "CC", "ED"), "TC": ("ET", "NETC", "CC"), "ET": ("ET",),
    "NETC": ("NETC",), "CC": ("CC",), "ED": ("ED",),
}  # fmt: skip
# Oedema is the bulk of nearly every glioma and the necrotic core seldom is.
_GLIOMA_SHARE = {"NETC": (0.0, 0.6), "SNFH": (0.15, 1.0), "ET": (0.0, 0.75)}
# Metastases are small and the generalisability cohort mixes them in: only a core without oedema
# of this size is out of the ordinary. Meningiomas enhance, and have little necrosis.
_MIXED_SHARE = {"NETC": (0.0, 0.7), "SNFH": (0.02, 1.0)}
_MENINGIOMA_SHARE = {"NETC": (0.0, 0.6), "ET": (0.02, 1.0)}
_PEDIATRIC_SHARE = {"ET": (0.0, 0.9), "CC": (0.0, 0.6), "ED": (0.0, 0.7)}


def _panther(name: str, sequence: str) -> Scheme:
    return Scheme(
        name=name,
        labels={"tumour": 1, "pancreas": 2},  # MSD Task07 numbers them the other way round
        regions={"tumour": ("tumour",), "pancreas": ("tumour", "pancreas")},
        sequences=(sequence,),
        tumour="tumour",
        whole="pancreas",
        written=("tumour",),
        usual_share={"tumour": (0.0, 0.85)},
        # PANTHER's evaluator gives an empty mask the worst value of every metric.
        when_empty=("before-rules", "half-of-maximum", "ball-at-maximum"),
    )


SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        _brats("brats-gli", ("NETC", "SNFH", "ET", "RC"), _POST, _GLIOMA_SHARE),  # 2024 and on
        _brats("brats-gli-2023", ("NETC", "SNFH", "ET"), _GLIOMA, _GLIOMA_SHARE),
        _brats("brats-ssa", ("NETC", "SNFH", "ET"), _GLIOMA, _GLIOMA_SHARE),
        _brats("brats-met", ("NETC", "SNFH", "ET"), _GLIOMA, _MIXED_SHARE),
        _brats("brats-met-2025", ("NETC", "SNFH", "ET", "RC"), _POST, _MIXED_SHARE),
        _brats("brats-men", ("NETC", "SNFH", "ET"), _GLIOMA, _MENINGIOMA_SHARE),
        _brats("brats-goat", ("NETC", "SNFH", "ET"), _GLIOMA, _MIXED_SHARE),
        Scheme(  # radiotherapy: one planning scan, one target volume
            name="brats-men-rt",
            labels={"GTV": 1},
            regions={"GTV": ("GTV",)},
            sequences=("t1c",),
            tumour="GTV",
            whole="GTV",
            written=("GTV",),
        ),
        _brats("brats-ped", ("ET", "NETC", "CC", "ED"), _PEDIATRIC, _PEDIATRIC_SHARE),
        _panther("panther-t1", "t1"),
        _panther("panther-t2", "t2"),
    )
}


def answer_fault(scheme: Scheme, name: str) -> str | None:
    """Say why labels of `scheme` cannot answer the challenge `name`, or None."""
    if not isinstance(name, str) or name not in SCHEMES:
        return f"answers {name!r}, not one of {', '.join(SCHEMES)}"
    if SCHEMES[name].sequences != scheme.sequences:
        return f"answers {name}, which has other sequences than {scheme.name}"
    if different := tumour_differences(scheme, SCHEMES[name]):
        return f"answers {name}, which does not share {', '.join(different)} with {scheme.name}"
    return None
