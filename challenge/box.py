"""Boxes around what an array holds, as tuples of slices."""

from collections.abc import Sequence

import numpy as np

Box = tuple[slice, ...]


def bounding_box(mask: np.ndarray, margin: int | Sequence[int] = 0) -> Box | None:
    """Return the slices that hold all that is not zero; None where there is nothing.

    Args:
        mask: array of any number of axes.
        margin: voxels on every side, for all axes or one number an axis; the box ends with the
            array.
    """
    margins = [margin] * mask.ndim if isinstance(margin, int) else margin
    box: list[slice] = []
    for axis, more in enumerate(margins):
        view = mask[tuple(box)]
        indices = np.flatnonzero(view.any(axis=tuple(i for i in range(mask.ndim) if i != axis)))
        if indices.size == 0:
            return None
        stop = min(int(indices[-1]) + 1 + more, mask.shape[axis])
        box.append(slice(max(int(indices[0]) - more, 0), stop))
    return tuple(box)


def joint_box(*boxes: Box | None) -> Box | None:
    """Return the smallest box that holds all boxes; None counts as empty."""
    filled = [box for box in boxes if box is not None]
    if not filled:
        return None
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*filled, strict=True)
    )
