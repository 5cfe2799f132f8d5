"""A case as each network sees it, and the way from logits back to the case's grid."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from challenge.case import Case
from challenge.orientation import Turn
from challenge.scheme import Head
from ensemble.cascade import Stages
from ensemble.engine import Engine
from ensemble.heads import to_head
from ensemble.manifest import Member
from ensemble.preprocess import (
    NonzeroRegion,
    PreprocessedImages,
    find_nonzero_region,
    preprocess,
    region_of,
    restore,
)
from ensemble.sliding_window import pad
from ensemble.stage_masks import numbered, with_labelled, with_masks

# Members that agree in these see the same volume of a case.
PREPROCESSING = (
    "spacing_mm",
    "transpose",
    "normalisation",
    "inside_mask",
    "intensities",
    "image_resampling",
    "crops_to_nonzero",
    "clip",
)


@dataclass(frozen=True)
class OrientedCase:
    """A case in the axis order of some members, and the way back to the case's order."""

    case: Case
    nonzero: NonzeroRegion
    turn: Turn | None  # from the case's axis order into this one; None: the same


Orientations = Mapping[str | None, OrientedCase]  # by axis code; None: as the case is stored


class PreparedCase:
    """A case as one network sees it, padded to at least one tile.

    `volume` is (channel, ...) float32 in the plan's axes, `shape` its three sides, and `inner` the
    slices of it that are not padding.
    """

    def __init__(
        self, images: PreprocessedImages, turn: Turn | None, member: Member, head: Head
    ) -> None:
        """Pad what was preprocessed for a member; `head` is the ensemble's."""
        self._images, self._turn, self._member, self._head = images, turn, member, head
        padded, self.inner = pad(images.data, member.plan.patch)
        self.volume = torch.from_numpy(padded)
        self.shape = tuple(self.volume.shape[1:])

    def restored(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities (channel, z, y, x) on the case's grid, in the ensemble's head.

        Args:
            logits: (channel, ...) float32 over `inner`, in the member's head.
        """
        return to_head(self.in_member_head(logits), self._member.head, self._head)

    def in_member_head(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities (channel, z, y, x) on the case's grid, in the member's head."""
        probabilities = restore(logits, self._images, self._member.plan, self._member.head)
        return probabilities if self._turn is None else self._turn.back(probabilities)


@dataclass(frozen=True)
class Preparation:
    """What a model needs of a case before its first network runs; nothing of it is on a GPU."""

    orientations: Orientations
    first_images: PreprocessedImages  # as the first member sees the case
    # By group, labels (z, y, x) in the scheme's values that a cascade's previous stage gave before.
    stage_labels: Mapping[str, np.ndarray] = field(default_factory=dict)


def prepare(case: Case, members: Sequence[Member]) -> Preparation:
    """Turn, crop, normalise and resample a case for the first of some members.

    Raises:
        CaseError: see `preprocess`.
    """
    return prepare_first(orient_case(case, members), members)


def prepare_first(orientations: Orientations, members: Sequence[Member]) -> Preparation:
    """Crop, normalise and resample a case, turned already, for the first of some members.

    Raises:
        CaseError: see `preprocess`.
    """
    return Preparation(orientations, _images(orientations, members[0]))


def prepare_groups(
    preparation: Preparation, groups: Sequence[list[Member]], engine: Engine, stages: Stages
) -> Iterator[tuple[list[Member], PreparedCase]]:
    """Yield every group of members with the case as it sees it.

    What consecutive groups see alike is preprocessed once. A cascade's second stage whose previous
    stage gave no labels, since time was short, is left out.
    """
    images, previous = preparation.first_images, groups[0][0]
    for group in groups:
        first, labels = group[0], stages.labels_for(group[0])
        if first.previous_stage and labels is None:
            continue
        if not _is_preprocessed_alike(first, previous):
            with engine.timed("prepare"):
                images = _images(preparation.orientations, first)
        previous = first
        turn = preparation.orientations[first.orientation].turn
        seen = images
        if labels is not None:
            numbers = numbered(labels, first.stage_labels, stages.scheme)
            turned = numbers if turn is None else turn.there(numbers)
            with engine.timed("prepare"):
                seen = _with_labels(images, turned, first, preparation.orientations)
        yield group, PreparedCase(seen, turn, first, stages.head)


def orient_case(case: Case, members: Sequence[Member]) -> Orientations:
    """Return the case in each axis order that some member was trained in."""
    oriented: dict[str | None, OrientedCase] = {}
    for member in members:
        code = member.orientation
        if code not in oriented:
            turned = case.oriented(code)
            nonzero = find_nonzero_region(turned, member.sequences)
            oriented[code] = OrientedCase(turned, nonzero, case.turn_to(code))
    return oriented


def _images(orientations: Orientations, member: Member) -> PreprocessedImages:
    oriented = orientations[member.orientation]
    return preprocess(oriented.case, member.sequences, member.plan, oriented.nonzero)


def _with_labels(
    images: PreprocessedImages, labels: np.ndarray, member: Member, orientations: Orientations
) -> PreprocessedImages:
    """Return what a second stage sees; normalised anew where there are labels in what is zero."""
    oriented = orientations[member.orientation]
    region = region_of(member.plan, oriented.nonzero)
    labelled = with_labelled(region, labels)
    if not np.array_equal(labelled.mask, region.mask):
        images = preprocess(oriented.case, member.sequences, member.plan, labelled)
    return with_masks(images, labels, len(member.stage_labels), member.plan)


def _is_preprocessed_alike(one: Member, other: Member) -> bool:
    same_input = (one.sequences, one.orientation) == (other.sequences, other.orientation)
    return same_input and all(
        getattr(one.plan, key) == getattr(other.plan, key) for key in PREPROCESSING
    )
