"""The parts of a study, each written when it is done, so that an interrupted study goes on.

A part's file is named after what it was computed from; a study of other sizes or seeds takes none
of them. They are removed when the page is written.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import joblib
import numpy as np

from challenge.provenance import hash_json, program_version
from lab.json_files import read_json

Content = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """One part of a study."""

    name: str
    key: tuple[Any, ...]  # all that it depends on, JSON
    compute: Callable[[], Content]
    summary: Callable[[Content], str] = lambda _: "done"  # what came out, for the progress line

    def path(self, folder: Path) -> Path:
        """Return the file that holds it in a folder."""
        digest = hash_json([self.name, list(self.key), program_version()])
        slug = "".join(c if c.isalnum() else "-" for c in self.name)
        return folder / f"{slug}-{digest.removeprefix('sha256:')[:12]}.json"


def compute_parts(
    parts: Sequence[Part], folder: Path, report: Callable[[str], None]
) -> list[Content]:
    """Compute the parts that the folder lacks, in the processes of the joblib backend.

    Args:
        parts: of the study.
        folder: of their files; made where it is missing.
        report: called with one line a part.

    Returns:
        What each holds, in their order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lacking = [part for part in parts if not part.path(folder).is_file()]
    for part in parts:
        if part not in lacking:
            report(f"{part.name}: read from {part.path(folder)}")
    run = joblib.Parallel(n_jobs=None, return_as="generator_unordered", pre_dispatch="n_jobs")
    lines = run(joblib.delayed(compute_part)(part, folder) for part in lacking)
    for number, line in enumerate(lines, 1 + len(parts) - len(lacking)):
        report(f"{line} ({number} of {len(parts)})")
    return [read_part(part, folder) for part in parts]


def compute_serially(part: Part, folder: Path, report: Callable[[str], None]) -> Content:
    """Return a part that uses the processes of the joblib backend itself."""
    folder.mkdir(parents=True, exist_ok=True)
    if part.path(folder).is_file():
        report(f"{part.name}: read from {part.path(folder)}")
    else:
        report(compute_part(part, folder))
    return read_part(part, folder)


def read_part(part: Part, folder: Path) -> Content:
    """Read a part that was computed."""
    return cast(Content, read_json(part.path(folder)))


def compute_part(part: Part, folder: Path) -> str:
    """Compute one part, write it at once, and return a line about it."""
    started = time.perf_counter()
    content = part.compute()
    path = part.path(folder)
    partial = path.with_name(f".partial-{path.name}")
    partial.write_text(json.dumps(content, default=np.generic.item), encoding="utf-8")
    partial.replace(path)
    return f"{part.name}: {part.summary(content)}, {time.perf_counter() - started:.0f} s"


def remove_parts(parts: Sequence[Part], folder: Path) -> None:
    """Remove the files of parts, and the folder where nothing else is in it."""
    for part in parts:
        part.path(folder).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
