"""Candidates read together and checked against the cohort before hours are spent on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np

from challenge.scheme import Head, Scheme
from ensemble.heads import HeadError, common_head, to_head
from lab.data.cohort import CohortCase
from lab.member_selection.probability_maps import Box, Candidate, Map, MapError, read_candidate


@dataclass(frozen=True)
class Pool:
    """Candidates that can be brought together, and the cases that judge them."""

    candidates: tuple[Candidate, ...]
    cases: tuple[CohortCase, ...]
    scheme: Scheme
    head: Head  # that all can be brought to

    def maps_of(self, case: CohortCase) -> tuple[np.ndarray, Box, tuple[int, int, int]]:
        """Read every candidate's map of a case.

        Returns:
            (candidate, channel, z, y, x) float16 in the common head, the box of it, and the size
            of the case.
        """
        own = [candidate.read(case.files.id) for candidate in self.candidates]
        box = joint_box(own)
        stacked = np.empty(
            (len(own), len(self.head.channels), *(side.stop - side.start for side in box)),
            np.float16,
        )
        for i, (candidate, each) in enumerate(zip(self.candidates, own, strict=True)):
            stacked[i] = to_head(each.within(box, candidate.head), candidate.head, self.head)
        return stacked, box, own[0].shape


def joint_box(maps: Sequence[Map]) -> Box:
    """Return the box around all maps' boxes."""
    z, y, x = (
        slice(min(m.box[axis].start for m in maps), max(m.box[axis].stop for m in maps))
        for axis in range(3)
    )
    return z, y, x


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
        raise MapError(
            f"candidates need names of their own: {', '.join(names) or 'there are none'}"
        )
    for candidate in candidates:
        if candidate.scheme != scheme:
            told = f"{candidate.scheme.name}, the cohort is {scheme.name}"
            raise MapError(f"{candidate.folder}: of scheme {told}")
        ids = {case.files.id for case in cases}
        if missing := sorted(ids - set(candidate.member_of)):
            raise MapError(f"{candidate.folder}: {len(missing)} cases unpredicted: {_few(missing)}")
    try:
        head = common_head(candidates)
    except HeadError as error:
        raise MapError(f"these candidates have no common labels: {error}") from error
    pool = Pool(candidates, tuple(cases), scheme, head)
    found = joblib.Parallel(n_jobs=None)(joblib.delayed(_check)(pool, case) for case in cases)
    blind = ~np.array(found, bool).any(0)
    if blind.any():
        told = ", ".join(str(candidates[i].folder) for i in np.flatnonzero(blind))
        raise MapError(f"{told}: nothing but background in every case")
    return pool


def _check(pool: Pool, case: CohortCase) -> list[bool]:
    """Check a case's maps; return which candidates see anything in it."""
    shape, sees = case.read_reference().array.shape, []
    for candidate in pool.candidates:
        own = candidate.read(case.files.id)
        if own.shape != shape:
            path = candidate.folder / f"{case.files.id}.npz"
            raise MapError(f"{path}: of size {own.shape}, the reference is {shape}")
        seen = own.probabilities[1:] if candidate.head.kind == "softmax" else own.probabilities
        sees.append(bool((seen > 0.5).any()))
    return sees


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
