"""Train one fold of one stage, or finish it, and leave where it came from.

`python -m lab.training.fold DATASET CONFIGURATION FOLD --stage NAME [--set KEY=VALUE ...] [--start
CHECKPOINT] [--device cuda|cpu]`, with nnU-Net's folder variables set. nnUNetv2_train is not used:
on a processor build of torch its search for trainer classes imports torchvision, which may not
load there; and what a checkpoint does not give is told here.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from lab.training.preprocess import PLANS
from lab.training.trainers import Settings, trainer_class
from lab.training.transfer import take_weights

PROVENANCE = "provenance.json"


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
    settings = Settings.of(dict(pair.split("=", 1) for pair in args.set))
    train(args, settings)
    return 0


def train(args: argparse.Namespace, settings: Settings) -> None:
    """Train, go on, or do nothing where all is done; then validate the last and the best."""
    from nnunetv2.paths import nnUNet_preprocessed

    from lab.training.normalisation import register

    register()
    home = Path(str(nnUNet_preprocessed), args.dataset)
    plans, description = (_read(home / f"{name}.json") for name in (PLANS, "dataset"))
    fold = args.fold if args.fold == "all" else int(args.fold)
    torch.manual_seed(0 if fold == "all" else fold)
    began = time.time()
    plans["continue_training"] = False  # read by the trainer, which is told below
    device = torch.device(args.device)
    trainer: Any = trainer_class(args.stage, settings, args.hard)(
        plans, args.configuration, fold, description, device
    )
    at = Path(trainer.output_folder)
    if (at / PROVENANCE).exists():
        print(f"{at} is finished")
        return
    trainer.initialize()
    if device.type == "cpu":
        trainer.network.to(memory_format=torch.channels_last_3d)
    report: list[str] = []
    if (at / "checkpoint_final.pth").exists():
        print(f"{at} is trained, validation goes on")
    elif (at / "checkpoint_latest.pth").exists():
        trainer.load_checkpoint(str(at / "checkpoint_latest.pth"))
    elif args.start:
        report = list(take_weights(trainer.network, args.start, args.keep_heads).lines())
        print("\n".join(report), flush=True)
    if not (at / "checkpoint_final.pth").exists():
        trainer.run_training()
    none = fold == "all" or args.skip_validation  # of all cases none is held out
    names = () if none else ("final", "best")
    validated = {name: validate(trainer, name) for name in names}
    told = provenance(args, settings, home) | {
        "transfer": report,
        "validation_dice": validated,
        "hours": round((time.time() - began) / 3600, 3),
    }
    (at / PROVENANCE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def validate(trainer: Any, name: str) -> float | None:
    """Predict the held-out cases with a checkpoint; return the mean Dice, as nnU-Net has it.

    The winner's trainers validate the last and the best epoch, since either may be better.
    """
    at = Path(trainer.output_folder)
    path = at / f"checkpoint_{name}.pth"
    target = at / f"validation_{name}"
    if not path.exists():
        return None
    if not (target / "summary.json").exists():
        trainer.load_checkpoint(str(path))
        trainer.perform_actual_validation(False)
        shutil.rmtree(target, ignore_errors=True)
        (at / "validation").rename(target)
    return float(_read(target / "summary.json")["foreground_mean"]["Dice"])


def provenance(args: argparse.Namespace, settings: Settings, home: Path) -> dict[str, Any]:
    """Return where a fold's weights came from: code, versions, data, start, settings."""
    repository = Path(__file__).resolve().parents[2]
    git = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "stage": args.stage,
        "dataset": args.dataset,
        "configuration": args.configuration,
        "fold": args.fold,
        "settings": vars(settings),
        "commit": commit or "unknown",
        "versions": {name: version(name) for name in ("torch", "nnunetv2", "numpy")},
        "data_sha256": data_hash(home),
        "hard": str(args.hard) if args.hard else None,
        "start": str(args.start) if args.start else None,
        "start_sha256": _sha256(args.start) if args.start else None,
        "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
    }


def data_hash(home: Path) -> str:
    """Return one hash of a dataset's description, plans, splits and fingerprint."""
    whole = hashlib.sha256()
    for name in ("dataset", PLANS, "splits_final", "dataset_fingerprint"):
        path = home / f"{name}.json"
        whole.update(path.read_bytes() if path.exists() else b"")
    return whole.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
