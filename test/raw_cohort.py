"""Four heads in nnU-Net's raw layout, for networks with random weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import files
import numpy as np

IDS = ["a", "b", "c", "d"]
SPLITS = [{"train": IDS[2:], "val": IDS[:2]}, {"train": IDS[:2], "val": IDS[2:]}]


def write_raw(folder: Path, dataset: Mapping[str, Any]) -> Path:
    """Write images, labels and dataset.json; return the folder."""
    for number, id in enumerate(IDS):
        for channel in range(4):
            image = files.head(10 * number + channel)
            files.write_nifti(folder / "imagesTr" / f"{id}_{channel:04d}.nii.gz", image)
        labels = (files.head(number) > 500).astype(np.uint8)
        files.write_nifti(folder / "labelsTr" / f"{id}.nii.gz", labels)
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder
