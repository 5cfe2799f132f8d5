"""Out-of-fold probabilities on disk: half precision, cut to where something may be, by candidate.

    <candidate>/candidate.json     whose they are, what the channels mean, what a case costs
    <candidate>/<case>.npz         one map, on the case's grid

A map is cut to the box outside of which no network saw anything but background.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from challenge.box import Box
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Head, Scheme

SCHEMA = 2  # 1 had one member a case, `member_of`
NAME = "candidate.json"
# No average of several members makes a label of a smaller probability.
NEGLIGIBLE = 1 / 512


class MapError(Refusal):
    """A candidate's file is not what it should be; the message names it."""


@dataclass(frozen=True)
class ProbabilityMap:
    """A candidate's probabilities of one case, within a box of the case's grid."""

    probabilities: np.ndarray  # (channel, z, y, x) float16, of the box
    box: Box
    shape: tuple[int, int, int]  # of the case

    def within(self, box: Box, head: Head) -> np.ndarray:
        """Return float32 probabilities of another box; outside of this map's box is background."""
        shape = [side.stop - side.start for side in box]
        probabilities = np.zeros((len(head.channels), *shape), np.float32)
        if head.kind == "softmax":
            probabilities[0] = 1
        overlap = [
            (max(first.start, second.start), min(first.stop, second.stop))
            for first, second in zip(self.box, box, strict=True)
        ]
        if all(start < stop for start, stop in overlap):
            target, source = (
                tuple(
                    slice(a - side.start, b - side.start)
                    for (a, b), side in zip(overlap, sides, strict=True)
                )
                for sides in (box, self.box)
            )
            probabilities[(slice(None), *target)] = self.probabilities[(slice(None), *source)]
        return probabilities


@dataclass(frozen=True)
class Candidate:
    """The folds of one training, with out-of-fold maps of every case."""

    name: str
    folder: Path
    scheme: Scheme
    head: Head
    members_of: Mapping[str, tuple[str, ...]]  # case -> the members that predicted it
    case_s: float  # seconds that one member takes for a case
    model: Path | None = None  # the packed model that the maps are of

    @property
    def members(self) -> int:
        """Return how many networks an ensemble with this candidate runs."""
        return len({name for names in self.members_of.values() for name in names})

    def read(self, case: str) -> ProbabilityMap:
        """Read one case's map.

        Raises:
            MapError: the file is missing, damaged, holds NaN, or other channels.
        """
        path = self.folder / f"{case}.npz"
        try:
            with np.load(path, allow_pickle=False) as archive:
                probabilities, box = archive["probabilities"], archive["box"].tolist()
                shape = tuple(archive["shape"].tolist())
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise MapError(f"{path}: cannot be read as a map ({error})") from error
        if len(probabilities) != len(self.head.channels):
            channels = len(self.head.channels)
            raise MapError(f"{path}: {len(probabilities)} channels, {NAME} says {channels}")
        if not np.isfinite(probabilities).all():
            raise MapError(f"{path}: NaN or infinite probabilities")
        z, y, x = (slice(start, stop) for start, stop in box)
        return ProbabilityMap(probabilities, (z, y, x), shape)


def write_map(path: Path, probabilities: np.ndarray, head: Head) -> None:
    """Write probabilities (channel, z, y, x) cut to what is not background for certain."""
    foreground = probabilities[1:] if head.kind == "softmax" else probabilities
    mask = foreground.max(0) > NEGLIGIBLE
    box = []
    for axis in range(3):
        filled = np.flatnonzero(mask.any(tuple(other for other in range(3) if other != axis)))
        box.append((int(filled[0]), int(filled[-1]) + 1) if filled.size else (0, 1))
    in_box = (slice(None), *(slice(start, stop) for start, stop in box))
    partial = path.with_name(f".partial-{path.name}")
    with partial.open("wb") as stream:
        np.savez_compressed(
            stream,
            probabilities=probabilities[in_box].astype(np.float16),
            box=np.array(box),
            shape=np.array(probabilities.shape[1:]),
        )
    partial.replace(path)


def write_candidate(candidate: Candidate) -> None:
    """Write candidate.json."""
    content = {
        "schema": SCHEMA,
        "name": candidate.name,
        "scheme": candidate.scheme.name,
        "head": asdict(candidate.head),
        "members_of": {id: list(names) for id, names in candidate.members_of.items()},
        "case_s": round(candidate.case_s, 3),
        "model": str(candidate.model.resolve()) if candidate.model else None,
    }
    text = json.dumps(content, indent=1) + "\n"
    (candidate.folder / NAME).write_text(text, encoding="utf-8")


def read_candidate(folder: Path) -> Candidate:
    """Read candidate.json.

    Raises:
        MapError: it is missing, newer than this program, or incomplete.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise MapError(f"{path}: schema {content['schema']}, this program reads {SCHEMA}")
        head = content["head"]
        return Candidate(
            name=content["name"],
            folder=folder,
            scheme=SCHEMES[content["scheme"]],
            head=Head(head["kind"], tuple(map(tuple, head["channels"])), tuple(head["paints"])),
            members_of={id: tuple(names) for id, names in content["members_of"].items()},
            case_s=float(content["case_s"]),
            model=Path(content["model"]) if content["model"] else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, MapError):
            raise
        raise MapError(f"{path}: not a candidate ({error!r})") from error
