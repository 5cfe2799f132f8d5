"""Which sequence shows a label best, and so is the backdrop that its outline is drawn on."""

from collections.abc import Iterable, Mapping

import numpy as np

# What annotators outline each label on: oedema on FLAIR, cysts on T2, the enhancing rim and what
# it encloses after contrast (de Verdier et al. 2024, Kazerooni et al. 2024). All others: DEFAULT.
SEEN_ON = {"SNFH": "t2f", "ED": "t2f", "CC": "t2w"}
DEFAULT = ("t1c", "t2f")


def best_sequence(label: str, available: Iterable[str]) -> str:
    """Return the available sequence that shows a label best.

    Raises:
        ValueError: no sequence is available.
    """
    sequences = tuple(available)
    if not sequences:
        raise ValueError(f"no sequence to show {label} on")
    wanted = (SEEN_ON.get(label, DEFAULT[0]), *DEFAULT, *sequences)
    return next(sequence for sequence in wanted if sequence in sequences)


def largest_label(labels: np.ndarray, values: Mapping[str, int]) -> str:
    """Return the name of the label with the most voxels in a label map; "" where it is empty."""
    voxels = {name: int((labels == value).sum()) for name, value in values.items()}
    largest = max(voxels, key=lambda name: voxels[name])
    return largest if voxels[largest] else ""
