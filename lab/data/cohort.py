"""A cohort in nnU-Net's raw layout: imagesTr/<case>_0000..., labelsTr/<case>, dataset.json."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from challenge.case import CaseFiles
from challenge.folders import describe_contents, entries, few
from challenge.refusal import Refusal
from challenge.scheme import Scheme, other_challenge, renumbers
from challenge.volume import Volume, read_volume
from ensemble.dataset import channel_order
from lab.data.label_aliases import are_trusted, training_values_by_name
from lab.json_files import read_json


@dataclass(frozen=True)
class CohortCase:
    """One case and its reference labels."""

    files: CaseFiles
    reference: Path
    value_table: np.ndarray  # (256,) uint8, the dataset's label values -> the scheme's

    @property
    def ending(self) -> str:
        """Return the dataset's `file_ending`."""
        return self.reference.name.removeprefix(self.files.id)

    def read_reference(self) -> Volume:
        """Read the reference labels (z, y, x), uint8, in the scheme's values."""
        volume = read_volume(self.reference, np.uint8)
        return Volume(self.value_table[volume.array], volume.spacing_mm, volume.geometry)


def read_cohort(folder: Path, scheme: Scheme) -> list[CohortCase]:
    """List the training cases of a raw dataset folder, sorted by id.

    Raises:
        Refusal: the folder holds no case, or a case lacks a channel.
    """
    path = folder / "dataset.json"
    dataset = _read_dataset(path)
    table = np.zeros(256, np.uint8)
    try:
        ending, sequences = str(dataset["file_ending"]), channel_order(dataset, scheme)
        values = training_values_by_name(dataset, scheme)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise Refusal(f"{path}: not nnU-Net's dataset.json ({error!r})") from error
    if not are_trusted(dataset, values, scheme):
        listed = ", ".join(f"{name}={value}" for name, value in values.items())
        print(
            f"{path}: names stand at other values than {scheme.name}'s, and references are read by "
            f"them: {listed}",
            file=sys.stderr,
        )
    for name, value in values.items():
        table[value] = scheme.labels[name]
    cases = []
    for reference in entries(folder / "labelsTr", f"*{ending}"):
        id = reference.name.removesuffix(ending)
        names = [f"{id}_{channel:04d}{ending}" for channel in range(len(sequences))]
        images = {s: folder / "imagesTr" / n for s, n in zip(sequences, names, strict=True)}
        for path in images.values():
            if not path.is_file():
                raise Refusal(f"{path}: missing, though {reference.name} is there")
        files = CaseFiles(id, images, sequences[0], Path(reference.name), scheme.name)
        cases.append(CohortCase(files, reference, table))
    if not cases:
        held = describe_contents(folder / "labelsTr")
        raise Refusal(f"{folder}: no case (looked for labelsTr/*{ending}); labelsTr holds {held}")
    _print_other_challenges([case.files.id for case in cases], path, scheme)
    return cases


def _read_dataset(path: Path) -> Any:
    """Read dataset.json, or say what lies in the folder instead."""
    if not path.exists():
        held = describe_contents(path.parent)
        looked_for = "looked for dataset.json, imagesTr and labelsTr"
        raise Refusal(f"{path.parent}: no case ({looked_for}); it holds {held}")
    return read_json(path)


def _print_other_challenges(ids: Sequence[str], dataset: Path, scheme: Scheme) -> None:
    """Say which cases are named as of a challenge whose label values are other ones.

    The names in dataset.json decide what a value is, so that nothing is read wrongly by itself.
    """
    named = {id: other for id in ids if (other := other_challenge(id, scheme))}
    odd = [id for id, other in named.items() if renumbers(other, scheme)]
    if odd:
        others = ", ".join(dict.fromkeys(named[id].name for id in odd))
        print(
            f"{dataset}: {len(odd)} of {len(ids)} cases are named as of {others} "
            f"({few(odd)}); their labels are read as {scheme.name}'s, by "
            "the names in this file",
            file=sys.stderr,
        )
