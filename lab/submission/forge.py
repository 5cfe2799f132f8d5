"""grand-challenge's own description of a challenge's sockets into a draft of a challenge's file.

Two forms are read: the context that grand-challenge-forge makes its packs from
(`{"challenge": {"phases": [{"inputs": [...], "outputs": [...]}]}}`, older ones with
`algorithm_inputs`, newer ones with `algorithm_interfaces`), and a list of interfaces alone. Of a
socket, `slug`, `super_kind` ("Image", "Value", "File"), `kind` and `relative_path` are used.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from challenge.refusal import Refusal

Socket = Mapping[str, Any]
PREFIXES = ("", "algorithm_")  # of the keys of a phase's sockets


class ForgeError(Refusal):
    """A file is none of grand-challenge's descriptions."""


def drafts_of(path: Path) -> list[str]:
    """Return the draft of a challenge's file for every set of sockets in a description.

    Raises:
        ForgeError: the file holds no sockets.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ForgeError(f"{path}: not JSON ({error})") from error
    try:
        drafts = [_draft(title, *sockets) for title, *sockets in _interfaces(content)]
    except (KeyError, TypeError, AttributeError) as error:
        raise ForgeError(f"{path}: a socket without {error}") from error
    if not drafts:
        raise ForgeError(f"{path}: no phases or interfaces with inputs and outputs")
    return drafts


def _interfaces(content: Any) -> Iterator[tuple[str, list[Socket], list[Socket]]]:
    """Yield a title, the inputs and the outputs of every interface."""
    if isinstance(content, list):
        content = {"interfaces": content}
    challenge = content.get("challenge") or content.get("algorithm") or content
    for number, phase in enumerate(challenge.get("phases", [challenge]), 1):
        title = f"{challenge.get('slug', 'challenge')}, {phase.get('slug', f'phase {number}')}"
        interfaces = [*phase.get("algorithm_interfaces", []), *phase.get("interfaces", [])]
        for prefix in PREFIXES:
            if f"{prefix}inputs" in phase:
                keys = (f"{prefix}inputs", f"{prefix}outputs")
                interfaces.append({"inputs": phase[keys[0]], "outputs": phase[keys[1]]})
        for interface in interfaces:
            yield title, interface["inputs"], interface["outputs"]


def _draft(title: str, inputs: list[Socket], outputs: list[Socket]) -> str:
    images = [socket for socket in inputs if _is_image(socket)]
    sequences = [_sequence(socket) for socket in images]
    lines = [
        f"# {title}. What stands in <> is yours to say; then `python -m lab challenge NAME.toml`.",
        f"sequences = {json.dumps(sequences)}",
        "labels = { <label> = 1 }",
        'tumour = "<region>"',
        'file_ending = ".mha"',
        "time_limit_s = <seconds a case>",
        "",
        "[regions]",
        '<region> = ["<label>"]',
    ]
    readable = [[socket for socket in side if _is_readable(socket)] for side in (inputs, outputs)]
    for socket in (*inputs, *outputs):
        if not _is_readable(socket):
            lines += ["", f"# {socket['slug']}: neither an image nor JSON, not read or written"]
    for socket in readable[0]:
        lines += ["", "[[inputs]]", *_socket_lines(socket)]
        if _is_image(socket):
            lines.append(f"sequence = {json.dumps(_sequence(socket))}")
    for socket in sorted(readable[1], key=lambda socket: socket.get("kind") != "Segmentation"):
        lines += ["", "[[outputs]]", *_socket_lines(socket)]
        if not _is_image(socket):
            lines += ['kind = "value"', 'region = "<region>"', 'value = "<what>"']
        elif socket.get("kind") != "Segmentation":
            lines += ['kind = "probability"', 'region = "<region>"']
    lines += ["", "[sources]", f"inputs = {json.dumps(f'grand-challenge, {title}')}"]
    return "\n".join(lines)


def _is_image(socket: Socket) -> bool:
    return str(socket.get("super_kind", "Image")).lower() == "image"


def _is_readable(socket: Socket) -> bool:
    """Return whether it is an image or a JSON file; a file of another kind is neither."""
    return _is_image(socket) or str(socket.get("relative_path", ".json")).endswith(".json")


def _sequence(socket: Socket) -> str:
    return str(socket["slug"])


def _socket_lines(socket: Socket) -> Iterator[str]:
    yield f"slug = {json.dumps(socket['slug'])}"
    usual = f"images/{socket['slug']}" if _is_image(socket) else f"{socket['slug']}.json"
    if (path := socket.get("relative_path", usual)) != usual:
        yield f"path = {json.dumps(path)}"
