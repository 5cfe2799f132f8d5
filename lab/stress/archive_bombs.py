"""Small files that unpack to gigabytes."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from challenge.scheme import MRI_SEQUENCES
from lab.stress.geometry_faults import with_size
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
from lab.stress.nifti_faults import rewrite

NAME = f"{CORRUPTED}-t2w.nii.gz"
MIB = 2**20


def malformed() -> Iterator[Malformed]:
    """Yield each of them, in a scan that is not the geometry reference."""
    large = _bomb((640, 640, 640), 1001)
    yield Malformed("bomb of 640 voxels a side", "brats", large, REFUSED, NAME)
    together = "with the case's other images 5.9 GiB"
    yield Malformed("bomb of four large scans", "brats", _everywhere, REFUSED, together)
    # A blank scan is a missing sequence, which the weights that ship accept.
    blank = _bomb((42, 44, 40), 3000)
    yield Malformed("bomb behind a blank scan", "brats", blank, ACCEPTED, same_labels=False)
    for name, bomb in META_BOMBS.items():
        yield Malformed(f"MetaImage {name}", "panther", bomb, REFUSED, f"{STEM}.mha")


def _zeros(mebibytes: int) -> bytes:
    """Return a gzip stream of so many MiB of zeros, made without holding them."""
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(MIB)
    parts = [packer.compress(block) for _ in range(mebibytes)]
    return b"".join(parts) + packer.flush()


def _bomb(sides: tuple[int, ...], mebibytes: int) -> Callable[[Path], None]:
    """A header that declares `sides`, and a second gzip member of zeros behind it."""

    def corrupt(folder: Path) -> None:
        path = scan_of(folder)
        with_size((3, *sides))(folder)
        header = gzip.decompress(path.read_bytes())[:352]
        path.write_bytes(gzip.compress(header) + _zeros(mebibytes))

    return corrupt


def _everywhere(folder: Path) -> None:
    """Four scans of 640 voxels a side: each would pass, all together do not."""
    for sequence in MRI_SEQUENCES:
        path = scan_of(folder, sequence)
        rewrite(path, lambda c: c[:40] + np.array((3, 640, 640, 640), "<i2").tobytes() + c[48:])


def _meta_bomb(sides: str, mebibytes: int) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        path = socket_scan(folder)
        fields, _ = split(path.read_bytes())
        packer = zlib.compressobj(9)
        block = bytes(MIB)
        voxels = b"".join(packer.compress(block) for _ in range(mebibytes)) + packer.flush()
        fields |= {"DimSize": sides, "CompressedDataSize": str(len(voxels))}
        path.write_bytes(joined(fields, voxels))

    return corrupt


META_BOMBS = {
    "bomb of 3 GiB": _meta_bomb("1200 1200 1200", 1100),
    "bomb behind a small scan": _meta_bomb("42 44 20", 1500),
}
