"""A cohort in nnU-Net's raw layout: imagesTr/<case>_0000..., labelsTr/<case>, dataset.json."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from challenge.case import CaseFiles, Volume, read_volume
from challenge.scheme import Scheme
from ensemble.dataset import channel_order
from lab.label_names import label_names


@dataclass(frozen=True)
class CohortCase:
    """One case and its reference labels."""

    files: CaseFiles
    reference: Path
    value_table: np.ndarray  # (256,) uint8, the dataset's label values -> the scheme's

    def read_reference(self) -> Volume:
        """Read the reference labels (z, y, x), uint8, in the scheme's values."""
        volume = read_volume(self.reference, np.uint8)
        return Volume(self.value_table[volume.array], volume.spacing_mm, volume.geometry)


def read_cohort(folder: Path, scheme: Scheme) -> list[CohortCase]:
    """List the training cases of a raw dataset folder, sorted by id.

    Raises:
        ValueError: the folder holds no case, or a case lacks a channel.
    """
    dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    ending, sequences = dataset["file_ending"], channel_order(dataset, scheme)
    table = np.zeros(256, np.uint8)
    values = label_names(dataset, scheme)
    if any(scheme.labels[name] != value for name, value in values.items()):
        told = ", ".join(f"{name}={value}" for name, value in values.items())
        print(
            f"{folder / 'dataset.json'}: names stand at other values than {scheme.name}'s, and "
            f"references are read by them: {told}",
            file=sys.stderr,
        )
    for name, value in values.items():
        table[value] = scheme.labels[name]
    cases = []
    for reference in sorted((folder / "labelsTr").glob(f"*{ending}")):
        id = reference.name.removesuffix(ending)
        names = [f"{id}_{channel:04d}{ending}" for channel in range(len(sequences))]
        images = {s: folder / "imagesTr" / n for s, n in zip(sequences, names, strict=True)}
        for path in images.values():
            if not path.is_file():
                raise ValueError(f"{path}: missing, though {reference.name} is there")
        files = CaseFiles(id, images, sequences[0], Path(reference.name), scheme.name)
        cases.append(CohortCase(files, reference, table))
    if not cases:
        raise ValueError(f"{folder}: no labelsTr/*{ending}")
    return cases
