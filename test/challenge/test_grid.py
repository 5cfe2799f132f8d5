"""How far two grids are apart, and where a file lies."""

from pathlib import Path

import numpy as np
import pytest
import stored
from hypothesis import given
from hypothesis import strategies as st

from challenge.grid import GridError, displacement_voxels, read_grid

ANCHOR = np.diag([2.0, 1, 4, 1])  # mm a voxel along x, y, z
SHAPE = (11, 21, 31)  # z, y, x


def moved(row: int, column: int, by: float) -> np.ndarray:
    affine = ANCHOR.copy()
    affine[row, column] += by
    return affine


@pytest.mark.parametrize(
    ("affine", "voxels"),
    [
        (ANCHOR, 0),
        (moved(0, 3, 1), 0.5),  # 1 mm along x, of voxels of 2
        (moved(2, 3, -1), 0.25),
        (moved(0, 0, 0.1), 30 * 0.1 / 2),  # a spacing: the 31st voxel has gone 3 mm
        (moved(1, 2, 0.1), 10 * 0.1 / 1),  # the z axis leans along y
        (moved(2, 2, -8), 10 * 8 / 4),  # turned round
    ],
)
def test_the_corner_that_moved_most_counts(affine: np.ndarray, voxels: float) -> None:
    assert displacement_voxels(affine, ANCHOR, SHAPE) == pytest.approx(voxels)


@given(st.lists(st.floats(-1, 1), min_size=12, max_size=12))
def test_no_voxel_moved_more(numbers: list[float]) -> None:
    affine = ANCHOR.copy()
    affine[:3] += np.array(numbers).reshape(3, 4)
    z, y, x = np.indices(SHAPE).reshape(3, -1)
    voxels = np.array([x, y, z, np.ones_like(x)])
    apart = np.linalg.inv(ANCHOR[:3, :3]) @ ((affine - ANCHOR)[:3] @ voxels)
    most = np.linalg.norm(apart, axis=0).max()
    assert displacement_voxels(affine, ANCHOR, SHAPE) == pytest.approx(most)


def test_axes_that_a_further_one_is_mixed_with_have_no_place(tmp_path: Path) -> None:
    fields = {
        "NDims": "4",
        "DimSize": "5 4 3 1",
        "ElementSpacing": "1 2 3 4",
        "Offset": None,
        "CenterOfRotation": None,
        "TransformMatrix": "0 0 0 1 0 1 0 0 0 0 1 0 1 0 0 0",
    }
    path = stored.placed(tmp_path / "a.mha", stored.metaimage(stored.voxels(), fields))
    with pytest.raises(GridError, match="mixed with a further one"):
        read_grid(path, "MetaImageIO")
