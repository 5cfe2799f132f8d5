"""The scorer of ISLES'26 once more: slow, obvious, from its definitions; a test peer.

It shares no line with lab/metrics. Arrays and spacings are (x, y, z).
"""

import numpy as np
from naive_lesionwise import numbers, pieces


def naive_isles(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
    probability: np.ndarray | None = None,
) -> dict[str, dict[str, float]]:
    """Return the five metrics of whatever is not 0; without a probability map, four."""
    prediction, reference = prediction != 0, reference != 0
    ours, theirs = pieces(prediction), pieces(reference)
    predicted, lesions = numbers(ours), numbers(theirs)
    millilitres = [
        float(np.sum(mask)) * np.prod(spacing_mm) / 1000 for mask in (ours > 0, theirs > 0)
    ]
    hits = matches(ours, theirs)
    scores = {
        "dice": 1.0 if not predicted and not lesions else 0.0,
        "lesion_f1": 1.0 if not predicted and not lesions else 0.0,
        "volume_difference_ml": float(abs(millilitres[0] - millilitres[1])),
        "lesion_count_difference": abs(len(predicted) - len(lesions)),
    }
    if hits:  # panoptica's Dice of whole masks is 0 where no lesion is matched
        sizes = np.sum(prediction) + np.sum(reference)
        scores["dice"] = float(2 * np.sum(prediction & reference) / sizes)
        false, missed = len(predicted) - hits, len(lesions) - hits
        scores["lesion_f1"] = hits / (hits + 0.5 * false + 0.5 * missed)
    if probability is not None:
        scores["pr_auc"] = naive_pr_auc(probability, reference)
    return {"lesion": scores}


def matches(ours: np.ndarray, theirs: np.ndarray) -> int:
    """Match from the highest IoU down, each lesion once, and count the pairs."""
    pairs = []
    for predicted in numbers(ours):
        for lesion in numbers(theirs[ours == predicted]):
            one, other = ours == predicted, theirs == lesion
            iou = np.sum(one & other) / np.sum(one | other)
            pairs.append((-iou, predicted, lesion))
    taken: list[tuple[int, int]] = []
    for minus_iou, predicted, lesion in sorted(pairs):
        is_free = all(predicted != p and lesion != q for p, q in taken)
        if -minus_iou >= 0.25 and is_free:
            taken.append((predicted, lesion))
    return len(taken)


def naive_pr_auc(probability: np.ndarray, reference: np.ndarray) -> float:
    """Walk down every value of the map, and add up trapezoids between precision and recall."""
    values = sorted({float(value) for value in probability.ravel()}, reverse=True)
    if not reference.any():
        return 1.0 if len(values) == 1 else 0.0
    area, before = 0.0, (0.0, 1.0)
    for value in values:
        positive = probability >= value
        true = np.sum(positive & reference)
        here = (true / np.sum(reference), true / np.sum(positive))
        area += (here[0] - before[0]) * (here[1] + before[1]) / 2
        before = here
    return float(area)
