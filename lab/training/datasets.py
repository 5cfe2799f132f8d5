"""Datasets that change what nnU-Net's loader sees: synthetic patients, gaps, slabs, hard negatives.

nnU-Net's loader needs two things of a dataset: `identifiers`, and `load_case`, which returns image
(channel, z, y, x), labels (1, z, y, x), labels of a cascade's first stage or None, and properties.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lab.phantom.population import PATIENTS, Population

BUFFER_SIZE = 24  # patients in memory at a time
MEAN_USES = 12  # how often a patient is drawn, on average, before another one replaces it
SEED = 100  # of the first fold's patients; cohorts on disk have smaller ones


class SyntheticDataset:
    """Synthetic patients, preprocessed by nnU-Net's own code, never written to disk."""

    def __init__(self, trainer: Any, cases: int, healthy: float = 0.0) -> None:
        """Describe `cases` distinct patients, other ones for each fold.

        Raises:
            ValueError: more than one seed has.
            Refusal: `healthy`, the share without a tumour, is of patients who all have one.
        """
        if cases > PATIENTS:
            raise ValueError(f"synthetic={cases}: a fold has at most {PATIENTS} patients")
        dataset_json = trainer.dataset_json
        self.plans = (trainer.plans_manager, trainer.configuration_manager, dataset_json)
        self.spacing_mm = tuple(trainer.configuration_manager.spacing)
        seed = SEED + (0 if trainer.fold == "all" else int(trainer.fold))
        self.population = Population(
            dataset_json["phantom"], seed, self.spacing_mm, anywhere=True, healthy=healthy
        )
        self.population.read_atlas()  # nnU-Net's loaders are forked from here
        self.identifiers = [str(number) for number in range(cases)]
        self.buffer: list[tuple] = []

    def load_case(self, identifier: str) -> tuple:
        """Return a patient of the buffer; now and then `identifier` replaces one of them."""
        if len(self.buffer) < BUFFER_SIZE:
            self.buffer.append(self.make(int(identifier)))
            return self.buffer[-1]
        index = np.random.randint(BUFFER_SIZE)  # noqa: NPY002 -- seeded with the loader's processes
        if np.random.randint(MEAN_USES) == 0:  # noqa: NPY002
            self.buffer[index] = self.make(int(identifier))
        return self.buffer[index]

    def make(self, number: int) -> tuple:
        """Make a patient and preprocess it as files would be."""
        from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

        patient = self.population.patient(number)
        image = np.stack(list(patient.pictures.values())).astype(np.float32)
        properties = {"spacing": list(self.spacing_mm)}
        data, seg, properties = DefaultPreprocessor(verbose=False).run_case_npy(
            image, patient.labels[None].astype(np.int8), properties, *self.plans
        )
        return data, seg, None, properties


class MissingSequenceDataset:
    """A dataset some of whose cases lack sequences, which are 0 once normalised."""

    def __init__(self, dataset: Any, share: float) -> None:
        """Take one or more sequences, never all, from a share of the cases."""
        self.dataset, self.share, self.identifiers = dataset, share, dataset.identifiers

    def load_case(self, identifier: str) -> tuple:
        """Return the case, perhaps without some sequences."""
        image, *rest = self.dataset.load_case(identifier)
        if np.random.random() >= self.share:  # noqa: NPY002
            return image, *rest
        image = np.array(image)
        count = np.random.randint(1, len(image))  # noqa: NPY002
        image[np.random.permutation(len(image))[:count]] = 0  # noqa: NPY002
        return image, *rest


class ThinSlabDataset:
    """A dataset some of whose cases are few slices thick, as scans of one organ are."""

    def __init__(self, dataset: Any, share: float, min_slices: int = 16) -> None:
        """Cut a share of the cases to a part of their slices, `min_slices` or more."""
        self.dataset, self.share, self.min_slices = dataset, share, min_slices
        self.identifiers = dataset.identifiers

    def load_case(self, identifier: str) -> tuple:
        """Return the case, perhaps a slab of it around some foreground, if there is any."""
        image, seg, first_stage, properties = self.dataset.load_case(identifier)
        slices = image.shape[1]
        if slices <= self.min_slices or np.random.random() >= self.share:  # noqa: NPY002
            return image, seg, first_stage, properties
        thickness = int(np.random.randint(self.min_slices, slices))  # noqa: NPY002
        locations = properties["class_locations"]
        filled = [voxels for voxels in locations.values() if len(voxels)]
        candidates = np.concatenate(filled)[:, 1] if filled else np.arange(slices)
        middle = int(np.random.choice(candidates))  # noqa: NPY002
        start = min(max(middle - thickness // 2, 0), slices - thickness)
        slab = slice(start, start + thickness)
        return (
            image[:, slab],
            seg[:, slab],
            None if first_stage is None else first_stage[:, slab],
            {
                **properties,
                "class_locations": {
                    label: _within(voxels, slab) for label, voxels in locations.items()
                },
            },
        )


class HardNegativeDataset:
    """A dataset with more class locations: where an earlier stage was wrong.

    The loader that wants foreground draws a class, then one of its voxels; each label that was
    mined is one more class.
    """

    def __init__(self, dataset: Any, folder: Path) -> None:
        """Read what `lab.training.hard_negatives` wrote of each case, beside the case itself."""
        self.dataset, self.folder, self.identifiers = dataset, folder, dataset.identifiers

    def load_case(self, identifier: str) -> tuple:
        """Return the case with the hard negatives among its class locations."""
        *arrays, properties = self.dataset.load_case(identifier)
        with np.load(self.folder / f"{identifier}.npz", allow_pickle=False) as mined:
            hard = {f"no {label}": mined[label] for label in mined.files}
        locations = {**properties["class_locations"], **hard}
        return *arrays, {**properties, "class_locations": locations}


def _within(voxels: Any, slab: slice) -> Any:
    """Return the voxels (n, 4: 0, z, y, x) that lie in a slab, counted from its first slice."""
    if not len(voxels):
        return voxels
    return voxels[(voxels[:, 1] >= slab.start) & (voxels[:, 1] < slab.stop)] - [0, slab.start, 0, 0]
