"""Kinds of faults of which each needs another remedy, as data.

True and false components of ET are of the same sizes and distances, so that a remedy works by what
is planted alone. `remedy` names the method of `fault_study` that repairs the kind.

The null is one for every method. Half of its satellites are no tumour, chosen at random of those
that are in images, prediction and probabilities alike; a removal is as often wrong as right, and a
true lesion weighs more than a false one. Beside borders, which stray, the probability of the other
label is high in random patches: a lower threshold adds voxels of which most are wrong.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from lab.study.components import Islands
from lab.study.confidence import Confidence
from lab.study.corruption import Corruption, Shift
from lab.study.planted import PlantedCluster, Tumour
from lab.study.planted_images import Look

NOTHING = "nothing"


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault."""

    name: str
    meaning: str  # for readers
    clusters: tuple[PlantedCluster, ...]
    remedy: str
    far: tuple[str, ...] = ()  # names of clusters that are unlike all others; the remedy harms them

    def is_far(self, cases: int) -> np.ndarray:
        """Return which of so many cases (case,) bool are of clusters unlike all others."""
        names = [self.clusters[number % len(self.clusters)].name for number in range(cases)]
        return np.isin(names, self.far)


EVERYWHERE_MM = (6.0, math.inf)
LOOK = Look({"t1c": 1.2}, texture=0.08, texture_mm=10.0)


def _tumour(*satellites: Islands) -> Tumour:
    """Return a glioma of oedema and enhancement with true satellites of ET."""
    layers = (("SNFH", -4.0), ("ET", 0.0))
    return Tumour((9.0, 11.0), layers, 0.10, 0.2, satellites=satellites)


def _et(mean_count: float, voxels: tuple[int, int]) -> Islands:
    return Islands("ET", mean_count, voxels, EVERYWHERE_MM)


UNSURE = Confidence(doubt=0.25)  # of what is false
SURE = Confidence(doubt=1.0, agreement=1.0)  # of everything
SAME = (8, 24)  # voxels of 8 mm3

SIZES = PlantedCluster(
    name="sizes",
    tumour=_tumour(_et(4.0, (18, 40))),
    look=LOOK,
    corruption=Corruption(islands=(_et(6.0, (2, 12)),)),
    confidence=SURE,
)
PEAKS = PlantedCluster(
    name="peaks",
    tumour=_tumour(_et(4.0, SAME)),
    look=LOOK,
    corruption=Corruption(islands=(_et(5.0, SAME),)),
    confidence=UNSURE,
)
SIZE_OR_PEAK = PlantedCluster(
    name="size or peak",
    tumour=_tumour(_et(3.0, (8, 14)), _et(3.0, (30, 50))),
    look=LOOK,
    corruption=Corruption(islands=(_et(6.0, (8, 14)),)),
    confidence=replace(UNSURE, timid=0.15, timid_voxels=(25, 60)),
)
HYSTERESIS = PlantedCluster(
    name="hysteresis",
    tumour=Tumour((10.0, 12.0), (("SNFH", 0.0),), 0.10, 0.2),
    look=LOOK,
    corruption=Corruption(shifts=(Shift("WT", -2.0),)),
    confidence=Confidence(missed=0.42, ghosts=(Islands("SNFH", 4.0, (20, 60), EVERYWHERE_MM),)),
)
LOOK_ALIKES = PlantedCluster(
    name="look-alikes",
    tumour=_tumour(_et(4.0, SAME)),
    look=LOOK,
    corruption=Corruption(islands=(_et(5.0, SAME),)),
    confidence=SURE,
)
NONE = PlantedCluster(
    name="nothing to gain",
    tumour=replace(_tumour(_et(6.0, (12, 40))), false_share=0.5),
    look=LOOK,
    corruption=Corruption(noise_mm=1.6, least_voxels=8, intact_below=0),
    confidence=replace(SURE, beside=(0.0, 0.49)),
)
# False components are below any true one; in far cases true ones are as small, and none is false.
USUAL = replace(SIZES, name="usual", corruption=Corruption(islands=(_et(6.0, (4, 16)),)))
DARK = replace(
    SIZES,
    name="dark",
    tumour=replace(_tumour(_et(4.0, (11, 16))), radius_mm=(15.0, 17.0), roughness=0.2),
    look=Look({"t1c": 0.5, "t2f": 0.6}, texture=0.3, texture_mm=5.0, noise=0.1, gamma=2.5),
    corruption=Corruption(),
)
BRIGHT = replace(
    SIZES,
    name="bright",
    tumour=replace(_tumour(_et(4.0, (11, 16))), radius_mm=(7.0, 8.0)),
    look=Look({"t1n": 1.6, "t2w": 1.5}, texture=0.02, texture_mm=25.0, noise=0.004, gamma=0.4),
    corruption=Corruption(),
)

FAULT_KINDS = (
    FaultKind("sizes", "false components are smaller than true ones", (SIZES,), "sizes"),
    FaultKind("peaks", "false components are less probable, of the same sizes", (PEAKS,), "peaks"),
    FaultKind(
        "size or peak",
        "false components are small and doubtful, true ones large or sure",
        (SIZE_OR_PEAK,),
        "size or peak",
    ),
    FaultKind(
        "hysteresis",
        "borders are missed by little; faint islands are as probable as they",
        (HYSTERESIS,),
        "hysteresis",
    ),
    FaultKind(
        "look-alikes",
        "false components are as large and as probable as true ones; the images differ",
        (LOOK_ALIKES,),
        "component gate",
    ),
)
NULL_KIND = FaultKind(
    NOTHING, "false components are like true ones in everything", (NONE,), NOTHING
)
FAR_KIND = FaultKind(
    "far cases",
    "false components are smaller than true ones; in one case of eight, unlike all others, true "
    "ones are as small",
    (*[USUAL] * 7, DARK, *[USUAL] * 7, BRIGHT),
    "sizes",
    far=("dark", "bright"),
)
