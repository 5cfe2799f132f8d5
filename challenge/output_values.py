"""What a challenge may ask for as a JSON value, computed from a case's labels and probabilities."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cc3d
import numpy as np

MM3_PER_ML = 1000.0


@dataclass(frozen=True)
class RegionOfCase:
    """One region of an answered case."""

    mask: np.ndarray  # bool (z, y, x): the written label map's region
    probability: np.ndarray  # float32 (z, y, x)
    voxel_volume_mm3: float


def volume_ml(region: RegionOfCase) -> float:
    """Return the region's volume in mL."""
    return float(np.count_nonzero(region.mask) * region.voxel_volume_mm3 / MM3_PER_ML)


def component_volumes_ml(region: RegionOfCase) -> list[float]:
    """Return the volumes of the region's 26-connected components in mL, the largest first."""
    components = cc3d.connected_components(region.mask, connectivity=26)
    counts = np.sort(np.bincount(components.ravel())[1:])[::-1]
    return [float(count * region.voxel_volume_mm3 / MM3_PER_ML) for count in counts]


def highest_probability(region: RegionOfCase) -> float:
    """Return the region's highest probability in any voxel: how likely the case has it at all."""
    return float(region.probability.max())


def is_present(region: RegionOfCase) -> bool:
    """Return whether any voxel is of the region."""
    return bool(region.mask.any())


VALUES: Mapping[str, Callable[[RegionOfCase], float | bool | list[float]]] = {
    "volume-ml": volume_ml,
    "component-volumes-ml": component_volumes_ml,
    "highest-probability": highest_probability,
    "is-present": is_present,
}
