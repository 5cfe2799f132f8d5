"""Does the prediction hold when the scan gets worse? Corrupted scans against the clean one.

`python -m lab robustness --input DIR --weights DIR` needs no reference: every row is the Dice of
the whole tumour between the predictions of a model on the corrupted and on the clean scans.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from challenge.case import Case, read_case
from challenge.platforms import find_cases
from ensemble.device import choose_device
from ensemble.engine import Engine
from ensemble.manifest import Model, find_manifests, verify_model
from ensemble.match_models import match_models
from ensemble.predict import predict
from lab.phantom.fields import Grid
from lab.phantom.scanner import bias, slice_thickly
from lab.progress import print_line, progress
from postprocess import refine
from postprocess.artefacts import Artefacts, load_artefacts

LEAST_DICE = 0.9
SNR = 10.0
SLICE_MM = 3.0
BIAS = 0.3  # about 1:2 between the ends of a head
SHIFT_VOXELS = 2
Corruption = Callable[[np.ndarray, Case], np.ndarray]  # one sequence (z, y, x), of a case


@dataclass(frozen=True)
class Row:
    """One corruption of a case: how far the prediction follows that of the clean case."""

    name: str
    dice: float
    volume_ml: float


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="DIR", help="a platform's input folder")
    add("--weights", type=Path, default=Path("weights"), metavar="DIR")
    add("--model", metavar="NAME", help="default: what the input fits")
    add("--device", choices=("auto", "cuda", "cpu"), default="auto")
    add(
        "--least", type=float, default=LEAST_DICE, metavar="DICE", help="exit 1 below (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Print a row a corruption; exit code 1 where a prediction changed too much."""
    cases = find_cases(args.input)
    chosen, failed = match_models(cases, find_manifests(args.weights), args.model)
    for id, reason in failed.items():
        print(f"{id}  skipped: {reason}", file=sys.stderr)
    engine = Engine(choose_device(args.device), keeps_networks=True)
    worst = 1.0
    for choice in chosen.values():
        model = verify_model(choice.manifest)
        artefacts = load_artefacts(model.folder, model.scheme)
        case = read_case(choice.files)
        predicted = partial(predicted_tumour, model=model, artefacts=artefacts, engine=engine)
        number = 1 + corruptions(len(case.images) - len(case.missing_sequences))
        for row in progress(rows_of(case, predicted), number, "prediction", case.id):
            print_line(f"{case.id}  {row.name:<34}{row.dice:8.3f}{row.volume_ml:9.1f} mL")
            worst = min(worst, row.dice)
    print(f"lowest Dice to the clean prediction: {worst:.3f}")
    return 0 if worst >= args.least else 1


def rows_of(case: Case, predicted: Callable[[Case], np.ndarray]) -> Iterator[Row]:
    """Yield how far a case's prediction, a mask (z, y, x), holds under each corruption."""
    clean = predicted(case)
    voxel_ml = case.voxel_volume_mm3 / 1000
    yield Row("clean", 1.0, float(clean.sum()) * voxel_ml)
    for name, corrupted in corrupted_cases(case):
        mask = predicted(corrupted)
        both = int(clean.sum() + mask.sum())
        dice = 2 * float((clean & mask).sum()) / both if both else 1.0
        yield Row(name, dice, float(mask.sum()) * voxel_ml)


def corruptions(scans: int) -> int:
    """Return how many corruptions a case of so many scans has."""
    return len(ONE_SEQUENCE) * scans + len(ALL_SEQUENCES)


def corrupted_cases(case: Case) -> Iterator[tuple[str, Case]]:
    """Yield the case under each corruption, one sequence at a time and all at once.

    Missing sequences are not corrupted.
    """
    scans = {s: image for s, image in case.images.items() if s not in case.missing_sequences}
    for name, corrupt in ONE_SEQUENCE.items():
        for sequence, image in scans.items():
            images = {**case.images, sequence: corrupt(image, case)}
            yield f"{sequence} {name}", replace(case, images=images)
    for name, corrupt in ALL_SEQUENCES.items():
        images = {sequence: corrupt(image, case) for sequence, image in scans.items()}
        yield f"all {name}", replace(case, images={**case.images, **images})


def biased(image: np.ndarray, case: Case) -> np.ndarray:
    """Shade a sequence as coils do."""
    axes = _grid(image, case).axes()
    rng = np.random.default_rng(int(np.abs(image[image != 0]).sum() % 2**32))
    return image * bias(rng, axes, BIAS, 1.0 + max(float(np.abs(axis).max()) for axis in axes))


def noisy(image: np.ndarray, case: Case) -> np.ndarray:
    """Add noise whose deviation is a tenth of the mean signal inside the head."""
    inside = image != 0
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(
        image[inside].mean() / SNR
    )
    return np.where(inside, image + noise, np.float32(0))


def thick(image: np.ndarray, case: Case) -> np.ndarray:
    """Show the head as axial slices of 3 mm would."""
    slices = slice_thickly(image, _grid(image, case), 0, SLICE_MM, 0.5)
    return np.where(image != 0, slices, np.float32(0))


def predicted_tumour(case: Case, model: Model, artefacts: Artefacts, engine: Engine) -> np.ndarray:
    """Return the tumour (z, y, x) as the program would write it."""
    *_, prediction = predict(case, model, engine, count_votes=artefacts.needs_votes)
    labels = refine(case, prediction.probabilities, model.head, artefacts, prediction.votes).labels
    return model.scheme.mask(labels, model.scheme.tumour)


def _grid(image: np.ndarray, case: Case) -> Grid:
    z, y, x = image.shape
    return Grid.centred((z, y, x), case.spacing_mm, (0.0, 0.0, 0.0))


# What happens to one sequence at a time, and to all at once.
ONE_SEQUENCE: Mapping[str, Corruption] = {
    "x 0.1": lambda image, _: image * np.float32(0.1),
    "x 10": lambda image, _: image * np.float32(10),
    f"moved by {SHIFT_VOXELS} voxels": lambda image, _: np.roll(image, SHIFT_VOXELS, axis=1),
    "bias field": biased,
}
ALL_SEQUENCES: Mapping[str, Corruption] = {
    "bias field": biased,
    f"noise, SNR {SNR:g}": noisy,
    f"slices of {SLICE_MM:g} mm": thick,
}
