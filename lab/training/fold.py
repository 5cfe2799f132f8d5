"""Train one fold of one stage, or finish it, and write where its weights came from.

`python -m lab.training.fold DATASET CONFIGURATION FOLD --stage NAME [--set KEY=VALUE ...] [--start
CHECKPOINT] [--device cuda|cpu]`, with nnU-Net's folder variables set. nnUNetv2_train is not used:
on a processor build of torch its search for trainer classes imports torchvision, which may not
load there; and a checkpoint does not say all that provenance.json does.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from challenge.provenance import sha256_of
from lab.training.preprocess import PLANS
from lab.training.trainers import Settings, trainer_class
from lab.training.transfer import take_weights

PROVENANCE = "provenance.json"


@dataclass(frozen=True)
class FoldTraining:
    """One fold of one stage: what it is trained on, with what, and from what."""

    dataset: str
    configuration: str
    fold: int | str  # a number, or "all"
    stage: str
    settings: Settings
    start: Path | None = None  # a checkpoint
    keeps_heads: bool = False
    hard_negatives: Path | None = None  # a folder that `lab.training.hard_negatives` wrote
    device: str = "cuda"
    is_validated: bool = True


def main(argv: list[str]) -> int:
    """Train a fold."""
    parser = argparse.ArgumentParser(prog="python -m lab.training.fold")
    add = parser.add_argument
    add("dataset")
    add("configuration")
    add("fold", help="a number, or all")
    add("--stage", required=True)
    add("--set", nargs="*", default=[], metavar="KEY=VALUE")
    add("--start", type=Path, metavar="CHECKPOINT")
    add("--keep-heads", action="store_true", help="where START has the same labels")
    add("--hard", type=Path, metavar="DIR", help="hard negatives, of lab.training.hard_negatives")
    add("--device", choices=("cuda", "cpu"), default="cuda")
    add("--skip-validation", action="store_true", help="where out-of-fold predictions follow")
    args = parser.parse_args(argv)
    train(
        FoldTraining(
            dataset=args.dataset,
            configuration=args.configuration,
            fold=args.fold if args.fold == "all" else int(args.fold),
            stage=args.stage,
            settings=Settings.of(dict(pair.split("=", 1) for pair in args.set)),
            start=args.start,
            keeps_heads=args.keep_heads,
            hard_negatives=args.hard,
            device=args.device,
            is_validated=not args.skip_validation,
        )
    )
    return 0


def train(training: FoldTraining) -> None:
    """Train, go on, or do nothing where all is done; then validate the last and the best epoch."""
    started = time.time()
    trainer = open_trainer(training)
    folder = Path(trainer.output_folder)
    if (folder / PROVENANCE).exists():
        print(f"{folder} is finished")
        return
    trainer.initialize()
    if trainer.device.type == "cpu":
        trainer.network.to(memory_format=torch.channels_last_3d)
    transfer = fit(trainer, training)
    # Of all cases none is held out.
    names = ("final", "best") if training.is_validated and training.fold != "all" else ()
    validation_dice = {name: validate(trainer, name) for name in names}
    content = provenance(training) | {
        "transfer": transfer,
        "validation_dice": validation_dice,
        "hours": round((time.time() - started) / 3600, 3),
    }
    (folder / PROVENANCE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def open_trainer(training: FoldTraining) -> Any:
    """Return nnU-Net's trainer of a fold, seeded, its network not yet built."""
    from lab.training.normalisation import register

    register()
    preprocessed = preprocessed_folder(training.dataset)
    plans, dataset_json = (_read(preprocessed / f"{name}.json") for name in (PLANS, "dataset"))
    plans["continue_training"] = False  # the trainer reads it; `fit` decides
    torch.manual_seed(seed_of(training))
    architecture = plans["configurations"][training.configuration]["architecture"]
    network = architecture["network_class_name"].rpartition(".")[2]
    make_trainer: Any = trainer_class(
        training.stage, training.settings, training.hard_negatives, network
    )
    device = torch.device(training.device)
    return make_trainer(plans, training.configuration, training.fold, dataset_json, device)


def seed_of(training: FoldTraining) -> int:
    """Return the seed of a fold's first weights: another one for each fold, and for each seed."""
    return 1000 * training.settings.seed + (0 if training.fold == "all" else int(training.fold))


def fit(trainer: Any, training: FoldTraining) -> list[str]:
    """Train from where an earlier run stopped; return the report of the weights that it began with.

    The report is empty where training goes on, or starts from scratch.
    """
    folder, report = Path(trainer.output_folder), list[str]()
    if (folder / "checkpoint_final.pth").exists():
        print(f"{folder} is trained, validation goes on")
        return report
    if (folder / "checkpoint_latest.pth").exists():
        trainer.load_checkpoint(str(folder / "checkpoint_latest.pth"))
    elif training.start:
        transfer = take_weights(trainer.network, training.start, training.keeps_heads)
        report = list(transfer.lines())
        print("\n".join(report), flush=True)
    trainer.run_training()
    return report


def validate(trainer: Any, name: str) -> float | None:
    """Predict the held-out cases with a checkpoint; return the mean Dice, as nnU-Net has it.

    The winner's trainers validate the last and the best epoch, since either may be better.
    """
    folder = Path(trainer.output_folder)
    path = folder / f"checkpoint_{name}.pth"
    target = folder / f"validation_{name}"
    if not path.exists():
        return None
    if not (target / "summary.json").exists():
        trainer.load_checkpoint(str(path))
        trainer.perform_actual_validation(False)
        shutil.rmtree(target, ignore_errors=True)
        (folder / "validation").rename(target)
    return float(_read(target / "summary.json")["foreground_mean"]["Dice"])


def provenance(training: FoldTraining) -> dict[str, Any]:
    """Return where a fold's weights came from: code, versions, data, start, settings."""
    repository = Path(__file__).resolve().parents[2]
    git = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    start, hard_negatives = training.start, training.hard_negatives
    return {
        "stage": training.stage,
        "dataset": training.dataset,
        "configuration": training.configuration,
        "fold": str(training.fold),
        "settings": vars(training.settings),
        "commit": commit or "unknown",
        "versions": {name: version(name) for name in ("torch", "nnunetv2", "numpy")},
        "data_sha256": data_hash(preprocessed_folder(training.dataset)),
        "hard": str(hard_negatives) if hard_negatives else None,
        "start": str(start) if start else None,
        "start_sha256": sha256_of(start) if start else None,
        "device": torch.cuda.get_device_name() if training.device == "cuda" else "cpu",
    }


def preprocessed_folder(dataset: str) -> Path:
    """Return nnU-Net's folder of a preprocessed dataset."""
    from nnunetv2.paths import nnUNet_preprocessed

    return Path(str(nnUNet_preprocessed), dataset)


def data_hash(preprocessed: Path) -> str:
    """Return one hash of a dataset's description, plans, splits and fingerprint."""
    digest = hashlib.sha256()
    for name in ("dataset", PLANS, "splits_final", "dataset_fingerprint"):
        path = preprocessed / f"{name}.json"
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
