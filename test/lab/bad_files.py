"""Files that a reader may choke on, each written where a good label map would lie."""

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import files
import nibabel
import numpy as np
import SimpleITK

SIDE = 12  # more bytes than nibabel reads to tell a file's type
AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])
SHEARED = AFFINE.copy()
SHEARED[0, 1] = 0.3


def labels() -> np.ndarray:
    """A cube of label 1 (x, y, z), which every challenge has."""
    array = np.zeros((SIDE, SIDE, SIDE), np.uint8)
    array[2:6, 2:6, 2:6] = 1
    return array


def good(path: Path) -> None:
    files.write_nifti(path, labels(), AFFINE)


def zero_bytes(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("404: Not Found\n")


def zipped_text(path: Path) -> None:
    path.write_bytes(gzip.compress(b"404: Not Found\n" * 100))


def not_zipped(path: Path) -> None:
    good(path)
    path.write_bytes(gzip.decompress(path.read_bytes()))


def truncated(path: Path) -> None:
    good(path)
    path.write_bytes(path.read_bytes()[:60])


def wrong_checksum(path: Path) -> None:
    good(path)
    content = bytearray(path.read_bytes())
    content[-8] ^= 0xFF
    path.write_bytes(bytes(content))


def damaged_inside(path: Path) -> None:
    good(path)
    content = bytearray(path.read_bytes())
    content[40:60] = bytes(20)
    path.write_bytes(bytes(content))


def bytes_behind_the_end(path: Path) -> None:
    good(path)
    path.write_bytes(path.read_bytes() + b"garbage")


def empty_folder(path: Path) -> None:
    path.mkdir()


def folder_of_notes(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("unpacked here\n")


def dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("moved-away.nii.gz"))


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def four_axes(path: Path) -> None:
    files.write_nifti(path, np.stack([labels()] * 2, -1), AFFINE)


def two_axes(path: Path) -> None:
    files.write_nifti(path, labels()[..., 3], AFFINE)


def colours(path: Path) -> None:
    voxels = np.zeros((SIDE,) * 3, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), path)


def complex_numbers(path: Path) -> None:
    files.write_nifti(path, labels().astype(np.complex64), AFFINE)


def nan_labels(path: Path) -> None:
    array = labels().astype(np.float32)
    array[0, 0, 0] = np.nan
    files.write_nifti(path, array, AFFINE)


def _with_header(path: Path, at: int, content: bytes) -> None:
    """Write a good file with other bytes at a place of its header."""
    good(path)
    changed = bytearray(gzip.decompress(path.read_bytes()))
    changed[at : at + len(content)] = content
    path.write_bytes(gzip.compress(bytes(changed)))


def huge_size(path: Path) -> None:
    _with_header(path, 42, struct.pack("<3h", 32000, 32000, 32000))


def negative_size(path: Path) -> None:
    _with_header(path, 42, struct.pack("<3h", -SIDE, SIDE, SIDE))


def unknown_type(path: Path) -> None:
    _with_header(path, 70, struct.pack("<h", 12345))


def voxels_past_the_end(path: Path) -> None:
    _with_header(path, 108, struct.pack("<f", 1e9))


def nan_affine(path: Path) -> None:
    _with_header(path, 280, struct.pack("<4f", *[np.nan] * 4))


def metaimage_of_another_file(path: Path) -> None:
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = 8 8 8\n"
        "ElementSpacing = 1 1 1\nElementType = MET_UCHAR\nElementDataFile = /etc/passwd\n"
    )
    path.with_name(path.name.replace(".nii.gz", ".mha")).write_text(header)


def metaimage_without_voxels(path: Path) -> None:
    metaimage_of_another_file(path)
    path = path.with_name(path.name.replace(".nii.gz", ".mha"))
    path.write_text(path.read_text().replace("/etc/passwd", "LOCAL").replace("8 8 8", "30000 9 9"))


def name_that_is_no_text(path: Path) -> None:
    name = os.fsdecode(b"team\xff-" + os.fsencode(path.name))
    good(path.with_name(name))


def metaimage_name_that_is_no_text(path: Path) -> None:
    """A sound file, but SimpleITK ends the whole process on such a name."""
    plain = path.with_name("plain.mha")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(labels().T.copy()), str(plain))
    name = path.name.replace(".nii.gz", ".mha")
    plain.rename(path.with_name(os.fsdecode(b"team\xff-" + os.fsencode(name))))


def sheared(path: Path) -> None:
    """Axes that are not at right angles, as registration leaves them; no qform to fall back on."""
    image = nibabel.Nifti1Image(labels(), SHEARED)
    image.set_sform(SHEARED, 2)
    image.set_qform(None, 0)
    nibabel.save(image, path)


def nifti_2(path: Path) -> None:
    nibabel.save(nibabel.Nifti2Image(labels(), AFFINE), path)


Make = Callable[[Path], None]
# Read by nibabel, as BraTS did until 2025, but not by SimpleITK.
ONLY_NIBABEL: tuple[Make, ...] = (
    sheared,
    nifti_2,
    name_that_is_no_text,
    metaimage_name_that_is_no_text,
)
# Read by SimpleITK, but not by nibabel.
ONLY_SIMPLEITK: tuple[Make, ...] = (not_zipped,)
# Read all the same, though something is wrong.
DAMAGED: tuple[Make, ...] = (bytes_behind_the_end,)
READ_BY_NOBODY: tuple[Make, ...] = (
    zero_bytes,
    text,
    zipped_text,
    truncated,
    wrong_checksum,
    damaged_inside,
    empty_folder,
    folder_of_notes,
    dangling_link,
    link_to_itself,
    pipe,
    four_axes,
    two_axes,
    colours,
    complex_numbers,
    huge_size,
    negative_size,
    unknown_type,
    voxels_past_the_end,
    nan_affine,
    metaimage_of_another_file,
    metaimage_without_voxels,
)
ALL = (*READ_BY_NOBODY, nan_labels, *ONLY_NIBABEL, *ONLY_SIMPLEITK, *DAMAGED)
