"""The kind of rule that fills holes: what a label or region encloses takes a label.

As `fill_holes_with_label` of MIST (mist-medical/MIST, mist/postprocessing/transform_registry.py),
which is scipy's `binary_fill_holes` on the whole volume: a hole is what faces alone do not reach
from beyond the image, whatever labels stand in it.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import cc3d
import numpy as np

from challenge.box import bounding_box
from challenge.scheme import Scheme

from .components import Connectivity
from .rule_base import BACKGROUND, Rule, RuleView, check_name


@dataclass(frozen=True)
class FillHoles(Rule):
    """Every voxel that a label or region encloses in 3-D changes; its own voxels do not.

    Voxels of another label inside change too, as in MIST: a necrotic core that enhancing tumour
    encloses is a hole of ET. On the whole tumour only what is no tumour is a hole.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("becomes",)

    connectivity: Connectivity = field(default=26, init=False)

    def check_becomes(self, scheme: Scheme) -> None:
        """Raise RuleError unless holes take a label or the background."""
        check_name("becomes", self.becomes, BACKGROUND, *scheme.labels)

    def select(self, view: RuleView) -> np.ndarray:
        """Return the voxels of all holes."""
        return holes_of(view.mask(self.names(view.scheme)))


def holes_of(mask: np.ndarray) -> np.ndarray:
    """Return the voxels (z, y, x) outside a bool mask that no path of faces joins to the edge."""
    holes = np.zeros(mask.shape, bool)
    box = bounding_box(mask)
    if box is not None:
        outside = np.pad(~mask[box], 1, constant_values=True)
        parts = cc3d.connected_components(outside.view(np.uint8), connectivity=6)
        holes[box] = (outside & (parts != parts[0, 0, 0]))[1:-1, 1:-1, 1:-1]
    return holes
