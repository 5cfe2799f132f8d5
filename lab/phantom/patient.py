"""One synthetic patient, and what makes one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.phantom.fields import Grid

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Patient:
    """One synthetic patient: pictures (z, y, x) int16 by sequence, and labels uint8."""

    name: str
    grid: Grid
    pictures: Mapping[str, np.ndarray]
    labels: np.ndarray
    shift_mm: Triple  # from patient coordinates in LPS order to the world of the file
    # What a JSON socket of the challenge hands over, by slug.
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """Which patient is to be made, and how it is to be scanned."""

    seed: int  # of this patient alone
    code: str  # five digits, for its name
    spacing_mm: Triple | None  # instead of the native grid
    anywhere: bool  # abdomens of any scanner
    healthy: float = 0.0  # chance that there is no tumour

    def on(self, native: Grid) -> Grid:
        """Return the grid of the scan."""
        return native if self.spacing_mm is None else native.respaced(self.spacing_mm)


@dataclass(frozen=True)
class Kind:
    """One kind of patients."""

    scheme: str  # the challenge whose cases they are
    make: Callable[[Request], Patient]
    bends_atlas: bool = False  # whether heads are bent out of the atlas
    can_be_healthy: bool = False  # whether patients without a tumour are made
