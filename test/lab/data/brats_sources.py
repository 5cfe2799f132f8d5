"""BraTS cases in small, and the dataset that `lab prepare` makes of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import files
import nibabel
import numpy as np

from lab.__main__ import main as lab

HOME = Path("raw", "Dataset901_X")
AFTER = {"NETC": 1, "SNFH": 2, "ET": 3}
BEFORE = {"NETC": 1, "SNFH": 2, "ET": 4}
Integrity = Callable[[Path], None]


def head_labels(values: dict[str, int], shape: tuple[int, ...] = (18, 22, 20)) -> np.ndarray:
    """Return labels (x, y, z): a box of 6 x 8 x 8 voxels for each name, side by side along x."""
    labels = np.zeros(shape, np.uint8)
    for number, value in enumerate(values.values()):
        labels[2 + 3 * number : 5 + 3 * number, 6:14, 6:14] = value
    return labels


def write_case(folder: Path, id: str, values: dict[str, int], separator: str = "-") -> Path:
    """Write the scans of one case and labels of each of `values`; return the labels' path."""
    files.write_brats_case(folder, id, separator)
    return files.write_nifti(folder / f"{id}{separator}seg.nii.gz", head_labels(values))


def prepare(tmp_path: Path, *words: str) -> int:
    """Prepare into tmp_path/raw; return the exit code."""
    return lab(["prepare", *words, "--dataset", "Dataset901_X", "--out", str(tmp_path / "raw")])


def dataset(tmp_path: Path) -> dict[str, Any]:
    """Return what dataset.json holds."""
    return dict(json.loads((tmp_path / HOME / "dataset.json").read_text()))


def label_map(tmp_path: Path, id: str) -> np.ndarray:
    """Return the prepared labels (x, y, z) of a case."""
    return np.asanyarray(nibabel.load(tmp_path / HOME / "labelsTr" / f"{id}.nii.gz").dataobj)
