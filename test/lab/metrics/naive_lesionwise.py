"""The lesion-wise BraTS scorers of 2023, 2024 and 2025 once more: slow, obvious, full volumes.

A test peer. It shares no line and no trick with lab/metrics: every mask has the size of the image,
every lesion is a mask of its own, and the surfel distance is another package's. Arrays and spacings
are (x, y, z) here, as the official scripts read them.
"""

import numpy as np
import surface_distance
from naive_tasks import TASKS, Task, Tissue
from scipy import ndimage

S18 = ndimage.generate_binary_structure(3, 2)
S26 = np.ones((3, 3, 3), bool)
S6 = ndimage.generate_binary_structure(3, 1)
TOLERANCES_MM = {"nsd_0.5": 0.5, "nsd_1.0": 1.0}


def naive_scores(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
    task: str,
) -> dict[str, dict[str, float]]:
    """Return region -> dice, hd95, nsd_0.5, nsd_1.0 (2025 only), num_tp, num_fp, num_fn.

    `prediction` and `reference` are label maps (x, y, z), the spacing is in the same order.
    """
    rules = TASKS[task]
    predicted, expected = {}, {}
    for name, tissue in rules.tissues.items():
        expected[name] = joined(np.isin(reference, list(tissue.values)), tissue.dilation)
        predicted[name] = predicted_lesions(prediction, tissue, rules, spacing_mm)
    predicted, expected = merged(predicted, rules), merged(expected, rules)
    return {
        name: region_scores(predicted[name], expected[name], spacing_mm, tissue, rules)
        for name, tissue in rules.tissues.items()
        if tissue.is_reported
    }


def dilated(mask: np.ndarray, times: int) -> np.ndarray:
    """Grow a mask by the 18-connected element; outside the image is nothing."""
    return ndimage.binary_dilation(mask, S18, iterations=times)


def pieces(mask: np.ndarray) -> np.ndarray:
    """Number the 26-connected pieces from 1 by their first voxel, x running fastest."""
    result, count = ndimage.label(mask, S26)
    flat = result.ravel(order="F")
    by_first_voxel = sorted(range(1, count + 1), key=lambda piece: np.argmax(flat == piece))
    numbered = np.zeros(mask.shape, int)
    for number, piece in enumerate(by_first_voxel, start=1):
        numbered[result == piece] = number
    return numbered


def joined(mask: np.ndarray, dilation: int) -> np.ndarray:
    """Number lesions: what lies in one piece of the dilated mask is one lesion."""
    return mask * pieces(dilated(mask, dilation))


def numbers(lesions: np.ndarray) -> list[int]:
    """Return the lesion numbers of a map in rising order."""
    return [int(number) for number in np.unique(lesions) if number > 0]


def predicted_lesions(
    prediction: np.ndarray, tissue: Tissue, rules: Task, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """Number predicted lesions; from 2024 on joined, and without the small ones."""
    mask = np.isin(prediction, list(tissue.values))
    if not rules.deletes:
        return pieces(mask)
    lesions = joined(mask, tissue.dilation)
    most = tissue.floor / np.prod(spacing_mm) if rules.predicted_floor_is_mm3 else tissue.floor
    for number in numbers(lesions):
        if np.sum(lesions == number) <= most:
            lesions[lesions == number] = 0
    return lesions


def merged(maps: dict[str, np.ndarray], rules: Task) -> dict[str, np.ndarray]:
    """Merge lesions that touch another tissue's, each by its partners' maps before any merging."""
    after = dict(maps)
    for name, partners in (rules.merges or {}).items():
        for partner in partners:
            after[name] = merged_by(after[name], maps[partner])
    return after


def merged_by(lesions: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Make one lesion of all that touch the same other lesion, the smallest number they touch."""
    touching = []
    for number in numbers(lesions):
        around = dilated(lesions == number, 1)
        touching += [
            (number, other) for other in numbers(others) if np.any(around[others == other])
        ]
    if len(touching) <= 1:
        return lesions
    renumbered: dict[int, int] = {}
    after, done = lesions.copy(), set()
    for number, other in sorted(touching):
        renumbered.setdefault(other, int(lesions.max()) + 1 + len(renumbered))
        if number not in done:
            after[lesions == number] = renumbered[other]
            done.add(number)
    return after


def region_scores(
    predicted: np.ndarray,
    expected: np.ndarray,
    spacing_mm: tuple[float, float, float],
    tissue: Tissue,
    rules: Task,
) -> dict[str, float]:
    """Score one region's numbered lesions."""
    penalty = rules.penalty_mm
    if penalty is None:
        penalty = float(np.sqrt(np.sum(np.square(predicted.shape))))
    matched: set[int] = set()
    rows, hits = [], []
    for number in numbers(expected):
        lesion = expected == number
        around = dilated(lesion, tissue.dilation)
        met = [piece for piece in numbers(predicted) if np.any(around & (predicted == piece))]
        matched.update(met)
        if np.sum(lesion) * np.prod(spacing_mm) > tissue.floor:
            hits.append(bool(met))
            rows.append(lesion_row(np.isin(predicted, met), lesion, spacing_mm, penalty))
    num_fp = len(set(numbers(predicted)) - matched)
    if rules.false_ones_cost:
        rows += [missed_row(penalty)] * num_fp
    best = {"dice": 1.0, "hd95": 0.0, "nsd_0.5": 1.0, "nsd_1.0": 1.0}
    means = {m: float(np.mean([row[m] for row in rows])) if rows else best[m] for m in best}
    if not rules.has_nsd:
        means = {metric: means[metric] for metric in ("dice", "hd95")}
    counts = {"num_tp": sum(hits), "num_fp": num_fp, "num_fn": len(hits) - sum(hits)}
    return {**means, **counts}


def missed_row(penalty: float) -> dict[str, float]:
    """Score a lesion without a partner."""
    return {"dice": 0.0, "hd95": penalty, **dict.fromkeys(TOLERANCES_MM, 0.0)}


def lesion_row(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
    penalty: float,
) -> dict[str, float]:
    """Score one reference lesion against all the pieces that it met, whole."""
    if not prediction.any():
        return missed_row(penalty)
    dice = 2 * np.sum(prediction & reference) / (np.sum(prediction) + np.sum(reference))
    distances = surface_distance.compute_surface_distances(reference, prediction, spacing_mm)
    row = {"dice": dice, "hd95": surface_distance.compute_robust_hausdorff(distances, 95)}
    for metric, tolerance_mm in TOLERANCES_MM.items():
        row[metric] = nsd(prediction, reference, spacing_mm, tolerance_mm)
    return row


def nsd(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
    tolerance_mm: float,
) -> float:
    """Mean of the two shares of border voxels that lie near the other border."""
    shares = []
    for one, other in ((prediction, reference), (reference, prediction)):
        distance_mm = ndimage.distance_transform_edt(~border(other), sampling=spacing_mm)
        shares.append(np.mean(distance_mm[border(one)] <= tolerance_mm))
    return sum(shares) / (2 + 1e-8)


def border(mask: np.ndarray) -> np.ndarray:
    """Return the voxels with a face neighbour outside the mask; beyond the image is outside."""
    return mask ^ ndimage.binary_erosion(mask, S6)
