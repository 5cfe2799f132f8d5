"""Planted cases on disk: a raw nnU-Net cohort, and predictions as `lab out-of-fold` writes them."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import SimpleITK

from challenge.scheme import Scheme
from lab.study.components import Triple
from lab.study.planted import PlantedCase

ENDING = ".nii.gz"


def write_planted(
    cases: Iterable[PlantedCase], scheme: Scheme, cohort: Path, predictions: Path
) -> dict[str, int]:
    """Write cases so that `lab fit --cohort COHORT --predictions PREDICTIONS` reads them.

    Returns which planted cluster each case id belongs to, and writes the same to
    COHORT/planted.json, which no verb reads.
    """
    clusters = {}
    for planted in cases:
        id, mm = planted.case.id, planted.case.spacing_mm
        for channel, image in enumerate(planted.case.images.values()):
            _save(cohort / "imagesTr" / f"{id}_{channel:04d}{ENDING}", image, mm)
        _save(cohort / "labelsTr" / f"{id}{ENDING}", planted.reference, mm)
        _save(predictions / f"{id}{ENDING}", planted.prediction, mm)
        clusters[id] = planted.cluster
    dataset = {
        "channel_names": {str(i): name for i, name in enumerate(scheme.sequences)},
        "labels": {"background": 0, **scheme.labels},
        "numTraining": len(clusters),
        "file_ending": ENDING,
    }
    for name, content in (("dataset.json", dataset), ("planted.json", clusters)):
        (cohort / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return clusters


def _save(path: Path, array: np.ndarray, spacing_mm: Triple) -> None:
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(spacing_mm[::-1])
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path), useCompression=True)
