"""A picture of a case: turned as radiologists look at it, labels where they are."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from lab.__main__ import main as lab
from lab.drawing.slices import frame, grey, painted, read_turned

RAS, LPS = np.diag([1.0, 1, 1, 1]), np.diag([-1.0, -1, 1, 1])


def write(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.nifti1.save(nibabel.nifti1.Nifti1Image(array, affine), path)
    return path


@pytest.mark.parametrize("affine", [RAS, LPS])
def test_the_patients_left_is_on_the_right_and_the_front_is_up(
    tmp_path: Path, affine: np.ndarray
) -> None:
    array = np.zeros((6, 8, 4), np.float32)  # x, y, z as stored
    left_front = (0, -1) if affine is RAS else (-1, 0)
    array[(*left_front, 2)] = 1
    turned, spacing_mm = read_turned(write(tmp_path / "a.nii.gz", array, affine))
    assert turned.shape == (4, 8, 6)
    assert spacing_mm == (1, 1, 1)
    assert np.argwhere(turned).tolist() == [[2, 0, 5]]


def test_pixels_by_hand() -> None:
    picture = np.zeros((20, 30))
    picture[8:12, 10:20] = np.linspace(1, 101, 40).reshape(4, 10)
    assert frame({"a": picture}) == (slice(5, 15), slice(7, 23))
    levels = grey(picture)
    assert levels.max() == 255
    assert not levels[0, 0]
    labels = np.zeros((20, 30), np.uint8)
    labels[8:12, 10:14] = 3
    result = painted(levels, labels, {"ET": 3}, {"ET": "#ff0000"})
    assert (result[8, 10:14] == (255, 0, 0)).all()  # the outline
    assert (result[9, 11] == levels[9, 11]).all()  # inside it the picture
    filled = painted(levels, labels, {"ET": 3}, {"ET": "#ff0000"}, fill=True)
    assert filled[9, 11, 0] > filled[9, 11, 1]


def test_the_picture_of_a_case(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    id = "BraTS-GLI-00001-000"
    for sequence in ("t1n", "t1c", "t2w", "t2f"):
        scan = np.zeros((40, 44, 36), np.float32)
        scan[4:36, 4:40, 4:32] = rng.normal(100, 10, (32, 36, 28))
        write(tmp_path / "in" / id / f"{id}-{sequence}.nii.gz", scan, RAS)
    labels = np.zeros((40, 44, 36), np.uint8)
    labels[10:20, 10:20, 10:20] = 2
    answer = write(tmp_path / "answer.nii.gz", labels, RAS)
    reference = write(tmp_path / "reference.nii.gz", np.roll(labels, 4, 0), RAS)
    flags = ["picture", "--input", str(tmp_path / "in"), "--labels", str(answer)]
    assert lab([*flags, "--reference", str(reference), "--out", str(tmp_path / "p.png")]) == 0
    pixels = np.asarray(Image.open(tmp_path / "p.png"))
    assert pixels.shape[1] > 4 * pixels.shape[0] * 0.8
    right = pixels[22:282, -pixels.shape[1] // 5 :]
    assert (right == 255).all(-1).sum() > 100  # the reference's outline is white, and there alone
    assert (pixels[22:282, : pixels.shape[1] // 2] == 255).all(-1).mean() < 0.02
