"""Load, save and verify the frozen files: `postprocess.json` for people, `clusters.npz` for numpy.

Both are plain data. Everything that could be half-updated, reordered or from another extractor is
checked at load, because none of it would raise an error later: it would move cases to wrong
clusters in silence.
"""

import hashlib
import io
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from challenge.atomic_write import write_atomically
from challenge.refusal import Refusal
from challenge.scheme import Scheme

from .artefact_schema import (
    Artefacts,
    Cluster,
    Fallback,
    KnownAnswer,
    write_document,
)
from .clusters import ClusterModel
from .read_artefact import read_document

__all__ = [
    "ArtefactError",
    "Artefacts",
    "Cluster",
    "Fallback",
    "KnownAnswer",
    "load_artefacts",
    "save_artefacts",
]

JSON_NAME, ARRAYS_NAME = "postprocess.json", "clusters.npz"
# Stored distances may come from another machine, whose sums differ in the last digits.
DISTANCE_TOLERANCE = 1e-6


class ArtefactError(Refusal):
    """Frozen files cannot be trusted; the message names the file and the value."""


def load_artefacts(folder: Path, scheme: Scheme) -> Artefacts:
    """Read and check the frozen files of a model folder.

    A folder with neither file gives the identity: labels come out as they went in.

    Raises:
        ArtefactError: a file is missing, malformed, newer than this program, of another scheme or
            extractor, or does not give its known answers.
    """
    text, arrays = folder / JSON_NAME, folder / ARRAYS_NAME
    if not text.exists() and not arrays.exists():
        return Artefacts(scheme)
    for path, other in ((text, arrays), (arrays, text)):
        if not path.is_file():
            raise ArtefactError(f"{path}: missing, though {other.name} is there")
    return _checked(text.read_bytes(), arrays.read_bytes(), scheme, folder)


def save_artefacts(folder: Path, artefacts: Artefacts) -> None:
    """Write both files into a model folder, after every check that loading makes.

    The same artefacts give the same bytes.

    Raises:
        ArtefactError: there is no model, or what was written would not be accepted at load.
    """
    if artefacts.model is None:
        raise ArtefactError(f"{folder}: there is no fitted model to save")
    buffer = io.BytesIO()  # numpy dates every array in the archive 1980, so bytes are stable
    names = np.array(artefacts.feature_names, "S")  # a quarter of the bytes of a str array
    np.savez(buffer, feature_names=names, **vars(artefacts.model))
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    document = write_document(artefacts, sha256)
    _checked(document, buffer.getvalue(), artefacts.scheme, folder)
    for name, content in ((ARRAYS_NAME, buffer.getvalue()), (JSON_NAME, document)):
        write_atomically(content, folder / name)


def _checked(document: bytes, arrays: bytes, scheme: Scheme, folder: Path) -> Artefacts:
    """Turn the bytes of both files into artefacts, or raise ArtefactError naming the file."""
    try:
        artefacts, sha256 = read_document(document, scheme)
    except ValueError as error:
        raise ArtefactError(f"{folder / JSON_NAME}: {error}") from error
    try:
        artefacts = replace(artefacts, model=_read_model(arrays, sha256, artefacts))
        check_known_answers(artefacts)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ArtefactError(f"{folder / ARRAYS_NAME}: {error}") from error
    return artefacts


def check_known_answers(artefacts: Artefacts) -> None:
    """Raise ValueError unless the stored feature vectors fall where they fell at fitting.

    Two vectors cost microseconds and catch arrays that do not belong to this program's chain.
    """
    if len(artefacts.known_answers) < 2 or artefacts.model is None:
        raise ValueError(f"{len(artefacts.known_answers)} known answers, at least 2 are needed")
    for i, answer in enumerate(artefacts.known_answers):
        if answer.features.shape != artefacts.model.feature_centre.shape:
            raise ValueError(f"known answer {i} has {answer.features.size} features")
        cluster, distance = artefacts.model.assign(answer.features)
        apart = abs(distance - answer.distance)
        if cluster != answer.cluster or not apart <= DISTANCE_TOLERANCE * max(1.0, distance):
            raise ValueError(
                f"known answer {i} falls in cluster {cluster} at distance {distance:.6g}, "
                f"not in {answer.cluster} at {answer.distance:.6g}"
            )


def _read_model(content: bytes, sha256: str, artefacts: Artefacts) -> ClusterModel:
    """Read the arrays, and check that they belong to the JSON file."""
    if (actual := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(f"sha256 {actual}, not {sha256} as {JSON_NAME} says")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    names = arrays.pop("feature_names", np.array([], "S")).astype(str).tolist()
    if names != list(artefacts.feature_names):
        raise ValueError(f"feature_names are not those of {JSON_NAME}, in that order")
    expected = {array.name for array in fields(ClusterModel)}
    if wrong := sorted(expected ^ set(arrays)):
        raise ValueError(f"missing or unknown arrays {wrong}")
    model = ClusterModel(**arrays)
    if model.feature_centre.size != len(names) or len(model.centres) != len(artefacts.clusters):
        raise ValueError(
            f"{model.feature_centre.size} features and {len(model.centres)} clusters, but "
            f"{JSON_NAME} has {len(names)} and {len(artefacts.clusters)}"
        )
    return model
