"""MANIFEST.json of a model folder that is being made: written with hashes, and checked."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from challenge.folders import is_hidden
from challenge.provenance import sha256_of
from ensemble.manifest import MANIFEST, verify_model
from ensemble.manifest_schemas import schema_for
from ensemble.member_network import load_member


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write MANIFEST.json with size and sha256 of every other file of the folder.

    Its schema goes up where its members need that; an older model's stays.
    """
    files = {
        str(path.relative_to(folder)): {
            "sha256": sha256_of(path),
            "size_bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST and not is_hidden(path)
    }
    schema = max(manifest["schema"], schema_for(manifest["members"]))
    text = json.dumps({**manifest, "schema": schema, "files": files}, indent=1) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def open_members(manifest: Path) -> None:
    """Open every member as the program will: hashes, plans, heads, and the network's weights."""
    for member in verify_model(manifest).members:
        load_member(member)
