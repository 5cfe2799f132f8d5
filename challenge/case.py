"""One case: read it, check it, bring it into an axis order.

Inside the program every array is (z, y, x) and `spacing_mm` has the same order. Files count their
axes x, y, z: here they are converted, and nowhere else but where labels are written again
(`challenge.label_file`).
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from challenge.description import OutputSocket, Resampling
from challenge.headers import MOST_BYTES, CaseError, check_header
from challenge.input_values import read_value
from challenge.orientation import Turn, turn_between
from challenge.volume import (
    Volume,
    check_same_grid,
    check_scan,
    is_same_grid,
    read_volume,
    resampled,
)


@dataclass(frozen=True)
class OutputFile:
    """One file that a platform expects of a case."""

    path: Path  # relative to the output folder
    socket: OutputSocket  # what it holds


@dataclass(frozen=True)
class CaseFiles:
    """Where one case comes from and where its labels go."""

    id: str
    images: Mapping[str, Path]  # sequence name -> file
    geometry_from: str  # the sequence whose geometry the output copies
    output: Path  # relative to the output folder
    scheme: str | None = None  # the challenge that the case's name or folder speaks of
    missing_sequences: tuple[str, ...] = ()  # sequences that were not handed in; read as zeros
    allow_missing: bool = False  # whether the model answers cases that lack sequences
    unused: tuple[str, ...] = ()  # sequences that were handed in, and the model does not take
    further_inputs: tuple[str, ...] = ()  # sockets that the challenge does not name, passed over
    outputs: tuple[OutputFile, ...] = ()  # of sockets, `output` the first; (): `output` alone
    values: Mapping[str, Path] = field(default_factory=dict)  # JSON files by socket
    # Sequence -> how it is brought to the grid of the geometry reference, where it may have another
    resampling: Mapping[str, Resampling] = field(default_factory=dict)

    @property
    def output_paths(self) -> tuple[Path, ...]:
        """Return every file that is written for the case, relative to the output folder."""
        return tuple(file.path for file in self.outputs) or (self.output,)


@dataclass(frozen=True)
class Case:
    """One case in memory: images by sequence name, each (z, y, x) float32."""

    id: str
    images: Mapping[str, np.ndarray]
    spacing_mm: tuple[float, float, float]
    missing_sequences: tuple[str, ...] = ()  # sequences whose image is zeros instead of a scan
    orientation: str | None = None  # axis code of the arrays, where it is known
    stored_orientation: str | None = None  # axis code of the files
    remarks: tuple[str, ...] = ()  # what was let pass while it was read
    source: Path | None = None  # the file whose geometry counts
    values: Mapping[str, Any] = field(default_factory=dict)  # JSON inputs by socket

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel."""
        return float(np.prod(self.spacing_mm))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size (z, y, x) of every image."""
        z, y, x = next(iter(self.images.values())).shape
        return z, y, x

    def turn_to(self, orientation: str | None) -> Turn | None:
        """Return how the arrays come into an axis order; None where they stay as they are."""
        if None in (orientation, self.orientation) or orientation == self.orientation:
            return None
        return turn_between(str(self.orientation), str(orientation))

    def oriented(self, orientation: str | None) -> "Case":
        """Return the case in an axis order; itself where that is None or changes nothing."""
        turn = self.turn_to(orientation)
        if turn is None:
            return self
        images = {sequence: turn.there(image) for sequence, image in self.images.items()}
        spacing_mm = turn.sizes(self.spacing_mm)
        return replace(self, images=images, spacing_mm=spacing_mm, orientation=orientation)


def read_case(files: CaseFiles, orientation: str | None = None) -> Case:
    """Read every image of a case, check that it can be trusted, and bring it into an axis order.

    Without an `orientation` arrays lie as they are stored.

    Raises:
        CaseError: an image is unreadable, not 3-D, not finite, constant, a label map, or on
            another grid than the one whose geometry the output takes.
    """
    _check_sizes(files.images)
    with ThreadPoolExecutor(len(files.images)) as pool:  # decompression runs beside itself
        scans = pool.map(partial(_read_one, files), files.images.values())
        volumes = dict(zip(files.images, scans, strict=True))
    blank = tuple(sequence for sequence, volume in volumes.items() if not volume.array.any())
    if len(blank) == len(volumes):
        raise CaseError(f"{files.images[files.geometry_from].parent}: every scan is blank")
    geometry_reference, reference_path = (
        volumes[files.geometry_from],
        files.images[files.geometry_from],
    )
    remarks = [remark for volume in volumes.values() for remark in volume.remarks]
    for sequence, volume in volumes.items():
        path, resampling = files.images[sequence], files.resampling.get(sequence, "")
        if resampling and not is_same_grid(volume, geometry_reference):
            volumes[sequence] = resampled(volume, geometry_reference, resampling)
            remarks.append(f"{path}: {resampling} resampling to the grid of {reference_path.name}")
        else:
            remarks += check_same_grid(volume, geometry_reference, path, reference_path)
    remarks += [f"{files.images[sequence]}: blank, taken for missing" for sequence in blank]
    images = {sequence: volume.array for sequence, volume in volumes.items()}
    images |= {
        sequence: np.zeros_like(geometry_reference.array) for sequence in files.missing_sequences
    }
    stored = geometry_reference.orientation
    case = Case(
        id=files.id,
        images=images,
        spacing_mm=geometry_reference.spacing_mm,
        missing_sequences=(*files.missing_sequences, *blank),
        orientation=stored,
        stored_orientation=stored,
        remarks=tuple(remarks),
        source=reference_path,
        values={slug: read_value(path) for slug, path in files.values.items()},
    )
    return case.oriented(orientation)


def _read_one(files: CaseFiles, path: Path) -> Volume:
    """Read one scan of a case; zeros alone are none, and pass where a case may lack sequences."""
    volume = read_volume(path, np.float32)
    if not files.allow_missing or volume.array.any():
        check_scan(volume.array, path)
    return volume


def _check_sizes(paths: Mapping[str, Path]) -> None:
    """Check every header of a case, and that its images fit into memory together."""
    total = {name: check_header(path).total_bytes for name, path in paths.items()}
    if sum(total.values()) > MOST_BYTES:
        largest = max(total, key=lambda name: total[name])
        raise CaseError(
            f"{paths[largest]}: with the case's other images {sum(total.values()) / 2**30:.1f} GiB "
            f"of voxels are declared, more than {MOST_BYTES / 2**30:.0f}"
        )
