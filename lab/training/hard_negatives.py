"""Hard negatives: where a trained stage saw a label that is not there, for the next one to look at.

`python -m lab.training.hard_negatives DATASET CONFIGURATION --scheme NAME --predictions DIR
--labels ET RC --out DIR`, with nnU-Net's folder variables set. The predictions are out-of-fold, so
each false positive is one of a network on a case that it was not trained on. DIR/<case>.npz holds,
label by label, voxels (n, 4) of the preprocessed case: a zero and z, y, x, as nnU-Net stores its
class locations.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from scipy.ndimage import binary_dilation

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme
from challenge.volume import read_volume
from lab.arguments import add_jobs, add_out, add_scheme
from lab.data.cohort import CohortCase, read_cohort
from lab.training.preprocess import PLANS

MAX_VOXELS = 1000  # of a label and case
READER = "SimpleITKIO"  # whose axes are (z, y, x), as ours are


@dataclass(frozen=True)
class Mining:
    """Whose predictions are searched for which labels, on which preprocessed grid."""

    dataset: str
    configuration: str
    predictions: Path  # label maps, out of fold
    labels: Mapping[str, int]  # name -> value in the scheme
    out: Path


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
    scheme = SCHEMES[args.scheme]
    if unknown := set(args.labels) - set(scheme.labels):
        raise Refusal(f"{', '.join(sorted(unknown))}: no label of {scheme.name}")
    values = {name: scheme.labels[name] for name in args.labels}
    mining = Mining(args.dataset, args.configuration, args.predictions, values, args.out)
    counts = mine(mining, scheme, args.jobs)
    for name, voxels in zip(args.labels, np.sum(counts, 0), strict=True):
        print(f"{name}: {voxels} false-positive voxels written, of {len(counts)} cases")
    return 0


def mine(mining: Mining, scheme: Scheme, jobs: int) -> list[list[int]]:
    """Write the voxels of every case; return how many, case by case, label by label."""
    from nnunetv2.paths import nnUNet_raw

    mining.out.mkdir(parents=True, exist_ok=True)
    cases = read_cohort(Path(str(nnUNet_raw), mining.dataset), scheme)
    parallel = joblib.Parallel(n_jobs=jobs)
    return list(parallel(joblib.delayed(mine_case)(case, mining) for case in cases))


def mine_case(case: CohortCase, mining: Mining) -> list[int]:
    """Write the false positives of one case, where nnU-Net's loader will look for them."""
    from nnunetv2.paths import nnUNet_preprocessed
    from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    preprocessed = Path(str(nnUNet_preprocessed), mining.dataset)
    plans = json.loads((preprocessed / f"{PLANS}.json").read_text(encoding="utf-8"))
    if plans["image_reader_writer"] != READER:
        raise Refusal(f"{preprocessed}: read by {plans['image_reader_writer']}, not {READER}")
    configuration = PlansManager(plans).get_configuration(mining.configuration)
    folder = str(preprocessed / configuration.data_identifier)
    *_, properties = infer_dataset_class(folder)(folder).load_case(case.files.id)
    predicted = read_volume(mining.predictions / case.files.output, np.uint8).array
    wrong = false_positives(predicted, case.read_reference().array, list(mining.labels.values()))
    resampled = onto_preprocessed(wrong, properties, configuration, plans["transpose_forward"])[0]
    rng = np.random.default_rng(0)
    voxels_of: dict[str, Any] = {}
    for number, name in enumerate(mining.labels, 1):
        voxels = np.argwhere(resampled == number)
        if len(voxels) > MAX_VOXELS:
            voxels = voxels[rng.choice(len(voxels), MAX_VOXELS, replace=False)]
        voxels_of[name] = np.insert(voxels, 0, 0, axis=1)
    np.savez(mining.out / f"{case.files.id}.npz", **voxels_of)
    return [len(voxels) for voxels in voxels_of.values()]


def false_positives(
    predicted: np.ndarray, reference: np.ndarray, values: Sequence[int]
) -> np.ndarray:
    """Return 1, 2, ... where the first, second, ... of the labels is predicted and wrong (z, y, x).

    A voxel's neighbours of the true label are left out: a border that is off by one is everywhere.
    """
    wrong = np.zeros(predicted.shape, np.uint8)
    for number, value in enumerate(values, 1):
        near = binary_dilation(reference == value)
        wrong[(predicted == value) & ~near] = number
    return wrong


def onto_preprocessed(
    labels: np.ndarray, properties: Mapping[str, Any], configuration: Any, transpose: Sequence[int]
) -> np.ndarray:
    """Bring a label map (z, y, x) to the preprocessed grid as nnU-Net brought the case's labels.

    Args:
        labels: on the case's original grid.
        properties: what nnU-Net stored of the case.
        configuration: nnU-Net's.
        transpose: axes forward, of the plans.

    Returns:
        (1, z, y, x).
    """
    from acvl_utils.cropping_and_padding.bounding_boxes import bounding_box_to_slice
    from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape

    transposed = labels.transpose(transpose)
    if transposed.shape != tuple(properties["shape_before_cropping"]):
        raise Refusal(
            f"{transposed.shape} voxels, nnU-Net saw {tuple(properties['shape_before_cropping'])}"
        )
    box = bounding_box_to_slice(properties["bbox_used_for_cropping"])
    spacing_mm = [properties["spacing"][axis] for axis in transpose]
    cropped = transposed[box][None]
    shape = compute_new_shape(cropped.shape[1:], spacing_mm, configuration.spacing)
    resampled: np.ndarray = configuration.resampling_fn_seg(
        cropped, shape, spacing_mm, configuration.spacing
    )
    return resampled


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
