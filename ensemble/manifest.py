"""Members, weights, hashes: MANIFEST.json of a model folder, verified before anything is loaded.

    weights/<model>/MANIFEST.json        this file
    weights/<model>/<member folder>/     plans.json, dataset.json, fold_<k>/checkpoint_*.pth

Its schemas: `ensemble.manifest_schemas`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from challenge.case_hashes import hashes_of
from challenge.folders import entries
from challenge.orientation import OrientationError
from challenge.provenance import sha256_of
from challenge.scheme import SCHEMES, Head, Scheme, answer_fault
from ensemble.cascade import CascadeError, check_cascades, feeding_groups
from ensemble.heads import HeadError
from ensemble.manifest_schemas import NEWS, READABLE, SCHEMA, schema_for
from ensemble.member_weights import WeightError
from ensemble.members import MANIFEST, ManifestError, Member, read_member, with_channel_weights
from ensemble.plans import PlansError
from ensemble.small_cases import SmallCases, read_small_cases, with_small_weights

ACCEPTS_MISSING = (
    "accepts_missing",
    "missing_sequences",
)  # the key of settings, and its former name


@dataclass(frozen=True)
class Model:
    """An ensemble whose files are all present and unchanged."""

    name: str
    folder: Path
    scheme: Scheme
    members: tuple[Member, ...]  # all that the manifest lists
    head: Head  # what the averaged probabilities mean
    mirroring: bool
    step: float
    note: str
    answers: tuple[Scheme, ...]  # challenges in whose labels it may answer, the usual one first
    small_cases: SmallCases | None = None  # for which members have other weights

    def answers_as(self, named_scheme: str | None) -> Scheme:
        """Return the challenge in whose labels a case is answered.

        That is the one that the case's name or folder speaks of, where the model answers it; a
        name never makes a model answer what it is not for.
        """
        by_name = {scheme.name: scheme for scheme in self.answers}
        return by_name.get(str(named_scheme), self.answers[0])

    def trained_on(self, id: str) -> int:
        """Return how many networks are known to have been trained on a case."""
        hashes = hashes_of(id)
        return sum(not hashes.isdisjoint(member.trained_on or ()) for member in self.members)

    @property
    def averaged(self) -> tuple[Member, ...]:
        """Return the members whose mean is the answer; weights of 0 and donors are not."""
        return tuple(member for member in self.members if member.is_averaged)

    @property
    def always_run(self) -> tuple[Member, ...]:
        """Return the members that are run on every case: averaged ones, and what feeds them."""
        groups = feeding_groups(self.averaged)
        return tuple(m for m in self.members if m.is_averaged or m.group in groups)

    @property
    def donors(self) -> dict[str, tuple[Member, ...]]:
        """Return the donors of each region that has any."""
        regions = dict.fromkeys(member.donor for member in self.members if member.donor)
        return {
            region: tuple(member for member in self.members if member.donor == region)
            for region in regions
        }

    @property
    def orientation(self) -> str | None:
        """Axis code in which a case is read: that of all members, None where they differ."""
        codes = {member.orientation for member in self.members if member.weight}
        return codes.pop() if len(codes) == 1 else None

    def unseen_orientations(self, orientation: str | None) -> tuple[str, ...]:
        """Return the axis codes that some member was trained on, if none is the case's.

        Members with an `orientation` get every case in that order, so any is familiar to them.
        """
        for member in self.members:
            is_asked = bool(member.weight) and member.orientation is None
            trained = member.training_axes if is_asked else ()
            if orientation and trained and orientation not in trained:
                return trained
        return ()


def find_manifests(weights: Path) -> dict[str, Path]:
    """Return the manifest of each model under a weights folder, by model name.

    Raises:
        ManifestError: the folder is missing or holds no manifest.
    """
    folders = [weights] if (weights / MANIFEST).is_file() else entries(weights)
    paths = [folder / MANIFEST for folder in folders if (folder / MANIFEST).is_file()]
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


def answers_of(path: Path) -> tuple[Scheme, ...]:
    """Return the challenges that a model answers; by default that of its labels.

    Raises:
        ManifestError: one is unknown, or its tumour has other labels than the model's.
    """
    manifest = read_manifest(path)
    scheme = SCHEMES[manifest["scheme"]]
    names = manifest.get("answers", [scheme.name])
    if not isinstance(names, list) or not names:
        raise ManifestError(f"{path}: answers {names!r} is no list of challenges")
    for name in names:
        if fault := answer_fault(scheme, name):
            raise ManifestError(f"{path}: {fault}")
    return tuple(SCHEMES[name] for name in names)


def accepts_missing_sequences(path: Path) -> bool:
    """Return whether a model takes cases that lack sequences: `accepts_missing` of its settings.

    Older manifests call it `missing_sequences`; without either it is false.

    Raises:
        ManifestError: it is neither true nor false.
    """
    settings = read_manifest(path).get("settings")
    if not isinstance(settings, dict):
        return False
    key = next((key for key in ACCEPTS_MISSING if key in settings), None)
    if key is not None and not isinstance(settings[key], bool):
        raise ManifestError(f"{path}: {key} is {settings[key]!r}, neither true nor false")
    return key is not None and bool(settings[key])


def verify_model(path: Path) -> Model:
    """Check size and sha256 of every file that a manifest lists, then describe the model.

    Raises:
        ManifestError: a file is missing, changed, outside the folder, or cannot be followed.
    """
    manifest, folder = read_manifest(path), path.parent
    try:
        for name, facts in manifest["files"].items():
            _verify_file(folder, name, facts)
        scheme, listed = SCHEMES[manifest["scheme"]], manifest["members"]
        if manifest["schema"] < schema_for(listed):
            least = schema_for(listed)
            raise ManifestError(f"{path}: {NEWS[least]} need schema {least}")
        members = [read_member(entry, manifest, folder) for entry in listed]
        weighted, head = with_channel_weights(members, listed, scheme)
        small_cases = read_small_cases(manifest, scheme)
        weighted = with_small_weights(weighted, listed, small_cases)
        check_cascades(weighted, head)
        settings = manifest["settings"]
        return Model(
            name=manifest["model"],
            folder=folder,
            scheme=scheme,
            members=weighted,
            head=head,
            mirroring=bool(settings["mirroring"]),
            step=float(settings["step"]),
            note=manifest.get("note", ""),
            answers=answers_of(path),
            small_cases=small_cases,
        )
    except (PlansError, OrientationError, HeadError, WeightError, CascadeError) as error:
        raise ManifestError(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{path}: incomplete ({error!r})") from error


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
