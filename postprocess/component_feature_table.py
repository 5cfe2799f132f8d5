"""The features of a predicted component, in one table: name, unit, and what each is made from.

They say what confidence does not: a bright vessel, a swap of sides and a speck of noise can be as
probable as a lesion.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from challenge.scheme import Scheme

from .ventricles import FLUID_QUANTILES

Source = Literal["labels", "probability", "votes", "images", "ventricles"]
Per = Literal["component", "case"]  # what is described: each component, or all of them as one


@dataclass(frozen=True)
class ComponentFeature:
    """One number that describes a component."""

    name: str
    unit: str  # "" for a ratio; z: standard deviations of the sequence within the head
    source: Source  # without which it cannot be computed
    meaning: str
    is_logged: bool = False  # whether models take log(1 + x): it spans decades


LABELS = (
    ComponentFeature("volume_mm3", "mm3", "labels", "volume", True),
    ComponentFeature("length_mm", "mm", "labels", "four deviations along the longest axis", True),
    ComponentFeature("extent", "", "labels", "volume over that of the bounding box"),
    ComponentFeature("surface_per_volume", "1/mm", "labels", "area of voxel faces over volume"),
    ComponentFeature("sphericity", "", "labels", "area of a ball of the volume over its area"),
    ComponentFeature("elongation", "", "labels", "second longest axis over the longest"),
    ComponentFeature("flatness", "", "labels", "shortest axis over the longest"),
    ComponentFeature("tubularity", "", "labels", "1 for a line, 0 for a disc or a ball (Westin)"),
    ComponentFeature("share_of_all", "", "labels", "volume over that of all such components"),
    ComponentFeature("others", "", "labels", "number of other such components", True),
    ComponentFeature("nested_share", "", "labels", "share of its surface with another label"),
    ComponentFeature(
        "from_main_mm", "mm", "labels", "distance to the tumour's largest component", True
    ),
)
PROBABILITY = (
    ComponentFeature("probability_mean", "", "probability", "mean probability"),
    ComponentFeature("probability_peak", "", "probability", "highest probability"),
    ComponentFeature("probability_least", "", "probability", "lowest probability"),
)
VOTES = (
    ComponentFeature("votes_mean", "", "votes", "mean share of members that see tumour"),
    ComponentFeature("votes_peak", "", "votes", "highest share of members that see tumour"),
)
PLACE = (
    ComponentFeature("depth_mm", "mm", "images", "distance of its centre to the head's edge"),
    ComponentFeature("height", "", "images", "0 at the head's lowest slice, 1 at the highest"),
    ComponentFeature("front", "", "images", "0 at the back of the head, 1 at the front"),
    ComponentFeature("from_midline", "", "images", "0 in the middle of the head, 1 at a side"),
)
OF_SEQUENCE = (
    ComponentFeature("mean", "z", "images", "mean"),
    ComponentFeature("deviation", "z", "images", "standard deviation"),
    ComponentFeature("roughness", "z", "images", "mean difference of neighbours by a face"),
    ComponentFeature(
        "contrast", "z", "images", "mean less that of a shell of 3 mm, or a voxel, around it"
    ),
    ComponentFeature("asymmetry", "z", "images", "mean less that of its mirror image"),
)
FROM_VENTRICLES = ComponentFeature(
    "from_ventricles_mm", "mm", "ventricles", "distance to the nearest voxel of a ventricle", True
)
ENHANCEMENT = ComponentFeature("enhancement", "z", "images", "mean of t1c less that of t1n")


def component_features(scheme: Scheme) -> tuple[ComponentFeature, ...]:
    """List the features of a challenge's components, in order; `t1c_mean` is one of a sequence."""
    of_sequences = tuple(
        ComponentFeature(f"{sequence}_{row.name}", row.unit, row.source, row.meaning)
        for sequence in scheme.sequences
        for row in OF_SEQUENCE
    )
    both = {"t1n", "t1c"} <= set(scheme.sequences)
    enhancement = (ENHANCEMENT,) if both else ()
    ventricles = (FROM_VENTRICLES,) if FLUID_QUANTILES.keys() & set(scheme.sequences) else ()
    return (*LABELS, *PROBABILITY, *VOTES, *PLACE, *of_sequences, *enhancement, *ventricles)


def sources_of(names: Iterable[str], scheme: Scheme) -> frozenset[Source]:
    """Return what the features of these names are made from."""
    by_name = {row.name: row.source for row in component_features(scheme)}
    return frozenset(by_name[name] for name in names)
