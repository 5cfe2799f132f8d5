"""Files that are well formed and yet no scan of this case: sizes, types, places, bombs."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np

from challenge.scheme import MRI_SEQUENCES
from lab.stress.malformed import REFUSED, SPOILT, STEM, TAKEN, Malformed, scan_of, socket_scan
from lab.stress.metaimage_faults import joined, split
from lab.stress.nifti_faults import rewrite

NAME = f"{SPOILT}-t2w.nii.gz"
MIB = 2**20


def malformed() -> Iterator[Malformed]:
    """Yield each of them, in a scan that is not the one labels lie on."""
    spoils: dict[str, Callable[[Path], None]] = {
        **{f"voxels {name}": _array(change) for name, change in ARRAYS.items()},
        **{f"place {name}": _placed(affine) for name, affine in PLACES.items()},
        **{f"spacing {name}": _spaced(spacing) for name, spacing in SPACINGS.items()},
        **{f"size {name}": _sized(sides) for name, sides in SIZES.items()},
        **{f"gzip ends at {share:.0%}": _shortened(share) for share in SHARES},
        **{f"file of {name}": _holding(content) for name, content in CONTENTS.items()},
        **{f"bomb {name}": spoil for name, spoil in BOMBS.items()},
    }
    for name, spoil in spoils.items():
        told = TOGETHER if spoil is _everywhere else NAME
        yield Malformed(name, "brats", spoil, REFUSED, told)
    # Missing sequences, to a model that was trained on cases which lack some.
    for name, spoil in BLANKS.items():
        yield Malformed(name, "brats", spoil, TAKEN, same=False)
    for name, kind in TAKEN_AS.items():
        yield Malformed(f"voxels as {name}", "brats", _stored_as(kind), TAKEN)
    for name, bomb in META_BOMBS.items():
        yield Malformed(f"MetaImage {name}", "panther", bomb, REFUSED, f"{STEM}.mha")


def _array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = scan_of(folder)
        image = nibabel.Nifti1Image.from_filename(path)
        array = change(np.asarray(image.dataobj).astype(np.float32))
        nibabel.save(nibabel.Nifti1Image(array, image.affine), path)

    return spoil


def _with(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array[7, 8, 9] = value
        return array

    return change


def _stored_as(kind: str) -> Callable[[Path], None]:
    """Store the same values in another way; they are whole and small."""

    def spoil(folder: Path) -> None:
        for sequence in MRI_SEQUENCES:
            path = scan_of(folder, sequence)
            image = nibabel.Nifti1Image.from_filename(path)
            header = nibabel.Nifti1Header(endianness=kind[0]) if kind[0] == ">" else None
            array = np.asarray(image.dataobj).astype(kind)
            nibabel.save(nibabel.Nifti1Image(array, image.affine, header, dtype=array.dtype), path)

    return spoil


def _placed(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = scan_of(folder)
        image = nibabel.Nifti1Image.from_filename(path)
        made = nibabel.Nifti1Image(np.asarray(image.dataobj), None, image.header)
        rows = change(image.affine.copy())
        for name, row in zip(("srow_x", "srow_y", "srow_z"), rows, strict=False):
            made.header[name] = row
        path.write_bytes(gzip.compress(made.to_bytes()))

    return spoil


def _spaced(spacing_mm: tuple[float, ...]) -> Callable[[Path], None]:
    def change(content: bytearray) -> bytearray:
        content[80:92] = np.array(spacing_mm, "<f4").tobytes()
        return content

    return lambda folder: rewrite(scan_of(folder), change)


def _sized(sides: tuple[int, ...]) -> Callable[[Path], None]:
    def change(content: bytearray) -> bytearray:
        content[40 : 40 + 2 * len(sides)] = np.array(sides, "<i2").tobytes()
        return content

    return lambda folder: rewrite(scan_of(folder), change)


def _shortened(share: float) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        content = scan_of(folder).read_bytes()
        scan_of(folder).write_bytes(content[: int(len(content) * share)])

    return spoil


def _holding(content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        scan_of(folder).write_bytes(content)

    return spoil


def _zeros(mebibytes: int) -> bytes:
    """Return a gzip stream of so many MiB of zeros, made without holding them."""
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(MIB)
    parts = [packer.compress(block) for _ in range(mebibytes)]
    return b"".join(parts) + packer.flush()


def _bomb(sides: tuple[int, ...], mebibytes: int) -> Callable[[Path], None]:
    """A header that declares `sides`, and a second gzip member of zeros behind it."""

    def spoil(folder: Path) -> None:
        path = scan_of(folder)
        _sized((3, *sides))(folder)
        header = gzip.decompress(path.read_bytes())[:352]
        path.write_bytes(gzip.compress(header) + _zeros(mebibytes))

    return spoil


def _everywhere(folder: Path) -> None:
    """Four scans of 640 voxels a side: each would pass, all together do not."""
    for sequence in MRI_SEQUENCES:
        path = scan_of(folder, sequence)
        rewrite(path, lambda c: c[:40] + np.array((3, 640, 640, 640), "<i2").tobytes() + c[48:])


def _meta_bomb(sides: str, mebibytes: int) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = socket_scan(folder)
        fields, _ = split(path.read_bytes())
        packer = zlib.compressobj(9)
        block = bytes(MIB)
        voxels = b"".join(packer.compress(block) for _ in range(mebibytes)) + packer.flush()
        fields |= {"DimSize": sides, "CompressedDataSize": str(len(voxels))}
        path.write_bytes(joined(fields, voxels))

    return spoil


def _voxelless(folder: Path) -> None:
    fields, _ = split(socket_scan(folder).read_bytes())
    socket_scan(folder).write_bytes(joined(fields, b""))


def _sheared(affine: np.ndarray) -> np.ndarray:
    affine[0, 1] = 0.5
    return affine


def _flat(affine: np.ndarray) -> np.ndarray:
    affine[:3, 2] = affine[:3, 1]
    return affine


def _entry(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(affine: np.ndarray) -> np.ndarray:
        affine[1, 1] = value
        return affine

    return change


def _shifted(affine: np.ndarray) -> np.ndarray:
    affine[2, 3] += 3
    return affine


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
TAKEN_AS = {
    "big-endian int16": ">i2", "big-endian float32": ">f4", "int32": "<i4", "uint16": "<u2",
    "float64": "<f8", "float32": "<f4", "int64": "<i8", "uint64": "<u8",
}  # fmt: skip
PLACES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sheared": _sheared, "with two equal axes": _flat, "with NaN": _entry(np.nan),
    "with infinity": _entry(np.inf), "with a zero axis": _entry(0.0),
    "mirrored": _entry(1.0), "shifted": _shifted, "huge": _entry(1e30),
}  # fmt: skip
SPACINGS = {
    "zero": (0, 1, 1), "negative": (1, -1, 1), "not a number": (1, 1, float("nan")),
    "infinite": (float("inf"), 1, 1), "in metres": (1e-6, 1e-6, 1e-6), "huge": (1, 1, 1e9),
}  # fmt: skip
SIZES = {
    "huge": (3, 32767, 32767, 32767), "of 9 GiB": (3, 1300, 1300, 1300), "negative": (3, 40, -3, 5),
    "zero": (3, 40, 0, 5), "of no axis": (0, 40, 44, 42), "of 7 axes": (7, 40, 44, 42, 1, 1, 1, 2),
    "of 200 axes": (200, 40, 44, 42), "larger than the file": (3, 80, 80, 80),
}  # fmt: skip
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
BLANK, BEHIND = _array(np.zeros_like), _bomb((42, 44, 40), 3000)
BLANKS = {"voxels all zero": BLANK, "bomb behind a blank scan": BEHIND}
BOMBS: dict[str, Callable[[Path], None]] = {
    "of 640 voxels a side": _bomb((640, 640, 640), 1001),
    "of four large scans": _everywhere,
}
TOGETHER = "with the case's other images 5.9 GiB"
SHARES = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
META_BOMBS = {
    "bomb of 3 GiB": _meta_bomb("1200 1200 1200", 1100),
    "bomb behind a small scan": _meta_bomb("42 44 20", 1500),
    "without voxels": _voxelless,
}
