"""Label maps by name: from probabilities, and from one challenge's values to another's.

A label map is a list of integers that every challenge numbers differently; in `SCHEMES` each
integer has its name once, and everything else in the program speaks names. Shapes are (z, y, x).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from challenge.challenges import SCHEMES, other_challenge
from challenge.description import MRI_SEQUENCES, Scheme

__all__ = [
    "MRI_SEQUENCES",
    "SCHEMES",
    "Head",
    "Scheme",
    "answer_fault",
    "labels_from",
    "other_challenge",
    "probability_of",
    "renumbers",
    "restrict",
    "tumour_differences",
    "unwritten_mm3",
    "volumes_mm3",
    "voxels_changed",
]


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
    for z, plane in enumerate(labels):  # plane by plane: stays in the cache
        if head.kind == "softmax":
            _paint_most_probable(plane, probabilities[:, z], values)
        else:
            for value, probability in zip(values, probabilities[:, z], strict=True):
                plane[probability > 0.5] = value
    return labels


def _paint_most_probable(plane: np.ndarray, probabilities: np.ndarray, values: np.ndarray) -> None:
    plane += values[0]
    highest = probabilities[0].copy()
    for value, probability in zip(values[1:], probabilities[1:], strict=True):
        plane[probability > highest] = value
        np.maximum(highest, probability, out=highest)


def probability_of(probabilities: np.ndarray, head: Head, names: tuple[str, ...]) -> np.ndarray:
    """Return the probability (z, y, x) that a voxel carries one of the label `names`.

    A region head predicts sets, and with them what of one lies outside another (NETC is TC without
    ET).

    Raises:
        ValueError: the head's regions do not separate these labels from others.
    """
    if head.kind == "softmax":
        return probabilities[[i for i, c in enumerate(head.channels) if c and c[0] in names]].sum(0)
    sets = [frozenset(channel) for channel in head.channels]
    holding = [i for i, channel in enumerate(sets) if channel.issuperset(names)]
    if not holding:
        raise ValueError(f"no channel of {head.channels} holds all of {names}")
    smallest = min(holding, key=lambda i: len(sets[i]))
    others = sets[smallest].difference(names)
    if not others:
        return probabilities[smallest]
    if others not in sets:
        raise ValueError(f"no channel of {head.channels} separates {names} from {sorted(others)}")
    return (probabilities[smallest] - probabilities[sets.index(others)]).clip(0)


def tumour_differences(scheme: Scheme, target: Scheme) -> list[str]:
    """Return the labels of either challenge's tumour that the other one does not have.

    Where there are none, labels of `scheme` can be written as `target`'s: a resection cavity is no
    tumour and may be missing on either side.
    """
    tumours = (*scheme.regions[scheme.tumour], *target.regions[target.tumour])
    both = scheme.labels.keys() & target.labels.keys()
    return sorted({name for name in tumours if name not in both})


def renumbers(scheme: Scheme, other: Scheme) -> bool:
    """Return whether a value, or a name, stands for something else in the other challenge.

    BraTS-Africa has fewer labels than GLI and no other ones; PED's 1 is ET, where GLI's is NETC.
    """
    names = {value: name for name, value in other.labels.items()}
    return any(
        names.get(value, name) != name or other.labels.get(name, value) != value
        for name, value in scheme.labels.items()
    )


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
    # What bytes.translate does, at a third of the cost of an index a voxel.
    written = np.asarray(labels, np.uint8).tobytes().translate(table.tobytes())
    return np.frombuffer(bytearray(written), np.uint8).reshape(labels.shape)


def unwritten_mm3(
    labels: np.ndarray, scheme: Scheme, target: Scheme, voxel_volume_mm3: float
) -> dict[str, float]:
    """Return the volume of each label of a label map (z, y, x) that `restrict` leaves out."""
    volumes = volumes_mm3(labels, scheme, voxel_volume_mm3)
    return {name: mm3 for name, mm3 in volumes.items() if mm3 and name not in target.written}


def volumes_mm3(labels: np.ndarray, scheme: Scheme, voxel_volume_mm3: float) -> dict[str, float]:
    """Return the volume of each label of a label map (z, y, x), by name."""
    counts = count_labels(labels, scheme)
    return {name: float(count * voxel_volume_mm3) for name, count in counts.items()}


def count_labels(labels: np.ndarray, scheme: Scheme) -> dict[str, int]:
    """Return the number of voxels of each label of a label map (z, y, x), by name."""
    # A comparison a label is ten times as fast as one histogram, which makes every voxel an int64.
    return {n: int(np.count_nonzero(labels == value)) for n, value in scheme.labels.items()}


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


def answer_fault(scheme: Scheme, name: str) -> str | None:
    """Say why labels of `scheme` cannot answer the challenge `name`, or None."""
    if not isinstance(name, str) or name not in SCHEMES:
        return f"answers {name!r}, not one of {', '.join(SCHEMES)}"
    if SCHEMES[name].sequences != scheme.sequences:
        return f"answers {name}, which has other sequences than {scheme.name}"
    if different := tumour_differences(scheme, SCHEMES[name]):
        return f"answers {name}, which does not share {', '.join(different)} with {scheme.name}"
    return None
