"""Intensities of real scans lie within those of synthetic heads, as a network sees them."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from challenge.scheme import SCHEMES
from lab.phantom.population import Population

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("contrast")]  # one cohort for all

# Of the voxels of the brain; the last are vessels and fluid.
PERCENTILES = (2, 25, 50, 75, 98, 99.7)
TOLERANCE = 0.05  # of a standard deviation: sixty patients are no whole population
CASES = (
    "brats-2021-expert/BraTS-GLI-00000-000",
    "brats-2021-expert/unlabelled/BraTS-GLI-00001-000",
    "brats-2021-expert/unlabelled/BraTS-GLI-00027-000",
    "tcga-fg-6692/image",
)


def normalised_percentiles(image: np.ndarray) -> np.ndarray:
    """Return percentiles of the brain's intensities, brought to mean 0 and deviation 1."""
    brain = image[image != 0].astype(np.float64)
    return (np.percentile(brain, PERCENTILES) - brain.mean()) / brain.std()


@pytest.fixture(scope="module")
def synthetic() -> dict[str, np.ndarray]:
    """Return percentiles (patient, percentile) of each sequence."""
    population = Population("brats-gli", 3, (2.0, 2.0, 2.0))
    patients = [population.patient(number) for number in range(60)]
    return {
        sequence: np.array([normalised_percentiles(p.pictures[sequence]) for p in patients])
        for sequence in SCHEMES["brats-gli"].sequences
    }


@pytest.mark.parametrize("case", CASES)
def test_a_real_scan_is_no_outlier(
    case: str, synthetic: dict[str, np.ndarray], shared_data: Path
) -> None:
    for sequence, patients in synthetic.items():
        (path,) = (shared_data / case).glob(f"*{sequence}.nii.gz")
        real = normalised_percentiles(np.asarray(nibabel.load(path).dataobj))
        low, high = patients.min(0), patients.max(0)
        outside = (real < low - TOLERANCE) | (real > high + TOLERANCE)
        assert not outside.any(), f"{sequence}: {real[outside]} of {real}, {low} to {high}"
