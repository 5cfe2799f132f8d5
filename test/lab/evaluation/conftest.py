"""Small cohorts of Sub-Saharan glioma whose scores are known, for the tests of `lab evaluate`."""

from pathlib import Path

import bad_files
import files
import numpy as np
import pytest
from evaluator import GOOD, SIDES


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Three cases: a hit, one moved by a voxel, and an empty prediction of a tumour."""
    generator = np.random.default_rng(0)
    for number in range(3):
        reference = np.zeros((14, 13, 12), np.uint8)
        reference[3:9, 3:9, 3:9] = 2
        reference[4:8, 4:8, 4:8] = generator.integers(1, 4, (4, 4, 4))
        prediction = (reference, np.roll(reference, 1, 0), reference * 0)[number]
        name = f"BraTS-SSA-0000{number}-000.nii.gz"
        files.write_nifti(tmp_path / "references" / name, reference)
        files.write_nifti(tmp_path / "predictions" / name, prediction)
    return tmp_path


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """One case whose prediction is its reference; tests write other files beside it."""
    for side in SIDES:
        (tmp_path / side).mkdir()
        bad_files.good(tmp_path / side / f"{GOOD}.nii.gz")
    return tmp_path
