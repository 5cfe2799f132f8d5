"""BraTS 2026: MET, PED, GoAT, GLI, MEN, MEN-RT, as BraTS_evaluation on panoptica scores them.

Instances are 26-connected components of a region, matched one to one; none is joined or deleted.
`sq_*` are means over matched instances only. MET has a parser of its own that adds a worst score
for every missed and every false instance; the others' lesion-wise numbers are `sq_*`. Names such
as `sq_dsc` are the organisers'. The evaluator lays the spacing (x, y, z) along the axes (z, y, x),
so on anisotropic grids its distances are not the patient's; they are reproduced as they are.

GoAT ranks by Dice and NSD of whole masks, at 1 mm (organisers, Synapse thread 14186, 28 July 2026,
as team GAT-26 tells), a tolerance that the published evaluator cannot be told: its own global NSD
has half a voxel. `global_dice` and `global_nsd_1.0` are these, in the patient's millimetres.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cc3d
import numpy as np
from scipy.ndimage import find_objects
from scipy.optimize import linear_sum_assignment

from challenge.box import bounding_box, joint_box
from challenge.scheme import SCHEMES
from lab.metrics.pair import Pair, Region, crop
from lab.metrics.surface import border, distances, normalised_surface_dice, pooled_hausdorff_mm

PENALTY_MM = 373.0
LEAST_DICE = 1e-6  # of a pair that may be matched
GLOBAL_TOLERANCE_VOXELS = 0.5  # the global scores know no spacing

REGIONS: Mapping[str, Mapping[str, Region]] = {
    task: {name: Region.of(SCHEMES[scheme], name) for name in names}
    for task, scheme, names in (
        ("gli", "brats-gli", ("SNFH", "NETC", "RC", "ET", "TC", "WT")),
        ("mets", "brats-met-2025", ("RC", "ET", "TC", "WT")),
        ("goat", "brats-goat", ("ET", "TC", "WT")),
        ("ped", "brats-ped", ("ET", "NETC", "CC", "ED", "TC", "WT")),
        ("men", "brats-men", ("ET", "TC", "WT")),  # before surgery: config_MenPre
        ("men-rt", "brats-men-rt", ("GTV",)),  # radiotherapy: config_MenRT
    )
}


@dataclass(frozen=True)
class Instance:
    """One 26-connected component of the reference; scores are None where nothing matched it."""

    voxels: int
    volume_mm3: float
    scores: tuple[float, float, float] | None  # Dice, HD95 in mm, NSD


@dataclass(frozen=True)
class MetParser:
    """How BraTS-METS turns instances into its columns (`brats-parse-metrics mets`)."""

    large_from_mm3: float = 27.0
    overlap: float = 0.2  # Dice from which a small lesion counts as found
    # Version 0.0.6, with which the organisers' example was made, averaged matched instances only.
    penalises: bool = True


def score(
    pair: Pair,
    regions: Mapping[str, Region],
    parser: MetParser | None = None,
    global_nsd_mm: float | None = None,
) -> dict[str, dict[str, float]]:
    """Return region -> metric -> value; `dice`, `hd95` and `nsd` are the lesion-wise numbers.

    With `global_nsd_mm`, also Dice of whole masks and their NSD at that tolerance.
    """
    pair = crop(pair, 0)
    scores = {}
    for name, region in regions.items():
        prediction, reference = region.mask(pair.prediction), region.mask(pair.reference)
        instances, false = match_instances(prediction, reference, pair.spacing_mm[::-1])
        numbers = _summarise(instances, false)
        numbers |= _global_scores(prediction, reference, any_match=numbers["tp"] > 0)
        if parser:
            numbers |= parse_mets(instances, false, parser)
            dice, hd95, nsd = (
                numbers[f"lesionwise_{metric}_mean"] for metric in ("dsc", "hd95", "nsd")
            )
        else:
            dice, hd95, nsd = numbers["sq_dsc"], numbers["sq_hd95"], numbers["sq_nsd"]
        counts = {f"num_{kind}": numbers[kind] for kind in ("tp", "fp", "fn")}
        lesionwise = {"dice": dice, "hd95": PENALTY_MM if np.isposinf(hd95) else hd95, "nsd": nsd}
        scores[name] = lesionwise | counts | numbers
        if global_nsd_mm is not None:
            scores[name]["global_dice"] = numbers["global_bin_dsc"]
            scores[name][f"global_nsd_{global_nsd_mm:.1f}"] = _global_nsd(
                prediction, reference, pair.spacing_mm, global_nsd_mm
            )
    return scores


def match_instances(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: tuple[float, float, float]
) -> tuple[list[Instance], int]:
    """Match components of two bool masks; return the reference's, and how many predicted are false.

    One to one, so that the sum of 1 - Dice over matches is least (Hungarian algorithm). Spacing
    goes with the masks' axes.
    """
    ours, theirs = (cc3d.connected_components(m, connectivity=26) for m in (prediction, reference))
    both = (ours > 0) & (theirs > 0)
    sizes = np.bincount(ours.ravel()), np.bincount(theirs.ravel())
    shared = np.zeros((sizes[1].size, sizes[0].size))
    np.add.at(shared, (theirs[both], ours[both]), 1)
    dice = 2 * shared[1:, 1:] / (sizes[1][1:, None] + sizes[0][1:])
    cost = np.where(dice >= LEAST_DICE, 1 - dice, 1 + LEAST_DICE)
    partner = {r: p for r, p in zip(*linear_sum_assignment(cost), strict=True) if cost[r, p] < 1}
    boxes = find_objects(ours), find_objects(theirs)
    instances = []
    for r in range(len(dice)):
        voxels = int(sizes[1][r + 1])
        scores = None
        if r in partner:
            p = partner[r]
            box = joint_box(boxes[0][p], boxes[1][r])
            masks = ours[box] == p + 1, theirs[box] == r + 1
            scores = (float(dice[r, p]), *_border_scores(*masks, spacing_mm, min(spacing_mm)))
        instances.append(Instance(voxels, voxels * float(np.prod(spacing_mm)), scores))
    return instances, dice.shape[1] - len(partner)


def parse_mets(
    instances: list[Instance], false: int, parser: MetParser = MetParser()
) -> dict[str, float]:
    """Return MET's columns: large lesions by their mean score, small ones by detection.

    Every false instance of any size counts twice: among the large and again among the small.
    Means are NaN without a large lesion in the reference, small counts without a small one.
    """
    worst = (0.0, PENALTY_MM, 0.0)
    large = [i for i in instances if i.volume_mm3 >= parser.large_from_mm3]
    small = [i for i in instances if i.volume_mm3 < parser.large_from_mm3]
    rows = [i.scores for i in large if i.scores]
    if parser.penalises:
        rows += [worst] * (len(large) - len(rows) + false)
    table = np.array(rows if large else [], float).reshape(-1, 3)
    table[np.isposinf(table)] = PENALTY_MM
    columns = _detection("large", large, false, parser)
    for i, metric in enumerate(("dsc", "hd95", "nsd")):
        columns[f"lesionwise_{metric}_mean"] = float(table[:, i].mean()) if len(table) else np.nan
        columns[f"lesionwise_{metric}_std"] = float(table[:, i].std()) if len(table) else np.nan
    if not small:
        return columns | dict.fromkeys(_detection("small", small, 0, parser), np.nan)
    return columns | _detection("small", small, false, parser)


def _detection(
    size: str, instances: list[Instance], false: int, parser: MetParser
) -> dict[str, float]:
    """Count instances found with enough overlap; a match with less is a miss."""
    tp = sum(i.scores is not None and i.scores[0] >= parser.overlap for i in instances)
    fn = len(instances) - tp
    counts = {"tp": tp, "fp": false, "fn": fn, "f1": _f1(tp, false, fn, 0.0)}
    return {f"{size}_instance_{name}": value for name, value in counts.items()}


def _summarise(instances: list[Instance], false: int) -> dict[str, float]:
    """Return panoptica's numbers of one region, NaN where it has none."""
    matched = [i for i in instances if i.scores]
    tp, fn = len(matched), len(instances) - len(matched)
    rq = _f1(tp, false, fn, np.nan)
    numbers: dict[str, float] = {
        "n_ref_instances": len(instances),
        "n_pred_instances": tp + false,
        "tp": tp,
        "fp": false,
        "fn": fn,
        "prec": tp / (tp + false) if tp + false else np.nan,
        "rec": tp / (tp + fn) if tp + fn else np.nan,
        "rq": rq,
    }
    table = np.array([i.scores for i in matched]).reshape(-1, 3)
    worst = (0.0, np.inf, 0.0)
    for i, metric in enumerate(("dsc", "hd95", "nsd")):
        empty = np.nan if np.isnan(rq) else worst[i]
        numbers[f"sq_{metric}"] = float(table[:, i].mean()) if tp else empty
        numbers[f"sq_{metric}_std"] = float(table[:, i].std()) if tp else np.nan
    numbers["pq_dsc"] = numbers["sq_dsc"] * rq
    for name, values in (
        ("voxel_count", [i.voxels for i in matched]),
        ("volume", [i.volume_mm3 for i in matched]),
    ):
        numbers[f"instance_{name}_ref"] = float(np.mean(values)) if tp else np.nan
    return numbers


def _global_scores(
    prediction: np.ndarray, reference: np.ndarray, any_match: bool
) -> dict[str, float]:
    """Return the scores of whole masks, in voxels: these do not read the spacing.

    Where no instance matched they are the worst ones, however near the masks are.
    """
    sizes = int(prediction.sum()), int(reference.sum())
    dice, hd95, nsd = (np.nan,) * 3
    if any_match:
        dice = 2 * int((prediction & reference).sum()) / sum(sizes)
        box = joint_box(bounding_box(prediction), bounding_box(reference))
        masks = prediction[box], reference[box]
        hd95, nsd = _border_scores(*masks, (1.0, 1.0, 1.0), GLOBAL_TOLERANCE_VOXELS)
    elif any(sizes):
        dice, hd95, nsd = 0.0, np.inf, 0.0
    return {
        "global_bin_volume_pred": sizes[0],
        "global_bin_volume_ref": sizes[1],
        "global_bin_dsc": dice,
        "global_bin_hd95": hd95,
        "global_bin_nsd": nsd,
    }


def _global_nsd(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
    tolerance_mm: float,
) -> float:
    """Return the NSD of whole masks; 0 where they share no voxel, NaN where both are empty."""
    if not (prediction & reference).any():
        return 0.0 if prediction.any() or reference.any() else float("nan")
    box = joint_box(bounding_box(prediction), bounding_box(reference))
    return _border_scores(prediction[box], reference[box], spacing_mm, tolerance_mm)[1]


def _border_scores(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
    tolerance_mm: float,
) -> tuple[float, float]:
    """Return the pooled HD95 and the NSD of two masks that hold voxels."""
    between = distances(border(prediction), border(reference), spacing_mm)
    return pooled_hausdorff_mm(between), normalised_surface_dice(between, tolerance_mm, 0)


def _f1(tp: int, fp: int, fn: int, none: float) -> float:
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else none
