"""The planted clusters themselves, as data: five kinds of glioma, a null and a shift of them.

The best rules of one cluster harm another, so no one rule serves all: ET below 17 voxels is false
around `ring` and true in `scattered`; ET of 2 to 4.5 % is invented in `diffuse` and true in
`operated`; NETC of that share is invented in `operated` and true in `solid`.

| name      | looks like                         | systematic errors                               |
|-----------|------------------------------------|-------------------------------------------------|
| ring      | large, enhancing rim, much oedema  | false ET of 4-16 voxels, far                    |
| scattered | small, many true islands of ET     | false ET of 1-4 voxels, near                    |
| diffuse   | large, rough, mostly no ET         | ET invented inside NETC; border 1 mm too tight  |
| operated  | cavity, little ET                  | false RC of 6-24 voxels; NETC invented in SNFH  |
| solid     | compact, enhancing, little oedema  | false SNFH of 8-20 voxels, near; 1 mm too wide  |
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from lab.study.components import Islands
from lab.study.confidence import Confidence
from lab.study.corruption import Corruption, Shift, Swap
from lab.study.planted import Nodule, PlantedCluster, Tumour
from lab.study.planted_images import Look

NEAR_MM, FAR_MM = (4.0, 12.0), (14.0, math.inf)

CLUSTERS = (
    PlantedCluster(
        name="ring",
        tumour=Tumour((14.0, 17.0), (("SNFH", -6.0), ("ET", 0.0), ("NETC", 5.0)), 0.08, 0.15),
        look=Look({"t1c": 1.15, "t2f": 1.1}, texture=0.10, texture_mm=14.0),
        corruption=Corruption(islands=(Islands("ET", 8.0, (4, 16), FAR_MM),)),
        best_voxels={"ET": (17, 30)},
    ),
    PlantedCluster(
        name="scattered",
        tumour=Tumour(
            (8.0, 10.0),
            (("SNFH", -4.0), ("ET", 0.0), ("NETC", 4.5)),
            0.10,
            0.2,
            satellites=(Islands("ET", 4.0, (12, 30), (6.0, 18.0)),),
        ),
        look=Look({"t1n": 0.85, "t1c": 1.3}, texture=0.06, texture_mm=8.0),
        corruption=Corruption(islands=(Islands("ET", 10.0, (1, 4), NEAR_MM),)),
        best_voxels={"ET": (5, 12)},
    ),
    PlantedCluster(
        name="diffuse",
        tumour=Tumour(
            (14.0, 17.0),
            (("SNFH", -4.0), ("NETC", 0.0)),
            0.20,
            0.35,
            nodules=(Nodule("ET", "NETC", (0.12, 0.2), 0.35),),
        ),
        look=Look({"t1n": 1.15, "t2w": 0.8, "t2f": 0.9}, texture=0.03, texture_mm=20.0),
        corruption=Corruption(
            swaps=(Swap("ET", "NETC", (0.02, 0.045), 0.1, 0.9),), shifts=(Shift("WT", -1.0),)
        ),
        best_share={("ET", "NETC"): (0.05, 0.08)},
    ),
    PlantedCluster(
        name="operated",
        tumour=Tumour(
            (11.0, 13.0),
            (("SNFH", -6.0), ("RC", 0.0)),
            0.12,
            0.2,
            nodules=(Nodule("ET", "SNFH", (0.025, 0.045)),),
        ),
        look=Look({"t2w": 1.15, "t2f": 0.95, "t1c": 0.9}, texture=0.14, texture_mm=9.0),
        corruption=Corruption(
            islands=(Islands("RC", 6.0, (6, 24), FAR_MM),),
            swaps=(Swap("NETC", "SNFH", (0.02, 0.045), 0.1, 0.9),),
        ),
        best_voxels={"RC": (25, 30)},
        best_share={("NETC", "SNFH"): (0.05, 1.0)},
    ),
    PlantedCluster(
        name="solid",
        tumour=Tumour(
            (11.0, 13.0),
            (("SNFH", -3.0), ("ET", 0.0)),
            0.04,
            0.1,
            nodules=(Nodule("NETC", "ET", (0.03, 0.045)),),
            least_voxels=30,
        ),
        look=Look({"t1n": 0.75, "t1c": 1.4, "t2w": 0.8}, texture=0.08, texture_mm=10.0),
        corruption=Corruption(
            islands=(Islands("SNFH", 6.0, (8, 20), NEAR_MM),), shifts=(Shift("WT", 1.0),)
        ),
        best_voxels={"SNFH": (21, 30)},
    ),
)


def null_of(clusters: Sequence[PlantedCluster]) -> tuple[PlantedCluster, ...]:
    """Return the same kinds of tumour without a systematic error.

    Borders stray as before. True and false components of each tumour's outermost label, which every
    case has, follow one distribution of number, size and distance, and no confidence tells them
    apart; so what a rule removes is as often right as wrong, and costs a little more where right.
    """
    return tuple(_null(cluster) for cluster in clusters)


def shifted(
    clusters: Sequence[PlantedCluster],
    size: float = 0.88,
    gamma: float = 1.25,
    noise: float = 2.0,
) -> tuple[PlantedCluster, ...]:
    """Return the same clusters as another hospital would see them: the same errors and rules.

    Args:
        size: factor on every radius.
        gamma: exponent on the signal, for another contrast.
        noise: factor on the noise of the images.
    """
    return tuple(_shifted(cluster, size, gamma, noise) for cluster in clusters)


def _null(cluster: PlantedCluster) -> PlantedCluster:
    islands = (Islands(cluster.tumour.layers[0][0], 3.0, (3, 40), (6.0, math.inf)),)
    return replace(
        cluster,
        name=f"{cluster.name}, null",
        tumour=replace(cluster.tumour, satellites=islands),
        corruption=Corruption(islands=islands, noise_mm=cluster.corruption.noise_mm),
        best_voxels={},
        best_share={},
        confidence=Confidence(doubt=1.0, agreement=1.0),
    )


def _shifted(cluster: PlantedCluster, size: float, gamma: float, noise: float) -> PlantedCluster:
    low, high = cluster.tumour.radius_mm
    return replace(
        cluster,
        name=f"{cluster.name}, shifted",
        tumour=replace(cluster.tumour, radius_mm=(size * low, size * high)),
        look=replace(
            cluster.look, gamma=gamma * cluster.look.gamma, noise=noise * cluster.look.noise
        ),
    )
