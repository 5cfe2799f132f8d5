"""The networks and cases of `bench gpu`: of published size on a GPU, small on a CPU."""

import fcntl
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from challenge.provenance import sha256_of
from challenge.scheme import SCHEMES, Scheme
from ensemble.manifest import MANIFEST
from ensemble.manifest_schemas import SCHEMA_WITHOUT
from lab.bench.networks import GLIOMA, GLIOMA_PATCH, RESENC_L, RESENC_L_PATCH, tiles_of
from lab.bench.processes import Subject
from lab.training.random_networks import (
    flops_of_a_pass,
    plans_of,
    write_abdomen,
    write_heads,
    write_trained,
)

NAMES = ("glioma", "ResEnc-L")
CASE = "BraTS-GLI-00000-100"
PANCREAS = "pancreas"
SPACING_MM = (3.0, 0.69, 0.69)
MEMBERS = "members"  # the folder of the folds inside the packed model


@dataclass(frozen=True)
class Size:
    """What is run: one network, its folds and mirrorings, and one case."""

    network: str  # of lab/training/networks.py
    patch: tuple[int, int, int]
    case: tuple[int, int, int]  # voxels (z, y, x) of the scan
    head: tuple[int, int, int] | None  # what a BraTS case is cropped to; None: an abdomen
    folds: int
    mirror_axes: tuple[int, ...]

    @property
    def scheme(self) -> Scheme:
        """Return the challenge whose labels the network gives."""
        return SCHEMES["brats-gli" if self.head else "panther-t1"]

    @property
    def mirrorings(self) -> int:
        """Return how often the network sees each tile."""
        return int(2 ** len(self.mirror_axes))

    @property
    def words(self) -> str:
        """Say what is run."""
        patch, case = ("x".join(map(str, sides)) for sides in (self.patch, self.case))
        channels = len(self.scheme.sequences)
        work = f"{self.folds} folds x {self.mirrorings} mirrorings"
        return f"{self.network}, patch {patch}, {work}, case {channels}x{case}"


# By device and name. On a CPU all of it runs in seconds.
SIZES = {
    "cuda": {
        "glioma": Size(
            GLIOMA, GLIOMA_PATCH, (182, 218, 182), (148, 178, 142), folds=5, mirror_axes=(0, 1, 2)
        ),
        "ResEnc-L": Size(
            RESENC_L, RESENC_L_PATCH, (72, 416, 416), None, folds=5, mirror_axes=(0, 1, 2)
        ),
    },
    "cpu": {
        "glioma": Size("tiny", (32, 32, 24), (44, 52, 44), (36, 44, 36), folds=2, mirror_axes=(2,)),
        "ResEnc-L": Size("tiny-resenc", (32, 32, 32), (14, 60, 60), None, 2, mirror_axes=(2,)),
    },
}


@dataclass(frozen=True)
class Work:
    """What a case costs."""

    tiles: int
    flops_of_a_pass: float
    passes: int  # of a case: tiles, folds and mirrorings


def plans(size: Size) -> dict[str, Any]:
    """Return the plans of a network."""
    return plans_of(size.network, size.patch, len(size.scheme.sequences))


def subject_of(name: str, device: str, scratch: Path) -> tuple[Subject, Work]:
    """Return a network and its case, made by whoever asks first."""
    size, folder = SIZES[device][name], scratch / name
    scratch.mkdir(parents=True, exist_ok=True)
    ready = folder / "work.json"
    packed = folder / "packed"
    subject = Subject(folder, size.scheme, packed / MEMBERS, packed, device)
    with (scratch / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            work = _make(subject, size)
            ready.write_text(json.dumps(asdict(work)), encoding="utf-8")
    return subject, Work(**json.loads(ready.read_text(encoding="utf-8")))


def make_all(device: str, scratch: Path) -> None:
    """Make all networks and cases."""
    for name in NAMES:
        subject_of(name, device, scratch)


def _make(subject: Subject, size: Size) -> Work:
    if size.head:
        write_heads(subject.work / "cases", (CASE,), size.case, size.head)
    else:
        write_abdomen(subject.work / "cases" / PANCREAS, PANCREAS, size.case, SPACING_MM)
    scheme = size.scheme
    channels = (scheme.sequences, scheme.labels)
    write_trained(subject.trained, plans(size), *channels, size.folds, size.mirror_axes)
    write_manifest(subject.weights, scheme, range(size.folds))
    tiles = tiles_of(subject)
    flops = flops_of_a_pass(plans(size), len(scheme.sequences), 1 + len(scheme.labels))
    return Work(tiles, flops, tiles * math.prod((size.folds, size.mirrorings)))


def write_manifest(folder: Path, scheme: Scheme, folds: Sequence[int]) -> None:
    """Write the manifest of a model whose members lie where `write_trained` has put them."""
    labels = {str(value): name for name, value in scheme.labels.items()}
    member = {
        "folder": MEMBERS,
        "configuration": "3d_fullres",
        "checkpoint": "checkpoint_final",
        "weight": 1.0,
        "labels": labels,
    }
    files = [path for path in sorted((folder / MEMBERS).rglob("*")) if path.is_file()]
    manifest = {
        "schema": SCHEMA_WITHOUT,
        "model": "bench",
        "scheme": scheme.name,
        "note": "random weights",
        "settings": {"mirroring": True, "step": 0.5},
        "members": [{**member, "fold": str(fold)} for fold in folds],
        "files": {
            str(path.relative_to(folder)): {
                "size_bytes": path.stat().st_size,
                "sha256": sha256_of(path),
            }
            for path in files
        },
    }
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
