"""Candidates read together and checked against the cohort before hours are spent on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from challenge.box import joint_box
from challenge.scheme import Head, Scheme
from ensemble.heads import HeadError, common_head
from ensemble.manifest import MANIFEST, read_manifest
from ensemble.member_weights import channel_names
from ensemble.members import PREVIOUS_STAGE
from ensemble.small_cases import SMALL_CASES
from lab.data.cohort import CohortCase
from lab.member_selection.combine import CaseMaps, Ensemble, equal
from lab.member_selection.probability_maps import (
    Candidate,
    MapError,
    read_candidate,
)
from lab.progress import progress


@dataclass(frozen=True)
class Pool:
    """Candidates that can be averaged, and the cases that they are scored on."""

    candidates: tuple[Candidate, ...]
    cases: tuple[CohortCase, ...]
    scheme: Scheme

    def head_of(self, ensemble: Ensemble) -> Head:
        """Return the head in which the model that packs an ensemble's members averages them.

        Raises:
            HeadError: the members have none; `can_pack` says so.
        """
        return common_head([self.candidates[i] for i in ensemble.members])

    def can_pack(self, ensemble: Ensemble) -> bool:
        """Return whether an ensemble's members can be one model.

        Two softmax heads of other labels cannot, though both can be averaged with regions. Weights
        by channel have to be those of the members' head.
        """
        try:
            head = self.head_of(ensemble)
        except HeadError:
            return False
        names = tuple(name for name, _ in ensemble.by_channel)
        return names in ((), channel_names(head, self.scheme))

    def maps_of(self, case: CohortCase, spacing_mm: tuple[float, float, float]) -> CaseMaps:
        """Read every candidate's map of a case, half precision, in its own head."""
        maps = [candidate.read(case.files.id) for candidate in self.candidates]
        box = joint_box(*(each.box for each in maps)) or (slice(0, 0),) * 3
        heads = tuple(candidate.head for candidate in self.candidates)
        probabilities = tuple(
            each.within(box, head).astype(np.float16)
            for each, head in zip(maps, heads, strict=True)
        )
        return CaseMaps(probabilities, heads, box, maps[0].shape, spacing_mm)


def read_pool(folders: Sequence[Path], cases: Sequence[CohortCase], scheme: Scheme) -> Pool:
    """Read candidates and check all that can be checked without scoring.

    Raises:
        MapError: no candidates, two of one name, another scheme, cases without a prediction,
            heads that cannot be averaged, maps that are damaged, of another size than the
            reference, or empty in every case, or of a model that is no mean of its members alone.
    """
    candidates = tuple(read_candidate(folder) for folder in folders)
    names = [candidate.name for candidate in candidates]
    if not candidates or len(set(names)) < len(names):
        raise MapError(f"candidates need distinct names: {', '.join(names) or 'there are none'}")
    for candidate in candidates:
        _check_candidate(candidate, cases, scheme)
    pool = Pool(candidates, tuple(cases), scheme)
    try:
        pool.head_of(equal(len(candidates)))
    except HeadError as error:
        raise MapError(f"these candidates have no common labels: {error}") from error
    parallel = joblib.Parallel(n_jobs=None, return_as="generator")
    checked = parallel(joblib.delayed(_has_foreground)(pool, case) for case in cases)
    foreground = list(progress(checked, len(cases), description="checking maps"))
    empty = ~np.array(foreground, bool).any(0)
    if empty.any():
        listed = ", ".join(str(candidates[i].folder) for i in np.flatnonzero(empty))
        raise MapError(f"{listed}: nothing but background in every case")
    return pool


def _check_candidate(candidate: Candidate, cases: Sequence[CohortCase], scheme: Scheme) -> None:
    manifest = candidate.model / MANIFEST if candidate.model else None
    if manifest and manifest.is_file() and (fault := candidate_fault(read_manifest(manifest))):
        raise MapError(f"{candidate.folder}: {fault}")
    if candidate.scheme != scheme:
        schemes = f"{candidate.scheme.name}, the cohort is {scheme.name}"
        raise MapError(f"{candidate.folder}: of scheme {schemes}")
    ids = {case.files.id for case in cases}
    if missing := sorted(ids - set(candidate.members_of)):
        raise MapError(f"{candidate.folder}: {len(missing)} cases unpredicted: {_few(missing)}")


def candidate_fault(manifest: Mapping[str, Any]) -> str | None:
    """Say why the members of a model cannot be averaged with others as its maps are, or None.

    Args:
        manifest: of the model that a candidate's maps are of.
    """
    members = manifest["members"]
    if donors := sorted({each["donor"] for each in members if "donor" in each}):
        return (
            f"model {manifest['model']} has a donor of {', '.join(donors)}, which is part of its "
            "maps and not averaged; make maps without it, and `pack --selection --donor`"
        )
    if any(PREVIOUS_STAGE in each for each in members):
        return (
            f"model {manifest['model']} is a cascade, whose previous stage `pack --selection` "
            "cannot take along; pack all sources in one `pack`"
        )
    for what, is_so in (
        ("by channel", any(isinstance(each["weight"], Mapping) for each in members)),
        ("of small cases", SMALL_CASES in manifest),
    ):
        if is_so:
            return (
                f"model {manifest['model']} has weights {what} itself; make each of its members a "
                "candidate"
            )
    return None


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
