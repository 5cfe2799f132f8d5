"""BraTS 2023: GLI, SSA, MET, PED, MEN (lesion-wise Dice and HD95; rachitsaluja/BraTS-2023-Metrics).

Predictions are neither joined nor filtered: one stray voxel is one false lesion. All five score the
labels 1 NETC, 2 SNFH, 3 ET in the regions ET, TC, WT. The numbers of whole masks beside them, which
the script calls legacy, are those of BraTS until 2022; later scripts compute them on maps of lesion
numbers and get them wrong, so they are here alone.
"""

from collections.abc import Mapping

import numpy as np

from challenge.box import bounding_box, joint_box
from challenge.scheme import SCHEMES
from lab.metrics import lesionwise
from lab.metrics.lesionwise import Profile, ScoredRegion
from lab.metrics.pair import Pair, Region, crop
from lab.metrics.surface import distances, robust_hausdorff_mm, surfels
from lab.metrics.voxel import dice

PENALTY_MM = 374.0  # the diagonal of 240 x 240 x 155 mm, rounded up


def _profile(dilation: int, larger_than_mm3: float) -> Profile:
    scheme = SCHEMES["brats-gli-2023"]
    regions = {
        name: ScoredRegion(Region.of(scheme, name), dilation, larger_than_mm3)
        for name in ("ET", "TC", "WT")
    }
    return Profile(regions, PENALTY_MM, nsd=False)


PROFILES: Mapping[str, Profile] = {
    "gli": _profile(dilation=3, larger_than_mm3=50),
    "ssa": _profile(dilation=3, larger_than_mm3=50),
    "ped": _profile(dilation=3, larger_than_mm3=50),
    "met": _profile(dilation=1, larger_than_mm3=2),
    "men": _profile(dilation=1, larger_than_mm3=50),
}


def score(pair: Pair, profile: Profile) -> dict[str, dict[str, float]]:
    """Return region -> metric -> value: lesion by lesion, and of whole masks."""
    scores = lesionwise.score(pair, profile)
    cut = crop(pair, 0)
    outside = pair.prediction.size - cut.prediction.size
    for name, row in profile.regions.items():
        masks = row.region.mask(cut.prediction), row.region.mask(cut.reference)
        scores[name] |= whole_mask_scores(*masks, pair.spacing_mm, outside)
    return scores


def whole_mask_scores(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
    outside: int,
) -> dict[str, float]:
    """Return Dice, HD95, sensitivity and specificity of two bool masks (z, y, x).

    `outside` counts voxels of the image that the masks were cut from.
    """
    box = joint_box(bounding_box(prediction), bounding_box(reference))
    size = prediction.size + outside
    if box is None:
        return dict(zip(_WHOLE, (1.0, 0.0, 1.0, 1.0), strict=True))
    prediction, reference = prediction[box].T, reference[box].T
    ours, theirs = (surfels(mask, spacing_mm[::-1]) for mask in (prediction, reference))
    between = distances(ours.cells, theirs.cells, spacing_mm[::-1])
    hd95 = robust_hausdorff_mm(ours, theirs, between)
    tp = int((prediction & reference).sum())
    fn, fp = int(reference.sum()) - tp, int(prediction.sum()) - tp
    tn = size - tp - fn - fp
    sensitivity = tp / (tp + fn) if tp + fn else 0.0
    specificity = tn / (tn + fp) if tn + fp else 0.0
    whole = (
        dice(prediction, reference),
        PENALTY_MM if np.isposinf(hd95) else hd95,
        sensitivity,
        specificity,
    )
    return dict(zip(_WHOLE, whole, strict=True))


_WHOLE = ("legacy_dice", "legacy_hd95", "sensitivity", "specificity")
