"""How scores go with size: volume and Dice, one class's volume and another's Dice, detection."""

from dataclasses import asdict
from typing import Any

import numpy as np

from lab.evaluation.counts import Cohort, ScoredClass
from lab.evaluation.results import Results
from lab.statistics import pearson_estimate, spearman, spearman_estimate

# Around the sizes that the scorers ignore (2 to 50 mm3), then decades; a bin holds its upper edge.
BIN_EDGES_MM3 = (0, 10, 50, 200, 1000, 5000, 20000, np.inf)


def volume_and_dice(cohort: Cohort, scored: ScoredClass) -> dict[str, Any]:
    """Correlate reference volume and voxel-wise Dice over cases whose reference has the class."""
    volume_mm3 = cohort.reference_mm3(scored)
    present = volume_mm3 > 0
    dice = cohort.counts(scored).overlaps()["dice"]
    x, y = volume_mm3[present], dice[present]
    return {
        "name": scored.name,
        "n": int(present.sum()),
        "spearman": asdict(spearman_estimate(x, y)),
        "pearson": asdict(pearson_estimate(x, y)),
        "points": [
            {"case": id, "volume_mm3": float(volume_mm3[i]), "dice": float(dice[i])}
            for i, id in enumerate(cohort.ids)
            if present[i]
        ],
    }


def cross_class(cohort: Cohort) -> dict[str, Any]:
    """Correlate (Spearman) each class's reference volume with each class's voxel-wise Dice.

    Rows are volumes, columns Dice. A cell counts the cases whose reference holds both classes, so
    that the diagonal is `volume_and_dice`.
    """
    volumes = [cohort.reference_mm3(scored) for scored in cohort.classes]
    dices = [cohort.counts(scored).overlaps()["dice"] for scored in cohort.classes]
    present = [volume > 0 for volume in volumes]
    size = range(len(volumes))
    both = [[present[a] & present[b] for b in size] for a in size]
    return {
        "classes": [scored.name for scored in cohort.classes],
        "spearman": [
            [float(spearman(volumes[a][both[a][b]], dices[b][both[a][b]])) for b in size]
            for a in size
        ],
        "n": [[int(both[a][b].sum()) for b in size] for a in size],
    }


def detection(results: Results, cohort: Cohort) -> dict[str, Any]:
    """Return the share of reference lesions that the prediction touches, by volume."""
    listed = {region for facts in results.facts.values() for region in facts.lesions}
    regions = [scored.name for scored in cohort.classes if scored.name in listed]
    edges = np.array(BIN_EDGES_MM3)
    rows = []
    for region in regions:
        lesions = [lesion for f in results.facts.values() for lesion in f.lesions.get(region, ())]
        bin_index = (
            np.searchsorted(edges, [lesion.volume_mm3 for lesion in lesions], side="left") - 1
        )
        hit = np.array([lesion.detected for lesion in lesions], bool)
        n = np.bincount(bin_index, minlength=edges.size - 1)
        detected = np.bincount(bin_index[hit], minlength=edges.size - 1)
        rows.append({"region": region, "n": n.tolist(), "detected": detected.tolist()})
    return {"bin_edges_mm3": list(BIN_EDGES_MM3), "regions": rows}
