"""How far the label components of a case are from each other, in mm between voxel centres.

The distance of two unions of components is the least of any two of their parts, so that distances
after rules follow from this table exactly.
"""

from dataclasses import dataclass

import numpy as np

from postprocess.component_distances import ROUNDING, border_points, box_gaps_mm, split_by_id
from postprocess.components import SpacingMm
from postprocess.rule_base import RuleError


@dataclass(frozen=True)
class ClosePairs:
    """The pairs of components that are at most `limit_mm` apart, each in both orders."""

    pairs: np.ndarray  # (n, 2) components
    away_mm: np.ndarray  # (n,)
    limit_mm: float

    def within(self, limit_mm: float) -> np.ndarray:
        """Return the pairs (n, 2) that are at most so far apart.

        Raises:
            RuleError: the table ends before that.
        """
        if limit_mm > self.limit_mm:
            raise RuleError(
                f"the rule search knows distances up to {self.limit_mm:g} mm, not {limit_mm:g} mm"
            )
        return self.pairs[self.away_mm <= limit_mm * (1 + ROUNDING)]


def find_close_pairs(ids: np.ndarray, limit_mm: float, spacing_mm: SpacingMm) -> ClosePairs:
    """Measure the distances of components that are at most `limit_mm` apart.

    Args:
        ids: component of each voxel (z, y, x), 0 outside.
        limit_mm: the largest distance that a rule may ask for.
        spacing_mm: of the voxels (z, y, x).
    """
    from scipy.spatial import cKDTree  # takes a fifth of a second to load

    numbers, points_mm = border_points(ids, spacing_mm)
    points_of = split_by_id(numbers, points_mm) if numbers.size else {}
    order = sorted(points_of, key=lambda number: -len(points_of[number]))
    low, high = (np.array([f(points_of[i], axis=0) for i in order]) for f in (np.min, np.max))
    reach_mm = limit_mm * (1 + ROUNDING)
    pairs, away_mm = [np.empty((0, 2), np.int64)], [np.empty(0)]
    for at, number in enumerate(order[:-1]):  # the points of all smaller ones, to this one's tree
        smaller = slice(at + 1, None)
        gaps_mm = box_gaps_mm(low[at], high[at], low[smaller], high[smaller])
        others = [order[at + 1 + i] for i in np.flatnonzero(gaps_mm <= reach_mm)]
        if not others:
            continue
        points = [points_of[other] for other in others]
        starts = np.cumsum([0, *(len(each) for each in points[:-1])])
        bound_mm = np.nextafter(reach_mm, np.inf)  # what is as far as a bound is not reported
        tree = cKDTree(points_of[number])
        nearest, _ = tree.query(np.concatenate(points), distance_upper_bound=bound_mm)
        least = np.minimum.reduceat(nearest, starts)
        both = np.stack([np.full(len(others), number), others], axis=1)[np.isfinite(least)]
        pairs += [both, both[:, ::-1]]
        away_mm += [least[np.isfinite(least)]] * 2
    return ClosePairs(np.concatenate(pairs), np.concatenate(away_mm), limit_mm)
