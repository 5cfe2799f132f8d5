"""Folders that a verb fills case by case: what an earlier run left is used with the same inputs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from challenge.provenance import (
    Provenance,
    ProvenanceError,
    content_sha256,
    read_provenance,
    require_same,
    write_provenance,
)


@dataclass(frozen=True)
class Output:
    """A folder that is filled, with its record and the files that will be written."""

    folder: Path
    record: Provenance  # of this run; name and sha256 are set when it is written
    files: Sequence[Path]


def start_folders(outputs: Sequence[Output]) -> None:
    """Make folders and write what they will be made from, before the first file is.

    Folders of an earlier run with the same inputs are gone on with.

    Raises:
        ProvenanceError: a folder was made from something else, or holds such files of unknown
            origin; then nothing is written.
    """
    for output in outputs:
        require_same(output.folder, output.record)
        existing = [path for path in output.files if path.exists()]
        if existing and read_provenance(output.folder) is None:
            raise ProvenanceError(
                f"{output.folder}: holds {existing[0].name} of unknown origin; choose another "
                "folder, or remove this one"
            )
    for output in outputs:
        output.folder.mkdir(parents=True, exist_ok=True)
        _write(output, "")


def finish_folders(outputs: Sequence[Output]) -> None:
    """Write the records of folders that are complete, with the hashes of their files."""
    for output in outputs:
        _write(output, content_sha256(output.folder))


def _write(output: Output, sha256: str) -> None:
    name = output.folder.resolve().name
    write_provenance(output.folder, replace(output.record, name=name, sha256=sha256))
