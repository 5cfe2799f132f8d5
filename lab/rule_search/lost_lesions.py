"""Which lesions of the reference post-processing removes, from label components alone.

A lesion is a 26-connected component of a region of the reference. It is lost where some voxel of it
carried the region before, and none does after.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from challenge.scheme import Scheme
from lab.metrics.pair import Region
from postprocess.components import find_components


@dataclass(frozen=True)
class ReferenceLesions:
    """The lesions of one case, by region, and the label components of the prediction on them."""

    met: Mapping[str, np.ndarray] = field(default_factory=dict)  # region -> (lesion, component)
    values: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # region -> label values

    def lost(
        self, before: np.ndarray, after: np.ndarray, of_after: "ReferenceLesions | None" = None
    ) -> float:
        """Return the share of lesions that are lost; NaN where the reference has none.

        Args:
            before: label value (component,) of each label component.
            after: the same, after post-processing.
            of_after: the same lesions on the components of `after`, where these are others.
        """
        lost = total = 0
        for region, met in self.met.items():
            inside = np.zeros(256, bool)
            inside[list(self.values[region])] = True
            tables = ((met, before), ((of_after or self).met[region], after))
            seen, still = (t[:, inside[values]].any(1) for t, values in tables)
            lost, total = lost + int((seen & ~still).sum()), total + len(met)
        return lost / total if total else np.nan


def find_lesions(reference: np.ndarray, ids: np.ndarray, scheme: Scheme) -> ReferenceLesions:
    """Find the lesions of the regions that a challenge asks for.

    Args:
        reference: label map (z, y, x) in the scheme's values.
        ids: label component of the prediction at each voxel (z, y, x), 0 outside.
        scheme: whose regions count.
    """
    met, values = {}, {}
    width = int(ids.max()) + 1
    for name, labels in scheme.regions.items():
        if not set(labels) <= set(scheme.written):
            continue
        region = Region.of(scheme, name)
        lesions = find_components(region.mask(reference))
        both = (lesions.ids > 0) & (ids > 0)
        table = np.zeros((lesions.voxels.size, width), bool)
        table[lesions.ids[both], ids[both]] = True
        met[name], values[name] = table[1:], region.values
    return ReferenceLesions(met, values)
