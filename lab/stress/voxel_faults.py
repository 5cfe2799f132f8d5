"""Files that are well formed and yet no scan of this case: wrong values, types and contents."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np

from challenge.scheme import MRI_SEQUENCES
from lab.stress.malformed import (
    ACCEPTED,
    CORRUPTED,
    REFUSED,
    STEM,
    Malformed,
    scan_of,
    socket_scan,
)
from lab.stress.metaimage_faults import joined, split

NAME = f"{CORRUPTED}-t2w.nii.gz"


def malformed() -> Iterator[Malformed]:
    """Yield each of them, in a scan that is not the geometry reference."""
    corruptions: dict[str, Callable[[Path], None]] = {
        **{f"voxels {name}": _array(change) for name, change in ARRAYS.items()},
        **{f"gzip ends at {share:.0%}": _shortened(share) for share in SHARES},
        **{f"file of {name}": _holding(content) for name, content in CONTENTS.items()},
    }
    for name, corrupt in corruptions.items():
        yield Malformed(name, "brats", corrupt, REFUSED, NAME)
    # A blank scan is a missing sequence, which the weights that ship accept.
    blank = _array(np.zeros_like)
    yield Malformed("voxels all zero", "brats", blank, ACCEPTED, same_labels=False)
    for name, kind in ACCEPTED_AS.items():
        yield Malformed(f"voxels as {name}", "brats", _stored_as(kind), ACCEPTED)
    yield Malformed("MetaImage without voxels", "panther", _voxelless, REFUSED, f"{STEM}.mha")


def _array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        path = scan_of(folder)
        image = nibabel.Nifti1Image.from_filename(path)
        array = change(np.asarray(image.dataobj).astype(np.float32))
        nibabel.save(nibabel.Nifti1Image(array, image.affine), path)

    return corrupt


def _with(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array[7, 8, 9] = value
        return array

    return change


def _stored_as(kind: str) -> Callable[[Path], None]:
    """Store the same values in another way; they are whole and small."""

    def corrupt(folder: Path) -> None:
        for sequence in MRI_SEQUENCES:
            path = scan_of(folder, sequence)
            image = nibabel.Nifti1Image.from_filename(path)
            header = nibabel.Nifti1Header(endianness=kind[0]) if kind[0] == ">" else None
            array = np.asarray(image.dataobj).astype(kind)
            nibabel.save(nibabel.Nifti1Image(array, image.affine, header, dtype=array.dtype), path)

    return corrupt


def _shortened(share: float) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        content = scan_of(folder).read_bytes()
        scan_of(folder).write_bytes(content[: int(len(content) * share)])

    return corrupt


def _holding(content: bytes) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        scan_of(folder).write_bytes(content)

    return corrupt


def _voxelless(folder: Path) -> None:
    fields, _ = split(socket_scan(folder).read_bytes())
    socket_scan(folder).write_bytes(joined(fields, b""))


ARRAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "with NaN": _with(np.nan),
    "with infinity": _with(np.inf),
    "with minus infinity": _with(-np.inf),
    "all NaN": lambda array: np.full_like(array, np.nan),
    "all equal": lambda array: np.full_like(array, 7),
    "of a label map": lambda array: (array > 300).astype(np.float32) * 4,
    "4-D": lambda array: np.stack([array, array], 3),
    "5-D": lambda array: array[..., None, None].repeat(2, 4),
    "2-D": lambda array: array[:, :, 5],
    "1-D": lambda array: array[:, 5, 5],
    "complex": lambda array: array.astype(np.complex64),
    "in colour": lambda array: np.zeros(array.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")]),
    "with an alpha channel": lambda array: np.zeros(
        array.shape, [("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")]
    ),
    "of one slice less": lambda array: array[:, :, :-1],
    "turned": lambda array: array.transpose(2, 0, 1),
    "of one slice": lambda array: array[:, :, :1],
    "of a single one": lambda array: array[:1, :1, :1],
}
ACCEPTED_AS = {
    "big-endian int16": ">i2",
    "big-endian float32": ">f4",
    "int32": "<i4",
    "uint16": "<u2",
    "float64": "<f8",
    "float32": "<f4",
    "int64": "<i8",
    "uint64": "<u8",
}
CONTENTS = {
    "nothing": b"",
    "text": b"this is no image\n" * 40,
    "zeros": bytes(5000),
    "gzipped text": gzip.compress(b"this is no image\n" * 40),
    "gzipped nothing": gzip.compress(b""),
    "a gzip header": b"\x1f\x8b\x08\x00",
    "an ELF program": b"\x7fELF" + bytes(400),
    "a pickle": b"\x80\x04cposix\nsystem\n(S'touch /tmp/pickle-ran'\ntR.",
    "a zip": b"PK\x03\x04" + bytes(60),
    "HTML": b"<!DOCTYPE html><title>404 Not Found</title>",
}
SHARES = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
