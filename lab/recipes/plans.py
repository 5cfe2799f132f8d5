"""Add the small demonstration configuration to nnU-Net plans, and write the splits.

`python -m lab.recipes.plans DATASET FOLDS SPACING PATCH`, e.g. `... 3 2,2,2 64,64,64`, after
nnUNetv2_plan_experiment, with nnU-Net's folder variables set.
"""

import json
import sys
from pathlib import Path

NAME = "demo"
# The full-resolution stage is thin because it costs half of the time of a step.
FEATURES = (8, 24, 40, 60, 64)
ENCODER_CONVOLUTIONS = (1, 2, 2, 2, 1)


def with_demo(plans: dict, spacing_mm: tuple[float, ...], patch: tuple[int, ...]) -> dict:
    """Return plans with the configuration `demo`, which inherits the rest from 3d_fullres."""
    network = plans["configurations"]["3d_fullres"]["architecture"]
    arguments = dict(network["arch_kwargs"])
    stages = len(FEATURES)
    arguments |= {
        "n_stages": stages,
        "features_per_stage": list(FEATURES),
        "kernel_sizes": [[3, 3, 3]] * stages,
        "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
        "n_conv_per_stage": list(ENCODER_CONVOLUTIONS),
        "n_conv_per_stage_decoder": [1] * (stages - 1),
    }
    plans["configurations"][NAME] = {
        "inherits_from": "3d_fullres",
        "data_identifier": f"{plans['plans_name']}_{NAME}",
        "spacing": list(spacing_mm),
        "patch_size": list(patch),
        "batch_size": 2,
        "batch_dice": False,
        "architecture": {**network, "arch_kwargs": arguments},
    }
    return plans


def splits(cases: list[str], folds: int) -> list[dict[str, list[str]]]:
    """Deal the sorted cases out like cards, so that each is held out in exactly one fold."""
    ordered = sorted(cases)
    held_out = [ordered[fold::folds] for fold in range(folds)]
    return [{"train": [c for c in ordered if c not in part], "val": part} for part in held_out]


def main(arguments: list[str]) -> int:
    """Rewrite nnUNetPlans.json and splits_final.json of one dataset."""
    from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw

    folder, folds = Path(str(nnUNet_preprocessed), arguments[0]), int(arguments[1])
    spacing_mm = tuple(float(part) for part in arguments[2].split(","))
    patch = tuple(int(part) for part in arguments[3].split(","))
    path = folder / "nnUNetPlans.json"
    plans = with_demo(json.loads(path.read_text()), spacing_mm, patch)
    path.write_text(json.dumps(plans, indent=2) + "\n")
    labels = Path(str(nnUNet_raw), arguments[0], "labelsTr")
    cases = [p.name.split(".")[0] for p in labels.iterdir()]
    (folder / "splits_final.json").write_text(json.dumps(splits(cases, folds), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
