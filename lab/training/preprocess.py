"""Fingerprint, plans, splits and preprocessing of one raw dataset, for a recipe's configurations.

`python -m lab.training.preprocess DATASET --configuration NAME:NETWORK:SPACING:PATCH:BATCH[:NORM]`,
e.g. `iso:resenc-l:1,1,1:192,192,192:2`, with nnU-Net's folder variables set. Finished
steps are skipped.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import joblib

from challenge.folders import entries
from challenge.refusal import Refusal
from lab.arguments import add_jobs
from lab.training.plans import (
    Configuration,
    read_clusters,
    splits,
    stratified_splits,
    with_configuration,
)

PLANS = "nnUNetPlans"


def main(argv: list[str]) -> int:
    """Prepare a dataset for training."""
    parser = argparse.ArgumentParser(prog="python -m lab.training.preprocess")
    add = parser.add_argument
    add("dataset")
    add("--configuration", action="append", required=True, metavar="NAME:NETWORK:...")
    add("--folds", type=int, default=5)
    add("--clusters", type=Path, metavar="FILE", help="JSON: case -> cluster, to stratify folds by")
    add_jobs(parser, 2)
    args = parser.parse_args(argv)
    wanted = [Configuration.of(text) for text in args.configuration]
    prepare(args.dataset, wanted, args.folds, args.clusters, args.jobs)
    return 0


def prepare(
    dataset: str, wanted: list[Configuration], folds: int, clusters: Path | None, jobs: int
) -> None:
    """Bring a raw dataset to what nnU-Net's trainer reads."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprint_dataset,
        plan_experiment_dataset,
    )
    from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw

    home, number = Path(str(nnUNet_preprocessed), dataset), int(dataset[7:10])
    path = home / f"{PLANS}.json"
    if not path.exists():
        extract_fingerprint_dataset(number, num_processes=jobs, show_progress_bar=False)
        plan_experiment_dataset(number)
    plans = json.loads(path.read_text(encoding="utf-8"))
    for each in wanted:
        plans = with_configuration(plans, each)
    path.write_text(json.dumps(plans, indent=2) + "\n", encoding="utf-8")
    ending = json.loads((home / "dataset.json").read_text(encoding="utf-8"))["file_ending"]
    labels = entries(Path(str(nnUNet_raw), dataset, "labelsTr"), f"*{ending}")
    cases = [label.name.removesuffix(ending) for label in labels]
    parts = stratified_splits(read_clusters(clusters), folds) if clusters else splits(cases, folds)
    if sorted(case for fold in parts for case in fold["val"]) != cases:
        raise Refusal(f"{clusters}: not the cases of {dataset}")
    (home / "splits_final.json").write_text(json.dumps(parts, indent=2) + "\n", encoding="utf-8")
    truth = home / "gt_segmentations"  # what nnU-Net's validation compares with
    truth.mkdir(exist_ok=True)
    for label in labels:
        if not (truth / label.name).exists():
            shutil.copyfile(label, truth / label.name)
    for each in wanted:
        preprocess(dataset, each.name, cases, jobs)


def preprocess(dataset: str, name: str, cases: list[str], jobs: int) -> None:
    """Preprocess the cases of a configuration that are not there yet."""
    parallel = joblib.Parallel(n_jobs=jobs)
    parallel(joblib.delayed(preprocess_case)(dataset, name, case) for case in cases)


def preprocess_case(dataset: str, name: str, case: str) -> None:
    """Preprocess one case as nnU-Net does; in a process that must know our normalisation."""
    from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from lab.training.normalisation import register

    register()
    home, raw = Path(str(nnUNet_preprocessed), dataset), Path(str(nnUNet_raw), dataset)
    manager = PlansManager(str(home / f"{PLANS}.json"))
    configuration = manager.get_configuration(name)
    folder = home / configuration.data_identifier
    folder.mkdir(exist_ok=True)
    if (folder / f"{case}.pkl").exists():  # written last
        return
    description = json.loads((home / "dataset.json").read_text(encoding="utf-8"))
    ending = description["file_ending"]
    images = sorted(map(str, (raw / "imagesTr").glob(f"{case}_[0-9][0-9][0-9][0-9]{ending}")))
    label = str(raw / "labelsTr" / f"{case}{ending}")
    preprocessor = DefaultPreprocessor(verbose=False)
    preprocessor.run_case_save(
        str(folder / case), images, label, manager, configuration, description
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
