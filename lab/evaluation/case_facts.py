"""What a pair of label maps holds, whatever the scorer: voxel counts and lesions found."""

from pathlib import Path

import cc3d
import numpy as np

from challenge.scheme import Scheme
from lab.evaluation.results import Facts, Lesion
from lab.metrics.pair import Pair, Region, crop
from lab.metrics.voxel import confusion, label_rows


def gather_facts(pair: Pair, paths: tuple[Path | None, Path], scheme: Scheme) -> Facts:
    """Count voxels by (reference, predicted) label, and list the reference's lesions by region."""
    values = list(scheme.labels.values())
    table = confusion(pair, values)
    cut = crop(pair, 0)
    names = label_rows(scheme.labels, scheme.regions)
    lesions = {
        name: list_lesions(cut, Region(tuple(values[row - 1] for row in rows)))
        for name, rows in names.items()
    }
    prediction = None if paths[0] is None else str(paths[0])
    return Facts(prediction, str(paths[1]), pair.voxel_volume_mm3, table, lesions)


def list_lesions(pair: Pair, region: Region) -> tuple[Lesion, ...]:
    """List the 26-connected components of a reference region, and whether a prediction touches."""
    ids = cc3d.connected_components(region.mask(pair.reference), connectivity=26)
    voxels = np.bincount(ids.ravel())[1:]
    touched = np.bincount(ids[region.mask(pair.prediction)], minlength=voxels.size + 1)[1:] > 0
    return tuple(
        Lesion(float(n * pair.voxel_volume_mm3), bool(hit))
        for n, hit in zip(voxels, touched, strict=True)
    )
