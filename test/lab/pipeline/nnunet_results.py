"""Two results folders of nnU-Net's own trainer: python nnunet_results.py FOLDER, a minute.

FOLDER/nnUNet_raw/Dataset701_Islands holds pancreases with a bright tumour; bright islands far from
it, which no reference has, are predicted as tumour by whatever looks at brightness. Two trainings
of two folds each: nnUNetTrainer__nnUNetPlans__3d_fullres and nnUNetTrainer__wider__3d_fullres.
"""

import json
import multiprocessing
import os
import random
import sys
from pathlib import Path

import numpy as np
import SimpleITK

DATASET = "Dataset701_Islands"
CASES = 16
SHAPE = (12, 24, 24)  # z, y, x


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path))


def write_cohort(raw: Path) -> list[str]:
    """Write images and labels of the cohort; return the case ids."""
    rng = np.random.default_rng(5)
    ids = [f"case{i:02d}" for i in range(CASES)]
    for i, id in enumerate(ids):
        labels = np.zeros(SHAPE, np.uint8)
        labels[2:10, 4:18, 4:16] = 2
        z, y, x = 3 + i % 3, 6 + i % 4, 5 + i % 5
        labels[z : z + 4, y : y + 5 + i % 3, x : x + 5] = 1
        image = rng.normal(0, 0.1, SHAPE) + 1.0 * (labels == 2) + 3.0 * (labels == 1)
        for _ in range(1 + i % 2):  # islands, outside of the pancreas
            z, y = rng.integers(1, 10), rng.integers(1, 21)
            image[z : z + 2, y : y + 2, 20:22] = 3.0
        write(raw / "imagesTr" / f"{id}_0000.nii.gz", image.astype(np.float32))
        write(raw / "labelsTr" / f"{id}.nii.gz", labels)
    dataset = {
        "channel_names": {"0": "t1"},
        "labels": {"background": 0, "tumour": 1, "pancreas": 2},
        "numTraining": CASES,
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(dataset))
    return ids


def main(folder: Path) -> None:
    names = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
    os.environ |= {name: str(folder / name) for name in names}
    os.environ |= {"nnUNet_compile": "0", "nnUNet_n_proc_DA": "0", "nnUNet_def_n_proc": "1"}
    # nnU-Net starts a new interpreter for each of its pools; a copy of this one does as well.
    multiprocessing.get_context = lambda *_: multiprocessing.context.ForkContext()  # type: ignore
    import tiny
    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprint_dataset
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    raw, home = folder / names[0] / DATASET, folder / names[1] / DATASET
    ids = write_cohort(raw)
    dataset = json.loads((raw / "dataset.json").read_text())
    home.mkdir(parents=True)
    (home / "dataset.json").write_text(json.dumps(dataset))
    splits = [{"train": ids[1::2], "val": ids[::2]}, {"train": ids[::2], "val": ids[1::2]}]
    (home / "splits_final.json").write_text(json.dumps(splits))
    for id in ids:
        source = SimpleITK.ReadImage(str(raw / "labelsTr" / f"{id}.nii.gz"))
        (home / "gt_segmentations").mkdir(exist_ok=True)
        SimpleITK.WriteImage(source, str(home / "gt_segmentations" / f"{id}.nii.gz"))
    extract_fingerprint_dataset(int(DATASET[7:10]), num_processes=1, show_progress_bar=False)
    for number, name in enumerate(("nnUNetPlans", "wider")):
        plans = tiny.plans(patch=(8, 16, 16), channels=1, data_identifier=name)
        plans |= {"dataset_name": DATASET, "plans_name": name}
        if number:
            kwargs = plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]
            kwargs["features_per_stage"] = [2 * n for n in kwargs["features_per_stage"]]
        (home / f"{name}.json").write_text(json.dumps(plans))
        DefaultPreprocessor(verbose=False).run(
            int(DATASET[7:10]), "3d_fullres", name, num_processes=1
        )
        for fold in range(len(splits)):
            for seed in (random.seed, np.random.seed, torch.manual_seed):  # patches, augmentation
                seed(10 * number + fold + 1)
            trained = json.loads(json.dumps(plans)) | {"continue_training": False}
            trainer = nnUNetTrainer(trained, "3d_fullres", fold, dataset, torch.device("cpu"))
            trainer.num_epochs, trainer.num_iterations_per_epoch = 1, 40
            trainer.num_val_iterations_per_epoch, trainer.save_every = 1, 50
            trainer.run_training()
            trainer.perform_actual_validation(True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
