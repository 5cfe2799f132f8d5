"""Small input folders as the platforms lay them out."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK

from challenge.scheme import MRI_SEQUENCES

# Voxel (x, y, z) to mm as in the BraTS post-treatment set: LAS, off centre.
LAS = np.array([[-1, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]], float)

# Ids of three cases.
GLI = [f"BraTS-GLI-0000{number}-100" for number in (1, 2, 3)]


def written(folder: Path) -> list[str]:
    """Return the relative paths of all files under a folder, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def touch(folder: Path, *names: str) -> Path:
    """Make empty files of these names, and the folders that they lie in; return the folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def head(seed: int = 0, shape: tuple[int, int, int] = (18, 22, 20)) -> np.ndarray:
    """A smooth bright ball (x, y, z), int16, with zeros around it."""
    rng = np.random.default_rng(seed)
    centred = [np.linspace(-1.2, 1.2, side) for side in shape]
    x, y, z = np.meshgrid(*centred, indexing="ij")
    inside = x**2 + y**2 + z**2 < 1
    return (inside * (400 + 200 * x + rng.normal(0, 30, shape))).clip(0).astype(np.int16)


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray = LAS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(array, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 4)
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


def write_brats_case(
    folder: Path, id: str, separator: str = "-", sequences: Iterable[str] = MRI_SEQUENCES
) -> Path:
    """Write one case's images straight into `folder`; return it."""
    for number, sequence in enumerate(sequences):
        write_nifti(folder / f"{id}{separator}{sequence}.nii.gz", head(number))
    return folder


def write_panther_case(
    folder: Path,
    slug: str = "abdominal-t1-mri",
    stem: str = "0a1b-scan",
    key: str | None = "socket",
) -> Path:
    """Write a grand-challenge input folder; `key` is that of inputs.json, None leaves it out."""
    place = folder / "images" / slug
    place.mkdir(parents=True)
    image = SimpleITK.GetImageFromArray(head().transpose(2, 1, 0) + np.int16(3))
    image.SetSpacing((1.1875, 1.1875, 3.3))
    image.SetOrigin((-101.30000305175781, 17.123456789, 1 / 3))
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    SimpleITK.WriteImage(image, str(place / f"{stem}.mha"), True)
    if key:
        write_inputs_json(folder, [socket(slug, key)])
    return folder


def write_metaimage(
    path: Path, array: np.ndarray, spacing: float = 2.0, origin: float = 0.0
) -> Path:
    """Write an array (z, y, x) with one spacing and one origin along all axes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing([spacing] * 3)
    image.SetOrigin([origin] * 3)
    SimpleITK.WriteImage(image, str(path), True)
    return path


ISLES_SLUGS = ("t1-brain-mri", "stroke-metadata")


def write_isles_case(
    folder: Path, slugs: Iterable[str] = ISLES_SLUGS, image: np.ndarray | None = None
) -> Path:
    """Write ISLES'26's two inputs, an image (z, y, x) of 2 mm and what its hospital knows."""
    if image is None:
        image = np.random.default_rng(0).integers(0, 1000, (8, 9, 10)).astype(np.int16)
    write_metaimage(folder / "images" / "t1-brain-mri" / "ab-12.mha", image)
    metadata = {"CENTER": "R001", "CHRONICITY": None, "DAYS_POST_STROKE": 471.0}
    (folder / "stroke-metadata.json").write_text(json.dumps(metadata))
    write_inputs_json(folder, [socket(slug, "socket") for slug in slugs])
    return folder


def socket(slug: str, key: str) -> dict[str, Any]:
    """One entry of inputs.json, with the other key left empty as old platforms did."""
    facts = {"slug": slug, "relative_path": f"images/{slug}"}
    return {"socket": None, "interface": None, "image": {"name": "x.mha"}, key: facts}


def write_inputs_json(folder: Path, entries: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inputs.json").write_text(json.dumps(entries))
