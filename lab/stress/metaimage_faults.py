"""MetaImage headers corrupted key by key: left out, with wrong values, and cut off there."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from lab.stress.malformed import ACCEPTED, REFUSED, STEM, Malformed, socket_scan

NAME = f"{STEM}.mha"
KEYS = (
    "ObjectType",
    "NDims",
    "BinaryData",
    "BinaryDataByteOrderMSB",
    "CompressedData",
    "CompressedDataSize",
    "TransformMatrix",
    "Offset",
    "CenterOfRotation",
    "AnatomicalOrientation",
    "ElementSpacing",
    "DimSize",
    "ElementType",
    "ElementDataFile",
)
VALUES = {
    "a word": "abdomen",
    "empty": "",
    "zero": "0",
    "minus one": "-1",
    "not a number": "nan",
    "huge": "99999999999999999999",
    "many": "1 " * 5000,
    "a path": "../../../../etc/passwd",
}
UNREAD = {"CenterOfRotation", "AnatomicalOrientation", "ObjectType", "BinaryDataByteOrderMSB"}
# The defaults are what the intact scan has; compressed voxels then extend to the end of the file.
DEFAULTS = {"TransformMatrix", "Offset", "BinaryData", "CompressedDataSize"}

NOT_TRUSTED = ("zero", "minus one", "huge")  # the compressed stream itself says where it ends


def split(content: bytes) -> tuple[dict[str, str], bytes]:
    """Return the header's fields in order, and the voxels."""
    head, end, voxels = content.partition(b"ElementDataFile = LOCAL\n")
    fields = dict(line.split(" = ", 1) for line in (head + end).decode().splitlines())
    return fields, voxels


def joined(fields: dict[str, str], voxels: bytes) -> bytes:
    """Return the file of these fields."""
    return "".join(f"{key} = {value}\n" for key, value in fields.items()).encode() + voxels


def malformed() -> Iterator[Malformed]:
    """Yield each key corrupted in each way."""
    for key in KEYS:
        for how, value in VALUES.items():
            yield _case(key, how, _changed(partial(_set, key=key, value=value)))
        yield _case(key, "left out", _changed(partial(_without, key=key)))
        yield Malformed(f"MetaImage {key} cut off", "panther", _cut_at(key), REFUSED, NAME)


def _set(fields: dict[str, str], key: str, value: str) -> dict[str, str]:
    return fields | {key: value}


def _without(fields: dict[str, str], key: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name != key}


def _case(key: str, how: str, corrupt: Callable[[Path], None]) -> Malformed:
    is_accepted = (
        (key in UNREAD and how != "many")  # no header is that long
        or (key in DEFAULTS and how == "left out")
        or (key == "CompressedDataSize" and how in NOT_TRUSTED)
    )
    code = ACCEPTED if is_accepted else REFUSED
    return Malformed(f"MetaImage {key} {how}", "panther", corrupt, code, NAME if code else "")


def _changed(change: Callable[[dict[str, str]], dict[str, str]]) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        path = socket_scan(folder)
        fields, voxels = split(path.read_bytes())
        path.write_bytes(joined(change(fields), voxels))

    return corrupt


def _cut_at(key: str) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        path = socket_scan(folder)
        content = path.read_bytes()
        path.write_bytes(content[: content.index(key.encode())])

    return corrupt
