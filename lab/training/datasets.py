"""Training cases that need no disk: synthetic patients made as they are asked for; and gaps.

What nnU-Net's loader asks of a dataset: `identifiers`, and `load_case`, which returns image,
labels, labels of a stage before, and properties.
"""

from typing import Any

import numpy as np

from lab.phantom.cohort import PATIENTS, Population

SLOTS = 24  # patients that are held at a time
REUSE = 12  # how often a patient is looked at, on average, before another takes the place
SEED = 100  # of the first fold's patients; cohorts on disk have smaller ones


class Made:
    """Synthetic patients, preprocessed by nnU-Net's own code."""

    def __init__(self, trainer: Any, cases: int) -> None:
        """Make as many distinct patients as wanted, other ones for each fold.

        Raises:
            ValueError: more than one seed has.
        """
        if cases > PATIENTS:
            raise ValueError(f"made={cases}: a fold has {PATIENTS} patients, then another's follow")
        description = trainer.dataset_json
        self.plans = (trainer.plans_manager, trainer.configuration_manager, description)
        self.spacing_mm = tuple(trainer.configuration_manager.spacing)
        seed = SEED + (0 if trainer.fold == "all" else int(trainer.fold))
        self.population = Population(description["phantom"], seed, self.spacing_mm, anywhere=True)
        self.identifiers = [str(number) for number in range(cases)]
        self.held: list[tuple] = []

    def load_case(self, identifier: str) -> tuple:
        """Return one of the patients that are held; now and then the wanted one joins them."""
        if len(self.held) < SLOTS:
            self.held.append(self.make(int(identifier)))
            return self.held[-1]
        place = np.random.randint(SLOTS)  # noqa: NPY002 -- seeded with the loader's processes
        if np.random.randint(REUSE) == 0:  # noqa: NPY002
            self.held[place] = self.make(int(identifier))
        return self.held[place]

    def make(self, number: int) -> tuple:
        """Make a patient and preprocess it as files would be."""
        from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

        made = self.population.patient(number)
        image = np.stack(list(made.pictures.values())).astype(np.float32)
        properties = {"spacing": list(self.spacing_mm)}
        data, seg, properties = DefaultPreprocessor(verbose=False).run_case_npy(
            image, made.labels[None].astype(np.int8), properties, *self.plans
        )
        return data, seg, None, properties


class MissingSequences:
    """A dataset some of whose cases lack sequences: normalised, a sequence without values is 0."""

    def __init__(self, dataset: Any, share: float) -> None:
        """Take one or more sequences, never all, from a share of the cases."""
        self.dataset, self.share, self.identifiers = dataset, share, dataset.identifiers

    def load_case(self, identifier: str) -> tuple:
        """Return the case, perhaps with gaps."""
        image, *rest = self.dataset.load_case(identifier)
        if np.random.random() >= self.share:  # noqa: NPY002
            return image, *rest
        image = np.array(image)
        count = np.random.randint(1, len(image))  # noqa: NPY002
        image[np.random.permutation(len(image))[:count]] = 0  # noqa: NPY002
        return image, *rest


class Slabs:
    """A dataset some of whose cases are few slices thick, as scans of one organ are."""

    def __init__(self, dataset: Any, share: float, least: int = 16) -> None:
        """Cut a share of the cases to a part of their slices, `least` or more."""
        self.dataset, self.share, self.least = dataset, share, least
        self.identifiers = dataset.identifiers

    def load_case(self, identifier: str) -> tuple:
        """Return the case, perhaps a slab of it that keeps some of the foreground, if any."""
        image, seg, before, properties = self.dataset.load_case(identifier)
        count = image.shape[1]
        if count <= self.least or np.random.random() >= self.share:  # noqa: NPY002
            return image, seg, before, properties
        thick = int(np.random.randint(self.least, count))  # noqa: NPY002
        places = [found for found in properties["class_locations"].values() if len(found)]
        slices = np.concatenate(places)[:, 1] if places else np.arange(count)
        middle = int(np.random.choice(slices))  # noqa: NPY002
        first = min(max(middle - thick // 2, 0), count - thick)
        window = slice(first, first + thick)
        kept = {
            label: found[(found[:, 1] >= first) & (found[:, 1] < first + thick)] - [0, first, 0, 0]
            if len(found) else found
            for label, found in properties["class_locations"].items()
        }  # fmt: skip
        return (
            image[:, window], seg[:, window], None if before is None else before[:, window],
            {**properties, "class_locations": kept},
        )  # fmt: skip
