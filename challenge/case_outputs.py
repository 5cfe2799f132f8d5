"""All files of an answered case: label maps, probability maps, JSON values; all of them or none."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from challenge.case import Case, CaseFiles, OutputFile
from challenge.description import OutputSocket, Scheme
from challenge.file_names import METAIMAGE_ENDING, NIFTI_ENDINGS
from challenge.headers import CaseError, is_nifti
from challenge.label_file import image_content, write_all
from challenge.output_values import VALUES, RegionOfCase
from challenge.scheme import Head, probability_of, restrict

log = logging.getLogger("podium")


@dataclass(frozen=True)
class Answer:
    """What the program found in a case, in the case's axis order."""

    labels: np.ndarray  # (z, y, x) uint8, values of `scheme`
    scheme: Scheme  # of the model
    probabilities: np.ndarray | None = None  # (channel, z, y, x) float32
    head: Head | None = None  # what the channels mean

    def probability(self, names: tuple[str, ...]) -> np.ndarray:
        """Return the probability (z, y, x) float32, from 0 to 1, that a voxel has one of labels.

        Raises:
            ValueError: the model does not tell these labels from others.
        """
        if self.probabilities is None or self.head is None:
            raise ValueError("there are no probabilities")
        if unknown := [name for name in names if name not in self.scheme.labels]:
            raise ValueError(f"{self.scheme.name} has no {', '.join(unknown)}")
        probability = probability_of(self.probabilities, self.head, names)
        # A sum of channels may be 1 and a rounding.
        return np.ascontiguousarray(probability.clip(0, 1), dtype=np.float32)


@dataclass(frozen=True)
class OutputFolders:
    """Where a platform's files go, and probability maps of all regions; None: none are written."""

    outputs: Path
    maps: Path | None = None


@dataclass(frozen=True)
class WrittenCase:
    """What was written of a case."""

    labels: np.ndarray  # (z, y, x) uint8, values of the challenge that is answered
    values: Mapping[str, Any]  # JSON outputs by socket
    maps: tuple[str, ...]  # names of the files in the folder of probability maps


def write_case_outputs(
    answer: Answer, case: Case, files: CaseFiles, target: Scheme, folders: OutputFolders
) -> WrittenCase:
    """Write all that a platform expects of a case.

    Every file is made and compared before the first one is written.

    Args:
        answer: of the model.
        case: as it was read.
        files: where it was read from, and the names of its files.
        target: the challenge that is answered; labels it does not write become background.
        folders: to write into.

    Raises:
        CaseError: a file cannot be written, does not read back, or the model does not have what a
            socket asks for. Nothing is left then.
    """
    labels = restrict(answer.labels, answer.scheme, target)
    source = files.images[files.geometry_from]
    values: dict[str, Any] = {}
    contents: dict[Path, bytes] = {}
    for file in files.outputs or (OutputFile(files.output, OutputSocket("labels")),):
        path = folders.outputs / file.path
        if file.socket.kind == "value":
            values[file.socket.slug] = _value(file.socket, answer, labels, target, case)
            contents[path] = json.dumps(values[file.socket.slug], allow_nan=False).encode()
            continue
        array = _image(file.socket, answer, labels, target)
        contents[path] = image_content(array, source, path, case.orientation)
    maps = folders.maps
    of_regions = probability_maps(answer, case, files, target, maps) if maps else {}
    write_all(contents | of_regions)
    return WrittenCase(labels, values, tuple(path.name for path in of_regions))


def probability_maps(
    answer: Answer, case: Case, files: CaseFiles, target: Scheme, folder: Path
) -> dict[Path, bytes]:
    """Return a file for each region of the challenge, its probability (float32).

    Regions that the model cannot tell from others are logged, and have none.
    """
    contents: dict[Path, bytes] = {}
    source = files.images[files.geometry_from]
    ending = NIFTI_ENDINGS[0] if is_nifti(source) else METAIMAGE_ENDING
    for region, names in target.regions.items():
        path = folder / f"{files.id}_{region}{ending}"
        try:
            probability = answer.probability(names)
        except ValueError as error:
            log.warning("case=%s no probability map of %s: %s", files.id, region, error)
            continue
        contents[path] = image_content(probability, source, path, case.orientation)
    return contents


def _image(socket: OutputSocket, answer: Answer, labels: np.ndarray, target: Scheme) -> np.ndarray:
    if socket.kind == "probability":
        return _region_probability(socket, answer, target)
    if not socket.labels:
        return labels
    array = np.zeros_like(labels)
    for name, value in socket.labels.items():
        array[labels == target.labels[name]] = value
    return array


def _value(
    socket: OutputSocket, answer: Answer, labels: np.ndarray, target: Scheme, case: Case
) -> Any:
    probability = _region_probability(socket, answer, target)
    region = RegionOfCase(target.mask(labels, socket.region), probability, case.voxel_volume_mm3)
    return VALUES[socket.value](region)


def _region_probability(socket: OutputSocket, answer: Answer, target: Scheme) -> np.ndarray:
    if socket.region not in target.regions:
        raise CaseError(f"{socket.slug}: {target.name} has no region {socket.region}")
    try:
        return answer.probability(target.regions[socket.region])
    except ValueError as error:
        raise CaseError(f"{socket.slug}: probability of {socket.region}: {error}") from error
