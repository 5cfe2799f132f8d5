"""What a container wrote, and ways to break it; the input lies in input/, the rest in output/."""

import gzip
from collections.abc import Callable
from pathlib import Path

import files
import nibabel
import numpy as np
import SimpleITK

from challenge.label_file import write_labels
from challenge.platforms import find_cases

FIRST, SECOND = "BraTS-GLI-00001-100", "BraTS-GLI-00002-101"
FILE = f"{FIRST}.nii.gz"
SOCKET_FOLDER = Path("images", "pancreatic-tumor-segmentation")
Say = Callable[..., tuple[int, list[str]]]


def glioma() -> np.ndarray:
    """A tumour (z, y, x) of 150 voxels NETC, 250 SNFH, 100 ET, without a cavity."""
    labels = np.zeros((20, 22, 18), np.uint8)
    labels[5:15, 5:15, 5:10] = 2
    labels[5:15, 5:10, 5:8] = 1
    labels[5:15, 10:15, 5:7] = 3
    return labels


def ball() -> np.ndarray:
    labels = np.zeros((20, 22, 18), np.uint8)
    labels[8:12, 8:12, 8:12] = 1
    return labels


def write_all(folder: Path, labels: np.ndarray) -> None:
    """Write the same good labels for every case of the input with the program's writer."""
    for case in find_cases(folder / "input").cases:
        write_labels(labels, case, folder / "output")


def cohort(folder: Path, *ids: str) -> Path:
    for id in ids:
        files.write_brats_case(folder / "input" / id, id)
    (folder / "output").mkdir()
    write_all(folder, glioma())
    return folder


def only(result: tuple[int, list[str]], subject: str, *fragments: str) -> str:
    """Assert that there is exactly one finding, about `subject`, that says all fragments."""
    code, lines = result
    assert code == 1
    assert len(lines) == 1, lines
    assert lines[0].startswith((f"FAULT {subject}: ", f"WARN {subject}: "))
    for fragment in fragments:
        assert fragment in lines[0] + "\n"  # a fragment may demand the line's end
    return lines[0].split()[0]


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change a NIfTI file's labels (z, y, x), and their type, and keep its header."""
    image = nibabel.load(path)
    array = change(np.asarray(image.dataobj).T).T
    header = image.header.copy()
    header.set_data_dtype(array.dtype)
    header.set_slope_inter(1, 0)
    path.write_bytes(gzip.compress(nibabel.Nifti1Image(array, None, header).to_bytes()))


def patch_header(path: Path, **fields: object) -> None:
    """Overwrite fields of a NIfTI header in place, as nibabel itself would not write them."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    header = nibabel.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content)))


def rewrite_image(
    folder: Path, change: Callable[[SimpleITK.Image], SimpleITK.Image | None]
) -> None:
    """Change the one MetaImage of the output, in place or for what `change` returns."""
    (path,) = (folder / "output" / SOCKET_FOLDER).glob("*.mha")
    image = SimpleITK.ReadImage(str(path))
    SimpleITK.WriteImage(change(image) or image, str(path), True)


def put(labels: np.ndarray, *voxels: float, dtype: type = np.uint8) -> np.ndarray:
    """Put values into the corner of labels (z, y, x), as another type if need be."""
    changed = labels.astype(dtype)
    changed[0, 0, : len(voxels)] = voxels
    return changed
