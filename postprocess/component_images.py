"""Where components lie in the head, and how their images look.

The head is where any sequence is not zero: that of a skull-stripped scan, else nearly the whole
volume. Intensities are z-scores of the voxels inside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects

from challenge.box import Box, bounding_box
from challenge.case import Case

from .component_shapes import AXES, Voxels
from .components import Components, border
from .features import FeatureError

SHELL_MM = 3.0
# Towards which sides the axes x, y, z of arrays run, where a case does not say: those of BraTS.
USUAL_ORIENTATION = "LPS"


@dataclass(frozen=True)
class Head:
    """Where the head is, and its images as z-scores of the voxels inside."""

    case: Case
    inside: np.ndarray  # (z, y, x) bool
    box: Box
    images: Mapping[str, tuple[np.ndarray, float, float]]  # image, mean and deviation inside

    @classmethod
    def of(cls, case: Case) -> "Head":
        """Find the head of a case.

        Raises:
            FeatureError: an image is constant inside the head.
        """
        inside = np.any([image != 0 for image in case.images.values()], axis=0)
        box = bounding_box(inside)
        if box is None:
            raise FeatureError("every image is zero")
        scales = {}
        for sequence, image in case.images.items():
            values = image[inside].astype(np.float64)
            if not values.std() > 0:
                raise FeatureError(f"the image of sequence {sequence} is constant")
            scales[sequence] = (image, float(values.mean()), float(values.std()))
        return cls(case, inside, box, scales)

    def z(self, sequence: str, at: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the z-scores (voxel,) of an image at voxel indices."""
        image, mean, deviation = self.images[sequence]
        return (image[at].astype(np.float64) - mean) / deviation

    def axis(self, side: str) -> tuple[int, bool]:
        """Return the array axis that runs to a side, such as "S", and whether it grows to it."""
        opposite = {"S": "I", "A": "P", "L": "R"}[side]
        code = self.case.orientation or USUAL_ORIENTATION
        number = next(i for i, letter in enumerate(code) if letter in (side, opposite))
        return 2 - number, code[number] == side

    def share_along(self, side: str, at: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return how far voxels (voxel,) lie towards a side, 0 to 1 of the head's box."""
        axis, grows = self.axis(side)
        span = self.box[axis]
        share = (at[axis] - span.start) / max(span.stop - 1 - span.start, 1)
        return np.asarray(share if grows else 1 - share, np.float64)

    @cached_property
    def edge_mm(self) -> np.ndarray:
        """Return the positions (point, 3) in mm of the voxels at the head's edge."""
        at = np.argwhere(border(self.inside[self.box]))
        return (at + [side.start for side in self.box]) * np.array(self.case.spacing_mm)


def place_features(head: Head, voxels: Voxels) -> dict[str, np.ndarray]:
    """Return where each component lies, by name, (component,) each."""
    from scipy.spatial import cKDTree  # takes a fifth of a second to load

    spacing_mm = np.array(head.case.spacing_mm)
    centres_mm = np.stack([voxels.mean(at) for at in voxels.at], axis=1) * spacing_mm
    depth_mm, _ = cKDTree(head.edge_mm).query(centres_mm)
    across = voxels.mean(head.share_along("L", voxels.at))
    return {
        "depth_mm": depth_mm,
        "height": voxels.mean(head.share_along("S", voxels.at)),
        "front": voxels.mean(head.share_along("A", voxels.at)),
        "from_midline": np.abs(2 * across - 1),
    }


def image_features(head: Head, voxels: Voxels, components: Components) -> dict[str, np.ndarray]:
    """Return how each component looks in each sequence, by name, (component,) each."""
    shells, pairs = _shells(head, components), _pairs(components)
    mirrored, has_mirror = _mirrored(head, voxels)
    table: dict[str, np.ndarray] = {}
    for sequence in head.images:
        z = head.z(sequence, voxels.at)
        mean = voxels.mean(z)
        variance = voxels.mean((z - mean[voxels.ids]) ** 2)
        shell_ids, shell_at = shells
        around = voxels.mean(head.z(sequence, shell_at), shell_ids)
        has_shell = np.bincount(shell_ids, minlength=voxels.count) > 0
        opposite = voxels.mean(head.z(sequence, mirrored), voxels.ids[has_mirror])
        is_mirrored = np.bincount(voxels.ids[has_mirror], minlength=voxels.count) > 0
        pair_ids, one, other = pairs
        steps = np.abs(head.z(sequence, one) - head.z(sequence, other))
        table |= {
            f"{sequence}_mean": mean,
            f"{sequence}_deviation": np.sqrt(variance),
            f"{sequence}_roughness": voxels.mean(steps, pair_ids),
            f"{sequence}_contrast": np.where(has_shell, mean - around, 0.0),
            f"{sequence}_asymmetry": np.where(is_mirrored, mean - opposite, 0.0),
        }
    if {"t1c", "t1n"} <= set(head.images):
        table["enhancement"] = table["t1c_mean"] - table["t1n_mean"]
    return table


def _shells(head: Head, components: Components) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return component (from 0) and indices of every voxel of the head in a shell around it.

    It is of 3 mm, and where voxels are larger, of one voxel.
    """
    spacing_mm, shape = head.case.spacing_mm, components.ids.shape
    shell_mm = max(SHELL_MM, *spacing_mm) if min(spacing_mm) > SHELL_MM else SHELL_MM
    margins = [int(np.ceil(shell_mm / mm)) for mm in spacing_mm]
    ids, at = [], []
    for number, box in enumerate(find_objects(components.ids)):
        wide = tuple(
            slice(max(side.start - margin, 0), min(side.stop + margin, size))
            for side, margin, size in zip(box, margins, shape, strict=True)
        )
        near = components.ids[wide]
        away_mm = distance_transform_edt(near != number + 1, sampling=spacing_mm)
        indices = np.nonzero((away_mm <= shell_mm) & (near == 0) & head.inside[wide])
        at.append(np.stack(indices) + np.array([[side.start] for side in wide]))
        ids.append(np.full(indices[0].size, number))
    return np.concatenate(ids), tuple(np.concatenate(at, axis=1))


def _pairs(
    components: Components,
) -> tuple[np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Return the component (from 0) and both voxels' indices of all neighbours by a face in one."""
    box = components.box
    inside, start = components.ids[box], np.array([[side.start] for side in box])
    ids, one, other = [], [], []
    for axis in range(AXES):
        first = tuple(slice(None, -1) if i == axis else slice(None) for i in range(AXES))
        second = tuple(slice(1, None) if i == axis else slice(None) for i in range(AXES))
        alike = (inside[first] > 0) & (inside[first] == inside[second])
        at = np.stack(np.nonzero(alike))
        ids.append(inside[first][alike].astype(np.intp) - 1)
        one.append(at + start)
        other.append(at + start + np.eye(AXES, dtype=int)[:, [axis]])
    first_at, second_at = (tuple(np.concatenate(rows, axis=1)) for rows in (one, other))
    return np.concatenate(ids), first_at, second_at


def _mirrored(head: Head, voxels: Voxels) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Return the indices of mirror images in the head, and which voxels (voxel,) have one."""
    axis, _ = head.axis("L")
    side = head.box[axis]
    at = list(voxels.at)
    at[axis] = side.start + side.stop - 1 - at[axis]
    in_box = (at[axis] >= 0) & (at[axis] < head.inside.shape[axis])
    at = [np.where(in_box, indices, 0) for indices in at]
    has_mirror = in_box & head.inside[tuple(at)]
    return tuple(indices[has_mirror] for indices in at), has_mirror
