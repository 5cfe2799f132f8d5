"""TIFF files, which grand-challenge hands in beside MetaImage: pages of one grey level, stacked.

Values and spacing are those that SimpleITK reads. Its reader is not used: of damaged files it reads
and writes memory that is not its own, which ends the whole program.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from challenge.grid import Grid

if TYPE_CHECKING:
    import tifffile

# Millimetres of a resolution unit; without a unit ITK takes a voxel for 1 mm.
UNIT_MM = {2: 25.4, 3: 10.0}
ORDERS: Mapping[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
DEPTH_MM = 1.0  # between pages, as ITK takes it: no tag says


@dataclass(frozen=True)
class TiffHeader:
    """What a file declares."""

    grid: Grid
    stored: np.dtype
    samples: int  # numbers a voxel


def read_header(path: Path) -> TiffHeader:
    """Read what a file declares.

    Raises:
        OSError: tifffile refuses the file; the message is its reason.
    """
    with _Opened(path) as series:
        first = series.keyframe
        shape = (len(series.pages), first.imagelength, first.imagewidth)
        spacing_mm = (_spacing_mm(first, "X"), _spacing_mm(first, "Y"), DEPTH_MM)
        grid = Grid(shape[::-1], spacing_mm, (0.0, 0.0, 0.0), np.eye(3))
        return TiffHeader(grid, np.dtype(series.dtype), int(first.samplesperpixel))


def read_voxels(path: Path) -> np.ndarray:
    """Read a stack of pages as (z, y, x) in its stored type.

    Raises:
        OSError: tifffile refuses the file, or pages of it.
    """
    with _Opened(path) as series:
        first = series.keyframe
        voxels = series.asarray(maxworkers=1)
        return voxels.reshape(len(series.pages), first.imagelength, first.imagewidth)


def _check_whole(file: "tifffile.TiffFile", series: "tifffile.TiffPageSeries") -> None:
    """Refuse what tifffile passes over: a chain of pages that breaks off, voxels beyond the end."""
    stream = file.filehandle
    stream.seek(file.pages.next_page_offset or 0)
    following = int.from_bytes(stream.read(file.tiff.offsetsize), ORDERS[file.byteorder])
    if following:
        raise ValueError(f"{len(file.pages)} pages, and a further one at byte {following} is none")
    for number, page in enumerate(series.pages, 1):
        if page is None:
            raise ValueError(f"page {number} is missing")
        parts = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(start + count > stream.size for start, count in parts):
            raise ValueError(f"voxels of page {number} lie beyond the end of the file")


def _spacing_mm(page: "tifffile.TiffPage", axis: str) -> float:
    """Return the spacing along an axis by its resolution tag."""
    unit, tag = page.tags.get("ResolutionUnit"), page.tags.get(f"{axis}Resolution")
    if tag is None:
        return 1.0
    per_unit = tag.value[0] / tag.value[1]
    return UNIT_MM.get(int(unit.value) if unit else 2, per_unit) / per_unit


class _Opened:
    """The first series of a TIFF file; whatever tifffile raises of a file is an OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> "tifffile.TiffPageSeries":
        import tifffile

        logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # the error says it all
        try:
            self._file = tifffile.TiffFile(self._path)
            series = self._file.series[0]
            _check_whole(self._file, series)
        except Exception as error:
            raise OSError(_reason(error)) from error
        return series

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        self._file.close()
        if isinstance(error, Exception):
            raise OSError(_reason(error)) from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]
