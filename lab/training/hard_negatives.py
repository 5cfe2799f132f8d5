"""Where a trained stage saw a label that is not there: what the next one is to look at more often.

`python -m lab.training.hard_negatives DATASET CONFIGURATION --scheme NAME --predictions DIR
--labels ET RC --out DIR`, with nnU-Net's folder variables set. The predictions are out-of-fold, so
that each false positive is one of a network on a case it does not know. DIR/<case>.npz holds, label
by label, voxels (n, 4) of the preprocessed case: a zero and z, y, x, as nnU-Net keeps its own class
locations.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from scipy.ndimage import binary_dilation

from challenge.case import read_volume
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.arguments import add_jobs, add_out, add_scheme
from lab.data.cohort import CohortCase, read_cohort
from lab.training.preprocess import PLANS

MOST_VOXELS = 1000  # of a label and case
READER = "SimpleITKIO"  # whose axes are (z, y, x), as ours are


def main(argv: list[str]) -> int:
    """Mine a dataset."""
    parser = argparse.ArgumentParser(prog="python -m lab.training.hard_negatives")
    add = parser.add_argument
    add("dataset")
    add("configuration")
    add_scheme(parser, "whose labels", required=True)
    add("--predictions", type=Path, required=True)
    add("--labels", nargs="+", required=True)
    add_out(parser, "a file of voxels a case goes here")
    add_jobs(parser, 2)
    args = parser.parse_args(argv)
    counts = mine(args)
    for name, found in zip(args.labels, np.sum(counts, 0), strict=True):
        print(f"{name}: {found} voxels falsely positive, kept of {len(counts)} cases")
    return 0


def mine(args: argparse.Namespace) -> list[list[int]]:
    """Write the voxels of every case; return how many were kept, case by case, label by label."""
    from nnunetv2.paths import nnUNet_raw

    scheme = SCHEMES[args.scheme]
    if unknown := set(args.labels) - set(scheme.labels):
        raise Refusal(f"{', '.join(sorted(unknown))}: no label of {scheme.name}")
    args.out.mkdir(parents=True, exist_ok=True)
    cases = read_cohort(Path(str(nnUNet_raw), args.dataset), scheme)
    values = {name: scheme.labels[name] for name in args.labels}
    running = joblib.Parallel(n_jobs=args.jobs)
    return list(running(joblib.delayed(mine_case)(case, values, args) for case in cases))


def mine_case(case: CohortCase, values: Mapping[str, int], args: argparse.Namespace) -> list[int]:
    """Find the false positives of one case, where nnU-Net's loader will look for them."""
    from nnunetv2.paths import nnUNet_preprocessed
    from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    home = Path(str(nnUNet_preprocessed), args.dataset)
    plans = json.loads((home / f"{PLANS}.json").read_text(encoding="utf-8"))
    if plans["image_reader_writer"] != READER:
        raise Refusal(f"{home}: read by {plans['image_reader_writer']}, not {READER}")
    manager = PlansManager(plans)
    own = manager.get_configuration(args.configuration)
    folder = str(home / own.data_identifier)
    *_, properties = infer_dataset_class(folder)(folder).load_case(case.files.id)
    predicted = read_volume(args.predictions / case.files.output, np.uint8).array
    falsely = false_positives(predicted, case.read_reference().array, list(values.values()))
    there = onto_preprocessed(falsely, properties, own, plans["transpose_forward"])[0]
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for number, name in enumerate(values, 1):
        voxels = np.argwhere(there == number)
        if len(voxels) > MOST_VOXELS:
            voxels = voxels[rng.choice(len(voxels), MOST_VOXELS, replace=False)]
        found[name] = np.insert(voxels, 0, 0, axis=1)
    np.savez(args.out / f"{case.files.id}.npz", **found)
    return [len(voxels) for voxels in found.values()]


def false_positives(
    predicted: np.ndarray, reference: np.ndarray, values: Sequence[int]
) -> np.ndarray:
    """Return 1, 2, ... where the first, second, ... of the labels is predicted and wrong (z, y, x).

    A voxel's neighbours of the true label are left out: a border that is off by one is everywhere.
    """
    found = np.zeros(predicted.shape, np.uint8)
    for number, value in enumerate(values, 1):
        near = binary_dilation(reference == value)
        found[(predicted == value) & ~near] = number
    return found


def onto_preprocessed(
    labels: np.ndarray, properties: Mapping[str, Any], own: Any, transpose: Sequence[int]
) -> np.ndarray:
    """Bring a label map (z, y, x) to the preprocessed grid as nnU-Net brought the case's labels.

    Args:
        labels: on the case's own grid.
        properties: what nnU-Net kept of the case.
        own: nnU-Net's configuration.
        transpose: axes forward, of the plans.

    Returns:
        (1, z, y, x).
    """
    from acvl_utils.cropping_and_padding.bounding_boxes import bounding_box_to_slice
    from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape

    turned = labels.transpose(transpose)
    if turned.shape != tuple(properties["shape_before_cropping"]):
        raise Refusal(
            f"{turned.shape} voxels, nnU-Net saw {tuple(properties['shape_before_cropping'])}"
        )
    box = bounding_box_to_slice(properties["bbox_used_for_cropping"])
    spacing_mm = [properties["spacing"][axis] for axis in transpose]
    cropped = turned[box][None]
    shape = compute_new_shape(cropped.shape[1:], spacing_mm, own.spacing)
    found: np.ndarray = own.resampling_fn_seg(cropped, shape, spacing_mm, own.spacing)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
