"""Real gliomas with somebody's outlines, as cases and masks; labels have the values of 2023."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np

from challenge.case import Case, read_case
from challenge.platforms import find_cases

REGIONS = {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}
PARTS = {"NETC": (1,), "SNFH": (2,)}


@dataclass(frozen=True)
class Outlined:
    """A case, and the masks (z, y, x) of somebody who outlined it."""

    who: str
    case: Case
    masks: Mapping[str, np.ndarray]


def array_of(path: Path) -> np.ndarray:
    """Return a NIfTI file's voxels (x, y, z)."""
    return np.asarray(nibabel.load(path).dataobj)


def write_pat0001(shared_data: Path, folder: Path) -> None:
    """Write BRATS 2013's case in BraTS form: it comes z-scored, and not 0 outside of the head."""
    source = shared_data / "brats2013-expert-labels-NC" / "pat0001"
    inside = array_of(source / "brainmask.nii.gz") > 0
    folder.mkdir(parents=True)
    for sequence in ("t1c", "t2f"):
        scan = nibabel.load(source / f"{sequence}_zscore.nii.gz")
        image = np.where(inside, np.asarray(scan.dataobj, np.float32) + 10, 0).astype(np.float32)
        path = folder / f"BraTS-GLI-00001-000-{sequence}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(image, scan.affine), path)


def labels_of_pat0001(shared_data: Path) -> np.ndarray:
    """Return the experts' labels (x, y, z), whose core that does not enhance is NETC here."""
    path = shared_data / "brats2013-expert-labels-NC" / "pat0001" / "seg.nii.gz"
    # 1 necrosis, 2 oedema, 3 core that does not enhance, 4 core that does
    return np.array([0, 1, 2, 1, 3])[array_of(path).round().astype(int)]


def outlined(name: str, shared_data: Path, scratch: Path) -> Outlined:
    """Return a real glioma by name: expert, fusion, person or pat0001."""
    if name == "expert":
        folder = shared_data / "brats-2021-expert" / "BraTS-GLI-00000-000"
        who, labels = "an expert", array_of(folder / "BraTS-GLI-00000-000-seg.nii.gz")
    elif name == "pat0001":
        folder = scratch / "pat0001"
        write_pat0001(shared_data, folder)
        who, labels = "experts, T1c and FLAIR alone", labels_of_pat0001(shared_data)
    else:
        folder = shared_data / "tcga-fg-6692" / "image"
        who, labels = "a fusion of algorithms", array_of(folder.parent / "fusion/simple.nii.gz")
    labels = np.where(labels == 4, 3, labels).T  # 4 is ET before 2023
    masks = {region: np.isin(labels, values) for region, values in (REGIONS | PARTS).items()}
    if name == "person":
        path = shared_data / "tcga-fg-6692-human-NC" / "whole-tumour.nii.gz"
        who, masks = "a person", {"WT": array_of(path).T > 0}
    (files,) = find_cases(folder).cases
    return Outlined(who, read_case(replace(files, allow_missing=True)), masks)
