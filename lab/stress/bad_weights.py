"""Weights that are not what they say, or that carry code: refused by name, nothing run."""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lab.stress.program import command, run
from lab.training.random_networks import write_heads

MARKER = "code-ran"
MODEL = "brats-gli"


class CodeOnUnpickle:
    """An object whose unpickling runs code, which leaves a file behind."""

    def __init__(self, marker: Path) -> None:
        """Remember where."""
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what unpickling calls."""
        return (Path.touch, (self.marker,))


def tables(work: Path, weights: Path) -> Iterator[str]:
    """Yield a FAULT line for each deviation, then the lines of the table."""
    source = work / "weights-in"
    write_heads(source, ("BraTS-GLI-00001-100",), (40, 44, 42), (30, 34, 32))
    rows = []
    for name, (corrupt, message) in CORRUPTIONS.items():
        corrupted, target, marker = work / "corrupted", work / "weights-out", work / MARKER
        shutil.rmtree(corrupted, ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(weights / MODEL, corrupted / MODEL)
        target.mkdir()
        corrupt(corrupted / MODEL, marker)
        result = run(command(source, target, corrupted), 60)
        deviations = []
        if result.exit_code not in (1, 2) or message not in result.last_line:
            deviations.append(f"exit code {result.exit_code}, last line {result.last_line!r}")
        if marker.exists() or list(target.iterdir()):
            deviations.append("code ran, or labels were written")
        yield from (f"FAULT {name}: {deviation}" for deviation in deviations)
        last_line = result.last_line.replace(f"{corrupted / MODEL}/", "").replace("|", "/")
        rows.append(f"| {name} | {result.exit_code} | {len(deviations)} | `{last_line[:110]}` |")
    yield "| weights | exit code | not as declared | last line |"
    yield "| --- | --- | --- | --- |"
    yield from rows


def _checkpoint(model: Path) -> Path:
    return sorted(model.rglob("*.pth"))[0]


def _manifest(model: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = model / "MANIFEST.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def _sign(model: Path, path: Path) -> None:
    """Put a changed file's size and hash into the manifest, as an attacker would."""
    content = path.read_bytes()
    facts = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    name = str(path.relative_to(model))
    _manifest(model, lambda manifest: manifest["files"].update({name: facts}))


def _truncated(model: Path, marker: Path) -> None:
    path = _checkpoint(model)
    path.write_bytes(path.read_bytes()[:-1000])


def _one_bit(model: Path, marker: Path) -> None:
    content = bytearray(_checkpoint(model).read_bytes())
    content[len(content) // 2] ^= 1
    _checkpoint(model).write_bytes(content)


def _hash_changed(model: Path, marker: Path) -> None:
    name = str(_checkpoint(model).relative_to(model))
    _manifest(model, lambda manifest: manifest["files"][name].update(sha256="0" * 64))


def _outside(name: str) -> Callable[[Path, Path], None]:
    def corrupt(model: Path, marker: Path) -> None:
        facts = {"size_bytes": 1, "sha256": "0" * 64}
        _manifest(model, lambda manifest: manifest["files"].update({name: facts}))

    return corrupt


def _member_outside(model: Path, marker: Path) -> None:
    _manifest(model, lambda manifest: manifest["members"][0].update(folder="../../elsewhere"))


def _with_code(model: Path, marker: Path) -> None:
    torch.save({"network_weights": {}, "code": CodeOnUnpickle(marker)}, _checkpoint(model))
    _sign(model, _checkpoint(model))


def _plain_pickle(model: Path, marker: Path) -> None:
    import pickle

    _checkpoint(model).write_bytes(pickle.dumps(CodeOnUnpickle(marker)))
    _sign(model, _checkpoint(model))


def _other_network(model: Path, marker: Path) -> None:
    torch.save({"network_weights": {"w": torch.zeros(3)}}, _checkpoint(model))
    _sign(model, _checkpoint(model))


def _pickled_arrays(model: Path, marker: Path) -> None:
    """Clusters whose arrays hold objects, signed in both files that name their hash."""
    path = model / "clusters.npz"
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, centres=np.array([CodeOnUnpickle(marker)], object))
    _put_clusters(model, path, buffer.getvalue())


def _zip_of_nothing(model: Path, marker: Path) -> None:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    _put_clusters(model, model / "clusters.npz", buffer.getvalue())


def _put_clusters(model: Path, path: Path, content: bytes) -> None:
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(content)
    document = model / "postprocess.json"
    text = document.read_text(encoding="utf-8")
    document.write_text(text.replace(old, hashlib.sha256(content).hexdigest()), encoding="utf-8")
    _sign(model, path)
    _sign(model, document)


def _newer(model: Path, marker: Path) -> None:
    _manifest(model, lambda manifest: manifest.update(schema=99))


CORRUPTIONS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "a checkpoint cut short": (_truncated, "checkpoint_final.pth"),
    "one bit of a checkpoint": (_one_bit, "sha256"),
    "another hash in the manifest": (_hash_changed, "sha256"),
    "a file at ../": (_outside("../../etc/passwd"), "points outside the model's folder"),
    "a file at /": (_outside("/etc/passwd"), "points outside the model's folder"),
    "a member at ../": (_member_outside, "not in its files"),
    "a checkpoint with code, signed": (_with_code, "cannot be opened as plain tensors"),
    "a plain pickle for a checkpoint, signed": (_plain_pickle, "cannot be opened as plain tensors"),
    "a checkpoint of another network, signed": (_other_network, "not the network of plans.json"),
    "pickled objects among the clusters, signed": (_pickled_arrays, "clusters.npz"),
    "an empty archive of clusters, signed": (_zip_of_nothing, "clusters.npz"),
    "a manifest of a later program": (_newer, "newer than this program"),
}
