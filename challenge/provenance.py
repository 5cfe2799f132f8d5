"""What a product was made from: `provenance.json` of a folder, the key "provenance" of a JSON file.

A record is a tree. Each node names a product and the sha256 of its content, the verb that made
it, that verb's options, and the records of its inputs, down to what came from outside. Names are
those of files and folders, without the machine's paths; case ids never stand in it.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from challenge.atomic_write import write_atomically
from challenge.file_names import image_stem
from challenge.folders import entries
from challenge.refusal import Refusal

SCHEMA = 1
NAME = "provenance.json"
KEY = "provenance"
POSTPROCESS = "postprocess"  # the verb that is no verb of `lab`
# The fact of label maps that says whether networks and rules were fitted without their cases.
HELD_OUT_FACT = "held_out"
HELD_OUT_STATES = IN_SAMPLE, HELD_OUT, UNKNOWN = "in-sample", "held-out", "unknown"


class ProvenanceError(Refusal):
    """A record that cannot be read, or products that do not belong together."""


@dataclass(frozen=True)
class Provenance:
    """A product and what it was made from."""

    product: str  # "model", "cohort", "splits", "label maps", ...
    name: str  # of its file or folder
    sha256: str  # of its content; "" while it is being made
    verb: str = ""  # "" where no verb of this program made it
    version: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # counts and what later verbs ask
    inputs: Mapping[str, "Provenance"] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """Return what a user calls to make such a product."""
        return "python -m postprocess" if self.verb == POSTPROCESS else f"lab {self.verb}"

    @property
    def held_out(self) -> str:
        """Return whether label maps were made without their cases: one of `HELD_OUT_STATES`."""
        state = self.facts.get(HELD_OUT_FACT)
        return state if state in HELD_OUT_STATES else UNKNOWN

    def walk(self) -> Iterator["Provenance"]:
        """Yield this record and those of all its inputs, depth first."""
        yield self
        for each in self.inputs.values():
            yield from each.walk()

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON's types, with the schema number."""
        return {"schema": SCHEMA, **self._node()}

    def _node(self) -> dict[str, Any]:
        node = {key: getattr(self, key) for key in ("product", "name", "sha256", "verb", "version")}
        node |= {key: dict(getattr(self, key)) for key in ("options", "facts")}
        node["inputs"] = {role: each._node() for role, each in self.inputs.items()}
        needed = ("product", "name")
        return {key: value for key, value in node.items() if key in needed or value}


def program_version() -> str:
    """Return the version of this program; "source" where it is no release."""
    return os.environ.get("PODIUM_VERSION", "source")


def from_json(content: Any, origin: Path) -> Provenance:
    """Read a record.

    Args:
        content: as `Provenance.to_json` returns it.
        origin: the file, for messages.

    Raises:
        ProvenanceError: it is none, or its schema is not known.
    """
    try:
        if content["schema"] != SCHEMA:
            schemas = f"schema {content['schema']}, this program reads {SCHEMA}"
            raise ProvenanceError(f"{origin}: provenance has {schemas}")
        return _from_node(content)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProvenanceError(f"{origin}: not a provenance record ({error!r})") from error


def _from_node(node: Mapping[str, Any]) -> Provenance:
    return Provenance(
        product=str(node["product"]),
        name=str(node["name"]),
        sha256=str(node.get("sha256", "")),
        verb=str(node.get("verb", "")),
        version=str(node.get("version", "")),
        options=dict(node.get("options", {})),
        facts=dict(node.get("facts", {})),
        inputs={role: _from_node(each) for role, each in dict(node.get("inputs", {})).items()},
    )


def write_provenance(folder: Path, record: Provenance) -> None:
    """Write a folder's record atomically."""
    text = json.dumps(record.to_json(), indent=1) + "\n"
    write_atomically(text.encode(), folder / NAME)


def read_provenance(folder: Path) -> Provenance | None:
    """Return a folder's record; None where there is none.

    Raises:
        ProvenanceError: the file is no record.
    """
    path = folder / NAME
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")), path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ProvenanceError):
            raise
        raise ProvenanceError(f"{path}: not a provenance record ({error})") from error


def differences(before: Provenance, now: Provenance) -> list[str]:
    """Return in what two records of one product differ: verb, options and inputs, by name.

    The program's version and the facts are no difference; they are recorded, not compared.
    """
    lines = []
    if before.verb != now.verb:
        lines.append(f"verb {before.verb or 'none'}, now {now.verb or 'none'}")
    for key in sorted({*before.options, *now.options}):
        first, second = (json.dumps(each.options.get(key)) for each in (before, now))
        if first != second:
            lines.append(f"--{key} {first}, now {second}")
    for role in sorted({*before.inputs, *now.inputs}):
        first, second = (_short(each.inputs.get(role)) for each in (before, now))
        if first != second:
            lines.append(f"{role} {first}, now {second}")
    return lines


def require_same(folder: Path, now: Provenance) -> None:
    """Let a verb go on in a folder only with what it started there with.

    Args:
        folder: where an earlier run may have written.
        now: the record of this run.

    Raises:
        ProvenanceError: the folder's record differs; the message says in what, and what to do.
    """
    before = read_provenance(folder)
    if before is not None and (lines := differences(before, now)):
        raise ProvenanceError(
            f"{folder}: made from something else ({'; '.join(lines)}); choose another folder, or "
            "remove this one"
        )


def folder_record(folder: Path, product: str, files: Sequence[Path]) -> Provenance:
    """Return the record of a folder of label or probability maps.

    Args:
        folder: perhaps with a record that the verb wrote which made it.
        product: what it holds, where no record says.
        files: those that are used of it.

    Returns:
        The folder's record; where there is none, one that says what the files are, made by no verb.

    Raises:
        ProvenanceError: files were changed, or are missing, since the record was written.
    """
    record = read_provenance(folder)
    if record is None:
        facts = {"files": len(files)}
        return Provenance(product, folder.resolve().name, hash_files(files), facts=facts)
    if not record.sha256:
        raise ProvenanceError(
            f"{folder}: `{record.command}` was stopped before all was written; run it again"
        )
    if record.sha256 != content_sha256(folder):
        raise ProvenanceError(
            f"{folder}: files were changed, added or removed after `{record.command}` wrote them; "
            f"run it again, or remove {NAME} to use them as files of unknown origin"
        )
    return record


def content_sha256(folder: Path) -> str:
    """Return the hash of all label and probability maps in a folder."""
    files = (path for path in entries(folder) if path.is_file())
    return hash_files(path for path in files if image_stem(path.name) or path.suffix == ".npz")


def worst_state(states: Iterable[str]) -> str:
    """Return the held-out state of what was made with several things of such a state each."""
    states = set(states)
    return next((state for state in (IN_SAMPLE, UNKNOWN) if state in states), HELD_OUT)


def hash_json(content: Any) -> str:
    """Return the sha256 of JSON content, whatever the order of its keys; 1 and 1.0 are the same."""
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def hash_files(paths: Iterable[Path]) -> str:
    """Return the sha256 of files by name and content, whatever their order.

    Raises:
        OSError: a file cannot be read.
    """
    return hash_json(sorted([path.name, sha256_of(path)] for path in paths))


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _canonical(content: Any) -> Any:
    """Return JSON content whose whole numbers are integers, as some writers have them."""
    if isinstance(content, float) and content.is_integer():
        return int(content)
    if isinstance(content, Mapping):
        return {key: _canonical(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_canonical(value) for value in content]
    return content


def _short(record: Provenance | None) -> str:
    return f"{record.name} ({record.sha256[:12] or 'unfinished'})" if record else "none"
