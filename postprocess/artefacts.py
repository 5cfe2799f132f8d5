"""Load, save and verify the frozen files: `postprocess.json` for people, the others for numpy.

`clusters.npz` is always beside it, `gates.npz` where there are gates. All are plain data.
Everything that could be half-updated, reordered or from another extractor is checked at load,
because none of it would raise an error later: it would move cases to wrong clusters in silence.
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
from .component_gates import ComponentGate
from .gate_files import gate_arrays, read_gates
from .read_artefact import Document, read_document

__all__ = [
    "ArtefactError",
    "Artefacts",
    "Cluster",
    "Fallback",
    "KnownAnswer",
    "load_artefacts",
    "save_artefacts",
]

JSON_NAME, ARRAYS_NAME, GATES_NAME = "postprocess.json", "clusters.npz", "gates.npz"
# Stored distances may come from another machine, whose sums differ in the last digits.
DISTANCE_TOLERANCE = 1e-6


class ArtefactError(Refusal):
    """Frozen files cannot be trusted; the message names the file and the value."""


def load_artefacts(folder: Path, scheme: Scheme) -> Artefacts:
    """Read and check the frozen files of a model folder.

    A folder without any of them gives the identity: labels come out as they went in.

    Raises:
        ArtefactError: a file is missing, malformed, newer than this program, of another scheme or
            extractor, or does not give its known answers.
    """
    text, arrays, gates = (folder / name for name in (JSON_NAME, ARRAYS_NAME, GATES_NAME))
    present = [path for path in (text, arrays, gates) if path.exists()]
    if not present:
        return Artefacts(scheme)
    for path in (text, arrays):
        if not path.is_file():
            raise ArtefactError(f"{path}: missing, though {present[0].name} is there")
    of_gates = gates.read_bytes() if gates.is_file() else b""
    return _checked(text.read_bytes(), arrays.read_bytes(), of_gates, scheme, folder)


def save_artefacts(folder: Path, artefacts: Artefacts) -> None:
    """Write the files into a model folder, after every check that loading makes.

    The same artefacts give the same bytes. Gates of an earlier artefact are removed.

    Raises:
        ArtefactError: there is no model, or what was written would not be accepted at load.
    """
    if artefacts.model is None:
        raise ArtefactError(f"{folder}: there is no fitted model to save")
    buffer = io.BytesIO()  # numpy dates every array in the archive 1980, so bytes are stable
    names = np.array(artefacts.feature_names, "S")  # a quarter of the bytes of a str array
    np.savez(buffer, feature_names=names, **vars(artefacts.model))
    arrays, gates = buffer.getvalue(), gate_arrays(artefacts.gates) if artefacts.gates else b""
    hashes = [hashlib.sha256(content).hexdigest() if content else "" for content in (arrays, gates)]
    document = write_document(artefacts, *hashes)
    _checked(document, arrays, gates, artefacts.scheme, folder)
    if not gates:
        (folder / GATES_NAME).unlink(missing_ok=True)
    for name, content in ((ARRAYS_NAME, arrays), (GATES_NAME, gates), (JSON_NAME, document)):
        if content:
            write_atomically(content, folder / name)


def _checked(
    content: bytes, arrays: bytes, gates: bytes, scheme: Scheme, folder: Path
) -> Artefacts:
    """Turn the bytes of the files into artefacts, or raise ArtefactError naming the file."""
    try:
        document = read_document(content, scheme)
    except ValueError as error:
        raise ArtefactError(f"{folder / JSON_NAME}: {error}") from error
    artefacts = document.artefacts
    try:
        model = _read_model(arrays, document.clusters_sha256, artefacts)
        artefacts = replace(artefacts, model=model)
        check_known_answers(artefacts)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ArtefactError(f"{folder / ARRAYS_NAME}: {error}") from error
    try:
        return replace(artefacts, gates=_read_gates(gates, document, scheme))
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ArtefactError(f"{folder / GATES_NAME}: {error}") from error


def _read_gates(content: bytes, document: Document, scheme: Scheme) -> tuple[ComponentGate, ...]:
    """Read the gates, and check that the file is there where there are some, and only there."""
    if bool(content) != bool(document.gates):
        there = "there" if content else "missing"
        raise ValueError(f"{there}, though {JSON_NAME} has {len(document.gates)} gates")
    return read_gates(document.gates, content, document.gates_sha256, scheme) if content else ()


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
    arrays.setdefault("all_features", np.array(False))  # files before schema 6 have none
    if wrong := sorted(expected ^ set(arrays)):
        raise ValueError(f"missing or unknown arrays {wrong}")
    model = ClusterModel(**arrays)
    if model.feature_centre.size != len(names) or len(model.centres) != len(artefacts.clusters):
        raise ValueError(
            f"{model.feature_centre.size} features and {len(model.centres)} clusters, but "
            f"{JSON_NAME} has {len(names)} and {len(artefacts.clusters)}"
        )
    return model
