"""ATLAS R3.0 as its organisers lay it out, in small."""

from pathlib import Path

import files
import numpy as np

from lab.__main__ import main as lab

STEM = "R001/{id}/ses-1/anat/{id}_ses-1_space-orig_"
IMAGE, MASK = "desc-brain_T1w.nii.gz", "label-lesion_desc-T1lesion_mask.nii.gz"
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
SHAPE = (12, 14, 10)  # x, y, z


def write_subject(
    folder: Path, id: str, mask: np.ndarray, affine: np.ndarray = AFFINE
) -> np.ndarray:
    """Write a subject as ATLAS R3.0 is laid out; return its mask."""
    home = str(folder / STEM.format(id=id))
    files.write_nifti(Path(home + IMAGE), files.head(3, SHAPE), AFFINE)
    files.write_nifti(Path(home + MASK), mask, affine)
    return mask


def cube(value: float = 1, dtype: type = np.uint8, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A cube of 4 x 4 x 4 voxels, at (4, 4, 2)."""
    mask = np.zeros(shape, dtype)
    mask[4:8, 4:8, 2:6] = value
    return mask


def prepare(tmp_path: Path, source: Path, *flags: str) -> int:
    words = ["--source", f"isles-2026={source}", "--dataset", "Dataset601_Stroke"]
    return lab(["prepare", *words, "--out", str(tmp_path / "raw"), *flags])
