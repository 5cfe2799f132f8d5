"""What networks say of a case beside its labels: probabilities, and votes of members.

Probabilities are as nnU-Net saves them, or as `lab out-of-fold --maps` does.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from challenge.case import CaseError
from challenge.refusal import Refusal
from challenge.scheme import Head, Scheme
from challenge.volume import read_volume
from lab.member_selection.probability_maps import NAME, read_candidate
from postprocess.read_inputs import read_probabilities


def read_case_probabilities(
    path: Path, shape: tuple[int, ...], scheme: Scheme
) -> tuple[np.ndarray, Head]:
    """Read probabilities (channel, z, y, x) float32, and what their channels mean.

    Args:
        path: `<ID>.npz`; beside a candidate.json it is a map of `lab out-of-fold`, in half
            precision, which says nothing but background outside of its box.
        shape: of the case's label map (z, y, x).
        scheme: the challenge.

    Raises:
        CaseError: the file is missing, unreadable or on another grid; the message names it.
        Refusal: the maps are of another challenge.
    """
    if not (path.parent / NAME).is_file():
        return read_probabilities(path, shape, scheme)
    candidate = read_candidate(path.parent)
    if candidate.scheme.name != scheme.name:
        raise Refusal(f"{path.parent}: of {candidate.scheme.name}, not {scheme.name}")
    of_case = candidate.read(path.stem)
    if of_case.shape != shape:
        raise CaseError(f"{path}: a map of {of_case.shape}, not (z, y, x) of {shape}")
    z, y, x = (slice(0, n) for n in shape)
    return of_case.within((z, y, x), candidate.head), candidate.head


def read_votes(paths: Sequence[Path], shape: tuple[int, ...], scheme: Scheme) -> np.ndarray:
    """Return the share (z, y, x) float32 of members that see tumour in each voxel.

    Args:
        paths: label maps of the members.
        shape: of the case's label map (z, y, x).
        scheme: what the values mean.

    Raises:
        CaseError: a file is unreadable or of another shape; the message names it.
    """
    masks = []
    for path in paths:
        labels = read_volume(path, np.uint8).array
        if labels.shape != shape:
            raise CaseError(f"{path}: a label map of {labels.shape}, not (z, y, x) of {shape}")
        masks.append(scheme.mask(labels, scheme.tumour))
    return np.asarray(np.mean(masks, axis=0), np.float32)
