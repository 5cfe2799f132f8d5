"""Candidates read together and checked against the cohort before hours are spent on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np

from challenge.box import Box, joint_box
from challenge.scheme import Head, Scheme
from ensemble.heads import HeadError, common_head, to_head
from lab.data.cohort import CohortCase
from lab.member_selection.probability_maps import (
    Candidate,
    MapError,
    read_candidate,
)


@dataclass(frozen=True)
class Pool:
    """Candidates that can be averaged, and the cases that they are scored on."""

    candidates: tuple[Candidate, ...]
    cases: tuple[CohortCase, ...]
    scheme: Scheme
    head: Head  # that all can be converted to

    def maps_of(self, case: CohortCase) -> tuple[np.ndarray, Box, tuple[int, int, int]]:
        """Read every candidate's map of a case.

        Returns:
            (candidate, channel, z, y, x) float16 in the common head, the box of it, and the size
            of the case.
        """
        maps = [candidate.read(case.files.id) for candidate in self.candidates]
        box = joint_box(*(each.box for each in maps)) or (slice(0, 0),) * 3
        stacked = np.empty(
            (len(maps), len(self.head.channels), *(side.stop - side.start for side in box)),
            np.float16,
        )
        for i, (candidate, each) in enumerate(zip(self.candidates, maps, strict=True)):
            stacked[i] = to_head(each.within(box, candidate.head), candidate.head, self.head)
        return stacked, box, maps[0].shape


def read_pool(folders: Sequence[Path], cases: Sequence[CohortCase], scheme: Scheme) -> Pool:
    """Read candidates and check all that can be checked without scoring.

    Raises:
        MapError: no candidates, two of one name, another scheme, cases without a prediction,
            heads that cannot be averaged, maps that are damaged, of another size than the
            reference, or empty in every case.
    """
    candidates = tuple(read_candidate(folder) for folder in folders)
    names = [candidate.name for candidate in candidates]
    if not candidates or len(set(names)) < len(names):
        raise MapError(f"candidates need distinct names: {', '.join(names) or 'there are none'}")
    for candidate in candidates:
        if candidate.scheme != scheme:
            schemes = f"{candidate.scheme.name}, the cohort is {scheme.name}"
            raise MapError(f"{candidate.folder}: of scheme {schemes}")
        ids = {case.files.id for case in cases}
        if missing := sorted(ids - set(candidate.members_of)):
            raise MapError(f"{candidate.folder}: {len(missing)} cases unpredicted: {_few(missing)}")
    try:
        head = common_head(candidates)
    except HeadError as error:
        raise MapError(f"these candidates have no common labels: {error}") from error
    pool = Pool(candidates, tuple(cases), scheme, head)
    parallel = joblib.Parallel(n_jobs=None)
    foreground = parallel(joblib.delayed(_has_foreground)(pool, case) for case in cases)
    empty = ~np.array(foreground, bool).any(0)
    if empty.any():
        listed = ", ".join(str(candidates[i].folder) for i in np.flatnonzero(empty))
        raise MapError(f"{listed}: nothing but background in every case")
    return pool


def _has_foreground(pool: Pool, case: CohortCase) -> list[bool]:
    """Check a case's maps; return which candidates see any foreground in it."""
    shape, has_foreground = case.read_reference().array.shape, []
    for candidate in pool.candidates:
        read = candidate.read(case.files.id)
        if read.shape != shape:
            path = candidate.folder / f"{case.files.id}.npz"
            raise MapError(f"{path}: of size {read.shape}, the reference is {shape}")
        foreground = read.probabilities[int(candidate.head.kind == "softmax") :]
        has_foreground.append(bool((foreground > 0.5).any()))
    return has_foreground


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
