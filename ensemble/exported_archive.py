"""A `.pt2` file of torch.export as plain data: its graph's JSON and its tensors, nothing else.

`torch.export.load` is not called: it unpickles what the archive asks it to, opens compiled
libraries and evaluates expressions. Here a zip is read member by member. Weights are raw bytes with
a description in JSON (torch 2.9 and later), or a pickle of tensors that is opened with
`weights_only=True` (torch 2.5 to 2.8). Sample inputs, extra files, custom objects and compiled
libraries are never opened; the last two are refused.
"""

import io
import json
import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from challenge.refusal import Refusal

MOST_JSON_BYTES = 64 * 2**20  # of a graph; that of a 3-D network takes less than one MiB
# Numbers of torch's `_export/serde/schema.py`, ScalarType.
DTYPES: Mapping[int, torch.dtype] = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
STRIDED = 7  # the number of the plain layout there
GRAPH = re.compile(r"models/[\w-]+\.json")
TENSOR_FILE = re.compile(r"(weight|tensor)_\d+")
# Of torch 2.5 to 2.7.
OLD_GRAPH, OLD_TENSORS = (
    "serialized_exported_program.json",
    ("serialized_state_dict.pt", "serialized_constants.pt"),
)
# What may lie in an archive and is not opened; the second is left out when a program is packed.
MARKS = re.compile(r"\.data/.*|byteorder|archive_format|archive_version|version")
UNUSED = re.compile(
    r"(data/)?extra/.*|extra_files/.*"
    r"|data/sample_inputs/[\w-]+\.pt|serialized_example_inputs\.pt"
)


class ExportedError(Refusal):
    """A .pt2 file holds more than tensors and known operators, or not what its member.json says."""


@dataclass(frozen=True)
class Archive:
    """What is read of a `.pt2` file."""

    program: Mapping[str, Any]  # the JSON of torch's schema.ExportedProgram
    tensors: Mapping[str, torch.Tensor]  # by the name that the program's signature has for them


def read_archive(path: Path) -> Archive:
    """Read a `.pt2` file without running anything of it.

    Raises:
        ExportedError: no sound zip of stored files, or it holds what only code could open.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = _checked_names(archive, path.stat().st_size)
            if OLD_GRAPH in names:
                return _read_old(archive, names)
            return _read(archive, names)
    except ExportedError as error:
        raise ExportedError(f"{path}: {error}") from error
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ExportedError(f"{path}: no sound .pt2 file ({_first_line(error)})") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ExportedError(f"{path}: cannot be read ({_first_line(error)!r})") from error


def write_slim(source: Path, target: Path) -> None:
    """Copy a `.pt2` file without what is not read of it: sample inputs and extra files.

    Raises:
        ExportedError: see `read_archive`, which has to take it.
    """
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as slim:
        for name, info in _checked_names(archive, source.stat().st_size).items():
            if not UNUSED.fullmatch(name):
                slim.writestr(zipfile.ZipInfo(info.filename), archive.read(info))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _checked_names(archive: zipfile.ZipFile, size_bytes: int) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's files by their names below its root folder."""
    files: dict[str, zipfile.ZipInfo] = {}
    infos = [info for info in archive.infolist() if not info.is_dir()]
    for info in infos:
        parts = PurePosixPath(info.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or "\\" in info.filename:
            raise ExportedError(f"{info.filename!r} points outside of the archive")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ExportedError(f"{info.filename!r} is compressed, which torch.export never does")
    if sum(info.file_size for info in infos) > size_bytes:
        raise ExportedError("its files are larger than the archive")
    is_old = any(info.filename == OLD_GRAPH for info in infos)
    for info in infos:
        name = info.filename if is_old else info.filename.partition("/")[2]
        if not name or name in files:
            raise ExportedError(f"{info.filename!r} is twice in it, or in no folder")
        files[name] = info
    return files


def _read(archive: zipfile.ZipFile, names: Mapping[str, zipfile.ZipInfo]) -> Archive:
    graphs = [name for name in names if GRAPH.fullmatch(name)]
    if len(graphs) != 1:
        raise ExportedError(f"{len(graphs)} programs in it, one is expected")
    title = PurePosixPath(graphs[0]).stem
    tensors: dict[str, torch.Tensor] = {}
    known = set(graphs)
    for folder, kind in (("data/weights", "weights"), ("data/constants", "constants")):
        pickled, listing = f"{folder}/{title}.pt", f"{folder}/{title}_{kind}_config.json"
        if pickled in names:  # torch 2.8
            known.add(pickled)
            tensors |= _pickled(pickled, archive.read(names[pickled]))
            continue
        if listing not in names:
            raise ExportedError(f"no {listing} in it; it holds pickles or is not of torch.export")
        known.add(listing)
        payloads = _json(archive, names[listing])["config"]
        known |= {f"{folder}/{payload['path_name']}" for payload in payloads.values()}
        tensors |= {
            key: _tensor(archive, names, f"{folder}/{payload['path_name']}", payload)
            for key, payload in payloads.items()
        }
    _refuse_others(set(names) - known)
    if "byteorder" in names and archive.read(names["byteorder"]).strip() != b"little":
        raise ExportedError("its numbers are not little-endian")
    return Archive(_json(archive, names[graphs[0]]), tensors)


def _read_old(archive: zipfile.ZipFile, names: Mapping[str, zipfile.ZipInfo]) -> Archive:
    _refuse_others(set(names) - {OLD_GRAPH, *OLD_TENSORS})
    tensors: dict[str, torch.Tensor] = {}
    for name in OLD_TENSORS:
        tensors |= _pickled(name, archive.read(names[name]))
    return Archive(_json(archive, names[OLD_GRAPH]), tensors)


def _pickled(name: str, content: bytes) -> dict[str, torch.Tensor]:
    """Return the tensors of a pickle that holds nothing else."""
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the pickle's bytes lead it to
        raise ExportedError(f"{name} holds more than plain tensors") from error
    if not isinstance(loaded, Mapping) or not all(
        isinstance(value, torch.Tensor) and value.layout == torch.strided
        for value in loaded.values()
    ):
        raise ExportedError(f"{name} holds more than plain tensors")
    return {str(key): value.detach() for key, value in loaded.items()}


def _refuse_others(names: set[str]) -> None:
    others = sorted(n for n in names if not MARKS.fullmatch(n) and not UNUSED.fullmatch(n))
    if others:
        raise ExportedError(f"it holds {others[0]!r}, which is neither a graph nor a plain tensor")


def _json(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> dict[str, Any]:
    if info.file_size > MOST_JSON_BYTES:
        raise ExportedError(f"{info.filename} has {info.file_size:,} bytes, too many for a graph")
    content = json.loads(archive.read(info))
    if not isinstance(content, dict):
        raise ExportedError(f"{info.filename} holds no object")
    return content


def _tensor(
    archive: zipfile.ZipFile,
    names: Mapping[str, zipfile.ZipInfo],
    file: str,
    payload: Mapping[str, Any],
) -> torch.Tensor:
    """Return one tensor of raw bytes."""
    if payload["use_pickle"]:
        raise ExportedError(f"{file} is a pickle")
    if not TENSOR_FILE.fullmatch(str(payload["path_name"])) or file not in names:
        raise ExportedError(f"{file!r} is no tensor of the archive")
    meta = payload["tensor_meta"]
    if meta["dtype"] not in DTYPES or meta["layout"] != STRIDED:
        raise ExportedError(f"{file}: dtype {meta['dtype']}, layout {meta['layout']} are not plain")
    dtype = DTYPES[meta["dtype"]]
    sizes, strides = (_integers(meta[key], file) for key in ("sizes", "strides"))
    (offset,) = _integers([meta["storage_offset"]], file)
    reach = sum((side - 1) * stride for side, stride in zip(sizes, strides, strict=True))
    count = names[file].file_size // dtype.itemsize
    if math.prod(sizes) == 0:
        return torch.empty(sizes, dtype=dtype)
    if offset + reach >= count or math.prod(sizes) > count:
        raise ExportedError(f"{file}: {names[file].file_size} bytes are too few for {sizes}")
    values = torch.frombuffer(bytearray(archive.read(names[file])), dtype=dtype, count=count)
    return torch.as_strided(values, sizes, strides, offset)


def _integers(entries: Any, file: str) -> list[int]:
    numbers = [entry.get("as_int") for entry in entries]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers):
        raise ExportedError(f"{file}: sizes {entries!r} are not whole numbers")
    return numbers
