"""Abdomens of 24 voxels a side with one ball of a tumour, and candidates whose errors are known.

left and right each miss the other half of every tumour, unsure of it, so that both together find
all of it; blind is sure of a tumour where there is none, and so is its twin: all four together
find nothing of it.
"""

import json
from pathlib import Path

import numpy as np
import SimpleITK

from challenge.scheme import SCHEMES, Head
from lab.member_selection.probability_maps import Candidate, write_candidate, write_map

SCHEME = SCHEMES["panther-t1"]
HEAD = Head("softmax", ((), ("tumour",), ("pancreas",)), ("", "tumour", "pancreas"))
SIDE, SPACING_MM = 24, (3.0, 1.5, 1.5)


def ball(number: int) -> np.ndarray:
    """Return the tumour (z, y, x) of a case, of another size and place each."""
    rng = np.random.default_rng(number)
    centre, radius = rng.uniform(9, 14, 3), rng.uniform(3, 6)
    z, y, x = np.ogrid[:SIDE, :SIDE, :SIDE]
    return (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < radius**2


def write_cohort(folder: Path, cases: int) -> Path:
    """Write a raw dataset in nnU-Net's layout."""
    dataset = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "tumour": 1, "pancreas": 2},
        "numTraining": cases,
        "file_ending": ".mha",
    }
    for place in ("imagesTr", "labelsTr"):
        (folder / place).mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps(dataset))
    for number in range(cases):
        labels = ball(number).astype(np.uint8)
        for name, array in (
            (f"imagesTr/{number}_0000.mha", labels.astype(np.float32) + number),
            (f"labelsTr/{number}.mha", labels),
        ):
            image = SimpleITK.GetImageFromArray(array)
            image.SetSpacing(SPACING_MM[::-1])
            SimpleITK.WriteImage(image, str(folder / name))
    return folder


def probability(name: str, number: int) -> np.ndarray:
    """Return what a candidate says of the tumour of a case (z, y, x)."""
    truth = ball(number)
    middle = int(np.nonzero(truth)[2].mean())
    half = np.broadcast_to(np.arange(SIDE) < middle, truth.shape)
    probabilities = np.full(truth.shape, 0.02)
    if name == "left":
        probabilities[truth & half], probabilities[truth & ~half] = 0.95, 0.2
    elif name == "right":
        probabilities[truth & ~half], probabilities[truth & half] = 0.95, 0.2
    elif name.startswith("blind"):
        probabilities[truth] = 0.1
        probabilities[2:7, 2:7, 2:7] = 1.0
    elif name.startswith("good"):
        noise = np.random.default_rng([number, len(name)]).normal(0, 2, truth.shape)
        probabilities = 1 / (1 + np.exp(-(np.where(truth, 4, -4) + noise)))
    elif name == "small":
        inner = truth & np.roll(truth, 1, 0) & np.roll(truth, -1, 0) & np.roll(truth, 1, 2)
        probabilities[truth], probabilities[inner] = 0.45, 0.9
    return probabilities


def write_candidate_of(folder: Path, name: str, cases: int, model: Path | None = None) -> Path:
    """Write one candidate's maps of every case."""
    home = folder / name
    home.mkdir(parents=True)
    for number in range(cases):
        tumour = probability(name, number)
        maps = np.stack([1 - tumour, tumour * 0.98, tumour * 0.02]).astype(np.float32)
        write_map(home / f"{number}.npz", maps, HEAD)
    members_of = {str(number): (f"fold_{number % 2}",) for number in range(cases)}
    write_candidate(Candidate(name, home, SCHEME, HEAD, members_of, 2.0, model))
    return home
