"""Lesion-wise scores of BraTS 2023 to 2025: one engine, each challenge a row of numbers.

Every reference lesion is scored against all predicted components that its dilation meets; every
predicted component that no lesion meets counts as a lesion with the worst score. The challenges'
rows are in `brats2023.py` and `brats2025.py`. Label maps are (z, y, x); the distances are computed
in the official scripts' axis order (x, y, z).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import find_objects

from challenge.box import Box, joint_box
from lab.metrics.lesions import Lesions, find_lesions, merge_touching, remove_small
from lab.metrics.pair import Pair, Region, crop
from lab.metrics.surface_scores import SurfaceScores, surface_scores

Boxes = Sequence[Box | None]  # by lesion, from 1; None where a number has no voxel


@dataclass(frozen=True)
class ScoredRegion:
    """How one region is scored."""

    region: Region
    dilation: int  # iterations of the 18-neighbourhood that join pieces and find matches
    larger_than_mm3: float  # reference lesions up to this volume are not scored
    # Predicted lesions of up to so many voxels are deleted; None: neither joined nor deleted.
    min_predicted_size: float | None = None
    reported: bool = True  # False: computed only because other tissues merge by it


@dataclass(frozen=True)
class Profile:
    """One challenge's lesion-wise scorer."""

    regions: Mapping[str, ScoredRegion]
    penalty_mm: float | None  # HD95 of a missed or false lesion; None: the diagonal in voxels
    merge_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nsd: bool = True
    counts_false_lesions: bool = True
    min_size_is_mm3: bool = False  # the rows' floors, in all but MEN-RT voxels at any spacing


@dataclass(frozen=True)
class LesionRules:
    """A profile and the HD95 of a missed or false lesion on one grid."""

    profile: Profile
    penalty_mm: float


def lesion_rules(pair: Pair, profile: Profile) -> LesionRules:
    """Return the rules for a pair's grid, uncropped: MET of 2025 takes its diagonal as penalty."""
    penalty_mm = profile.penalty_mm if profile.penalty_mm is not None else pair.diagonal_voxels
    return LesionRules(profile, penalty_mm)


def score(pair: Pair, profile: Profile) -> dict[str, dict[str, float]]:
    """Return region -> metric -> value of one case."""
    rules = lesion_rules(pair, profile)
    pair = crop(pair, max(row.dilation for row in profile.regions.values()))
    predictions, references = {}, {}
    for name, row in profile.regions.items():
        predictions[name] = _predicted(row, profile, pair)
        references[name] = find_lesions(row.region.mask(pair.reference), row.dilation)
    tissues = {n for name, others in profile.merge_with.items() for n in (name, *others)}
    if tissues:
        for side in (predictions, references):
            side |= merge_touching(
                {name: side[name] for name in sorted(tissues)}, profile.merge_with
            )
    return {
        name: _score_region(predictions[name], references[name], row, pair, rules)
        for name, row in profile.regions.items()
        if row.reported
    }


def _predicted(row: ScoredRegion, profile: Profile, pair: Pair) -> Lesions:
    mask = row.region.mask(pair.prediction)
    if row.min_predicted_size is None:
        return find_lesions(mask, 0)
    divisor = pair.voxel_volume_mm3 if profile.min_size_is_mm3 else 1
    return remove_small(find_lesions(mask, row.dilation), row.min_predicted_size / divisor)


def _score_region(
    prediction: Lesions,
    reference: Lesions,
    row: ScoredRegion,
    pair: Pair,
    rules: LesionRules,
) -> dict[str, float]:
    matches = Matches(
        matched=_pairs_of(reference.dilated_ids, prediction.ids) > 0,
        overlap=_pairs_of(reference.ids, prediction.ids),
        prediction_voxels=prediction.voxels,
        reference_voxels=reference.voxels,
    )
    boxes = find_objects(prediction.ids), find_objects(reference.ids)

    def surface(lesion: int, parts: np.ndarray) -> SurfaceScores:
        masks = _masks((prediction, reference), boxes, parts, lesion)
        return surface_scores(*masks, pair.spacing_mm[::-1], rules.profile.nsd)

    is_scored = volumes_mm3(reference.voxels, pair) > row.larger_than_mm3
    return score_matches(matches, is_scored, rules, surface)


def volumes_mm3(voxels: np.ndarray, pair: Pair) -> np.ndarray:
    """Return volumes of voxel counts, multiplied one by one as the official scripts do."""
    z, y, x = pair.spacing_mm
    volumes: np.ndarray = voxels * x * y * z
    return volumes


@dataclass(frozen=True)
class Matches:
    """Reference lesions against predicted ones, by number; row and column 0 stay empty."""

    matched: np.ndarray  # (reference, prediction), bool: the dilated lesion meets the prediction
    overlap: np.ndarray  # (reference, prediction), voxels in both
    prediction_voxels: np.ndarray  # (prediction,), 0 for one that is not there
    reference_voxels: np.ndarray  # (reference,)


def score_matches(
    matches: Matches,
    is_scored: np.ndarray,
    rules: LesionRules,
    surface: Callable[[int, np.ndarray], SurfaceScores],
) -> dict[str, float]:
    """Score one region from its matches.

    Args:
        matches: reference lesions against predicted ones.
        is_scored: (reference,) whether a reference lesion is large enough to count.
        rules: of the challenge, on this grid.
        surface: (lesion, numbers of its predicted lesions) -> surface scores of the two.
    """
    profile, penalty_mm = rules.profile, rules.penalty_mm
    scored = [int(i) for i in np.flatnonzero(is_scored) if i > 0]
    rows = []
    for lesion in scored:
        parts = np.flatnonzero(matches.matched[lesion])
        if parts.size == 0:
            rows.append([0.0, penalty_mm, 0.0, 0.0])
            continue
        sizes = int(matches.prediction_voxels[parts].sum()) + int(matches.reference_voxels[lesion])
        dice = 2.0 * int(matches.overlap[lesion, parts].sum()) / sizes
        rows.append([dice, *surface(lesion, parts)])
    detected = sum(bool(matches.matched[lesion].any()) for lesion in scored)
    false = int(((matches.prediction_voxels > 0) & ~matches.matched.any(0)).sum())
    counted = false if profile.counts_false_lesions else 0
    values = _mean_over_lesions(np.array(rows).reshape(-1, 4), counted, penalty_mm)
    scores = dict(zip(("dice", "hd95", "nsd_0.5", "nsd_1.0"), values, strict=True))
    if not profile.nsd:
        scores = {"dice": scores["dice"], "hd95": scores["hd95"]}
    return scores | {"num_tp": detected, "num_fp": false, "num_fn": len(scored) - detected}


def _mean_over_lesions(rows: np.ndarray, false: int, penalty_mm: float) -> list[float]:
    n = len(rows) + false
    if n == 0:
        return [1.0, 0.0, 1.0, 1.0]
    totals = rows.sum(0)
    totals[1] += penalty_mm * false
    return [float(total) / n for total in totals]


def _pairs_of(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Count the voxels of every pair of numbers of two maps; row and column 0 stay empty."""
    rows, columns = int(first.max()) + 1, int(second.max()) + 1
    both = (first > 0) & (second > 0)
    codes = first[both].astype(np.int64) * columns + second[both]
    return np.bincount(codes, minlength=rows * columns).reshape(rows, columns)


def _masks(
    sides: tuple[Lesions, Lesions], boxes: tuple[Boxes, Boxes], parts: np.ndarray, lesion: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the masks of a lesion's predicted parts and of the lesion, cut to what they hold."""
    box = boxes[1][lesion - 1]
    for part in parts:
        box = joint_box(box, boxes[0][part - 1])
    predicted, reference = (side.ids[box] for side in sides)
    return np.isin(predicted, parts), reference == lesion
