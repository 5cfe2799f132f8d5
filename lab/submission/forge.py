"""grand-challenge's own description of a challenge's sockets into a draft of a challenge's file.

Read are the contexts that grand-challenge's forge makes packs and templates from, of a challenge
with phases, of one phase or of an algorithm, in the forms of 2024 (`algorithm_inputs`,
`super_kind`), 2025 (`algorithm_interfaces`) and 2026 (`is_image_kind`, `is_json_kind`), a list of
interfaces alone, and the `inputs.json` of a case, which names no outputs.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from challenge.refusal import Refusal

Kind = Literal["image", "json", "other"]
PREFIXES = ("", "algorithm_")  # of the keys of a phase's sockets
# In slugs of images of which nothing else says that they are no label maps.
PROBABILITY_WORDS = ("probabilit", "likelihood", "heatmap", "heat-map", "confidence", "uncertainty")


class ForgeError(Refusal):
    """A file is none of grand-challenge's descriptions."""


@dataclass(frozen=True)
class ForgeSocket:
    """One socket as grand-challenge describes it."""

    slug: str
    kind: Kind
    relative_path: str
    is_label_map: bool

    @property
    def usual_path(self) -> str:
        """Return where the platform puts a socket of this slug unless its row says otherwise."""
        return f"images/{self.slug}" if self.kind == "image" else f"{self.slug}.json"


@dataclass(frozen=True)
class Interface:
    """What goes into an algorithm together, and what comes out."""

    title: str
    inputs: tuple[ForgeSocket, ...]
    outputs: tuple[ForgeSocket, ...]


def drafts_of(path: Path) -> list[str]:
    """Return the draft of a challenge's file for every interface in a description.

    Raises:
        ForgeError: the file holds no sockets.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ForgeError(f"{path}: not JSON ({error})") from error
    try:
        interfaces = list(_interfaces(content))
    except (KeyError, TypeError, AttributeError) as error:
        raise ForgeError(f"{path}: a socket without {error}") from error
    if not interfaces:
        raise ForgeError(f"{path}: no phases or interfaces with inputs and outputs")
    return ["\n".join(_draft(interface)) for interface in interfaces]


def _interfaces(content: Any) -> Iterator[Interface]:
    if isinstance(content, list):
        rows = [row.get("socket") or row.get("interface") for row in content]
        content = {"inputs": rows, "outputs": []} if all(rows) else {"interfaces": content}
    challenge = content.get("challenge", {})
    for number, phase in enumerate(_phases(content), 1):
        names = [challenge.get("slug"), phase.get("slug") or f"interface {number}"]
        title = ", ".join(name for name in names if name)
        rows = [*phase.get("algorithm_interfaces", []), *phase.get("interfaces", [])]
        for prefix in PREFIXES:
            if f"{prefix}inputs" in phase:
                keys = ("inputs", "outputs")
                rows.append({key: phase[f"{prefix}{key}"] for key in keys})
        for row in rows:
            inputs, outputs = (tuple(map(_socket, row[key])) for key in ("inputs", "outputs"))
            yield Interface(title, inputs, outputs)


def _phases(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what holds interfaces: a challenge's phases, a phase or an algorithm, or the whole."""
    for place in (content, content.get("challenge", {})):
        if "phases" in place:
            return list(place["phases"])
    return [content.get("algorithm") or content.get("phase") or content]


def _socket(row: Mapping[str, Any]) -> ForgeSocket:
    slug = str(row["slug"])
    kind = _kind(row)
    usual = ForgeSocket(slug, kind, "", False).usual_path
    words = any(word in slug for word in PROBABILITY_WORDS)
    is_label_map = row["kind"] == "Segmentation" if "kind" in row else not words
    return ForgeSocket(slug, kind, str(row.get("relative_path") or usual), is_label_map)


def _kind(row: Mapping[str, Any]) -> Kind:
    """Return what a socket holds: by its flags, its super-kind, or its path."""
    path = str(row.get("relative_path", ""))
    if any(key.startswith("is_") for key in row):
        if row.get("is_dicom_image_kind"):  # a folder of files, not one
            return "other"
        is_image, is_json = row.get("is_image_kind"), row.get("is_json_kind")
    elif "super_kind" in row:
        is_image, is_json = str(row["super_kind"]).lower() == "image", path.endswith(".json")
    else:
        is_image, is_json = path.startswith("images/"), path.endswith(".json")
    return "image" if is_image else "json" if is_json else "other"


def _draft(interface: Interface) -> Iterator[str]:
    yield f"# {interface.title}. What stands in <> is yours to say."
    images = [socket.slug for socket in interface.inputs if socket.kind == "image"]
    yield f"sequences = {json.dumps(images)}"
    yield "labels = { <label> = 1 }"
    yield 'tumour = "<region>"'
    yield 'file_ending = ".mha"'
    yield "time_limit_s = <seconds a case>"
    if any(socket.kind == "other" for socket in interface.inputs):
        yield "ignores_further_inputs = true"
    yield "\n[regions]"
    yield '<region> = ["<label>"]'
    for socket in (*interface.inputs, *interface.outputs):
        if socket.kind == "other":
            yield f"\n# {socket.slug}: neither one image nor JSON, not read or written"
    yield from _input_rows(interface)
    yield from _output_rows(interface)
    yield "\n[sources]"
    yield f"inputs = {json.dumps(f'grand-challenge, {interface.title}')}"


def _input_rows(interface: Interface) -> Iterator[str]:
    for socket in interface.inputs:
        if socket.kind != "other":
            yield "\n[[inputs]]"
            yield from _place(socket)
        if socket.kind == "image":
            yield f"sequence = {json.dumps(socket.slug)}"


def _output_rows(interface: Interface) -> Iterator[str]:
    """Yield the outputs, label maps first, as a description wants them."""
    outputs = [socket for socket in interface.outputs if socket.kind != "other"]
    if not outputs:
        yield '\n# No output is named here.\n[[outputs]]\nslug = "<slug>"'
    for socket in sorted(outputs, key=lambda each: (each.kind != "image", not each.is_label_map)):
        yield "\n[[outputs]]"
        yield from _place(socket)
        if socket.kind == "json":
            yield 'kind = "value"\nregion = "<region>"\nvalue = "<what>"'
        elif not socket.is_label_map:
            yield 'kind = "probability"\nregion = "<region>"'


def _place(socket: ForgeSocket) -> Iterator[str]:
    yield f"slug = {json.dumps(socket.slug)}"
    if socket.relative_path != socket.usual_path:
        yield f"path = {json.dumps(socket.relative_path)}"
