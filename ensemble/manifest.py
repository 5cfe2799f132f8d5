"""Members, weights, hashes: MANIFEST.json of a model folder, verified before anything is loaded.

    weights/<model>/MANIFEST.json        this file
    weights/<model>/<member folder>/     plans.json, dataset.json, fold_<k>/checkpoint_*.pth

SCHEMA is raised when an older program would misread the file: a new key that changes what is
predicted, or a changed meaning. A key that older programs may ignore does not raise it.
2: a member's "group". Members of one group and network average their logits, groups their
probabilities; in schema 1 all are of one group.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Head, Scheme
from ensemble.dataset import channel_order, read_head
from ensemble.plans import Plan, PlansError, read_plan

SCHEMA = 2
READABLE = (1, SCHEMA)
MANIFEST = "MANIFEST.json"


class ManifestError(Refusal):
    """The weights are not what their manifest says; nothing may be loaded."""


@dataclass(frozen=True)
class Member:
    """One network of the ensemble."""

    name: str
    checkpoint: Path
    weight: float
    plan: Plan
    sequences: tuple[str, ...]  # input channels, in the member's own order
    head: Head
    group: str = ""  # whose logits are averaged together, if the network is the same


@dataclass(frozen=True)
class Model:
    """An ensemble whose files are all present and unchanged."""

    name: str
    folder: Path
    scheme: Scheme
    members: tuple[Member, ...]
    head: Head  # what the averaged probabilities mean
    mirroring: bool
    step: float
    note: str


def find_manifests(weights: Path) -> dict[str, Path]:
    """Return the manifest of each model under a weights folder, by folder name.

    Raises:
        ManifestError: the folder is missing or holds no manifest.
    """
    own = [weights / MANIFEST] if (weights / MANIFEST).is_file() else []
    paths = own or sorted(weights.glob(f"*/{MANIFEST}"))
    if not paths:
        raise ManifestError(f"{weights}: no {MANIFEST} here or one folder down")
    return {str(read_manifest(path)["model"]): path for path in paths}


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest and refuse one that is newer than this program."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        schema = manifest["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path}: not a manifest ({error!r})") from error
    if schema not in READABLE:
        age = "newer than" if isinstance(schema, int) and schema > SCHEMA else "not known to"
        raise ManifestError(f"{path}: schema {schema} is {age} this program, which reads {SCHEMA}")
    if not isinstance(manifest.get("model"), str) or manifest.get("scheme") not in SCHEMES:
        raise ManifestError(f"{path}: no model name, or scheme not one of {', '.join(SCHEMES)}")
    return dict(manifest)


def scheme_of(path: Path) -> Scheme:
    """Return the scheme that a manifest names."""
    return SCHEMES[read_manifest(path)["scheme"]]


def bears_gaps(path: Path) -> bool:
    """Tell whether a model was trained on cases that lack sequences."""
    settings = read_manifest(path).get("settings")
    return isinstance(settings, dict) and settings.get("missing_sequences") is True


def verify_model(path: Path) -> Model:
    """Check size and sha256 of every file that a manifest lists, then describe the model.

    Raises:
        ManifestError: a file is missing, changed, outside the folder, or cannot be followed.
    """
    manifest, folder = read_manifest(path), path.parent
    try:
        for name, facts in manifest["files"].items():
            _verify_file(folder, name, facts)
        members = tuple(_member(entry, manifest, folder) for entry in manifest["members"])
        settings = manifest["settings"]
        return Model(
            name=manifest["model"],
            folder=folder,
            scheme=SCHEMES[manifest["scheme"]],
            members=members,
            head=common_head(members),
            mirroring=bool(settings["mirroring"]),
            step=float(settings["step"]),
            note=manifest.get("note", ""),
        )
    except PlansError as error:
        raise ManifestError(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{path}: incomplete ({error!r})") from error


class Headed(Protocol):
    """Whatever has a name and a head."""

    @property
    def name(self) -> str: ...

    @property
    def head(self) -> Head: ...


def common_head(members: Sequence[Headed]) -> Head:
    """Return the head that all members can be brought to.

    Softmax members of one label list stay softmax. Where a member predicts regions, so does the
    ensemble, since region probabilities follow from label probabilities and not the reverse.
    """
    if not members:
        raise ManifestError("a manifest without members")
    wanted = next((m.head for m in members if m.head.kind == "regions"), members[0].head)
    for member in members:
        if member.head == wanted:
            continue
        known = {name for channel in member.head.channels for name in channel}
        needed = {name for channel in wanted.channels for name in channel}
        if member.head.kind == wanted.kind or not needed <= known:
            raise ManifestError(f"member {member.name}: its labels cannot be averaged with others'")
    return wanted


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _verify_file(folder: Path, name: str, facts: Mapping[str, Any]) -> None:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise ManifestError(f"{folder / MANIFEST}: {name} points outside the model's folder")
    path = folder / relative
    if not path.is_file():
        raise ManifestError(f"{path}: listed in {MANIFEST} but missing")
    if path.stat().st_size != facts["size_bytes"]:
        size = path.stat().st_size
        raise ManifestError(f"{path}: {size} bytes, {MANIFEST} says {facts['size_bytes']}")
    digest = sha256_of(path)
    if digest != facts["sha256"]:
        raise ManifestError(f"{path}: sha256 {digest[:12]}..., {MANIFEST} says otherwise")


def _member(entry: Mapping[str, Any], manifest: Mapping[str, Any], folder: Path) -> Member:
    home = PurePosixPath(entry["folder"])
    checkpoint = home / f"fold_{entry['fold']}" / f"{entry['checkpoint']}.pth"
    unlisted = {str(home / "plans.json"), str(home / "dataset.json"), str(checkpoint)} - set(
        manifest["files"]
    )
    if unlisted:
        raise ManifestError(f"{folder / MANIFEST}: {', '.join(sorted(unlisted))} not in its files")
    plans, dataset = (_json(folder / home / name) for name in ("plans.json", "dataset.json"))
    plan = read_plan(plans, entry["configuration"])
    sequences = channel_order(dataset, SCHEMES[manifest["scheme"]])
    if len(sequences) != len(plan.normalisation):
        raise PlansError(f"{home}: {len(sequences)} channels, {len(plan.normalisation)} in plans")
    weight = float(entry["weight"])
    if not weight > 0:
        raise ManifestError(f"{folder / MANIFEST}: weight {weight} of {checkpoint} is not positive")
    names = {int(value): str(name) for value, name in entry["labels"].items()}
    head = read_head(dataset, names)
    group = str(entry.get("group", ""))
    return Member(str(checkpoint), folder / checkpoint, weight, plan, sequences, head, group)


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ManifestError(f"{path}: not JSON ({error})") from error
