"""Freeze trained nnU-Net folders, or zips from `nnUNetv2_export_model_to_zip`, into weights/.

Of a checkpoint only what inference reads is kept: network weights (half precision, each tensor
once), the configuration's name and the mirroring axes. The result still opens in stock nnU-Net.
"""

import argparse
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from challenge.scheme import SCHEMES, Scheme
from ensemble.manifest import MANIFEST, SCHEMA, sha256_of, verify_model
from ensemble.network import build_network, load_network
from lab.checkpoints import read_training_checkpoint, slim_checkpoint
from lab.label_names import label_names
from lab.pack_selection import pack_selection
from lab.proof import prove
from lab.release import check_fresh, write_card
from lab.stock import Trained
from lab.synthetic_case import try_case
from postprocess.artefacts import load_artefacts, save_artefacts

# Of a fold's provenance.json; `start_sha256` is the checkpoint that it went on from.
RECIPE = ("stage", "dataset", "settings", "commit", "versions", "data_sha256", "start_sha256",
          "device")  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One trained model folder and what to take from it."""

    folder: Path
    folds: tuple[str, ...]
    checkpoint: str  # "checkpoint_final" or "checkpoint_best"
    weight: float


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    sources = "a folder with plans.json, dataset.json and fold_*, or its export zip"
    parser.add_argument("sources", nargs="*", type=Path, metavar="FOLDER_OR_ZIP", help=sources)
    chosen = "instead of sources: what `lab select` wrote, its candidates packed before"
    parser.add_argument("--selection", type=Path, metavar="FILE", help=chosen)
    parser.add_argument("--model", required=True, help="name of the model folder to make")
    parser.add_argument("--scheme", required=True, choices=sorted(SCHEMES))
    parser.add_argument("--out", type=Path, default=Path("weights"))
    parser.add_argument("--folds", nargs="+", help="default: every fold that has the checkpoint")
    parser.add_argument("--checkpoint", choices=("final", "best"), default="final")
    parser.add_argument("--weight", nargs="+", type=float, help="one a source; default: 1 each")
    parser.add_argument("--labels", metavar="NAME=VALUE,...", help="where dataset.json is unclear")
    parser.add_argument("--channels", metavar="NAME,...", help="where dataset.json is unclear")
    parser.add_argument("--mirroring", action="store_true", help="average over flips (8 x slower)")
    parser.add_argument("--step", type=float, default=0.5, help="tile step as a share of the patch")
    parser.add_argument("--artefact", type=Path, metavar="DIR", help="post-processing to ship")
    parser.add_argument("--data", default="", help="what it was trained on, for the model card")
    gaps = "the members were trained on cases that lack sequences too"
    parser.add_argument("--missing-sequences", action="store_true", help=gaps)
    real = (
        "prove it on a real case too: a challenge's folder, a scan, or nnU-Net's <case>_0000 file"
    )
    parser.add_argument("--prove", type=Path, metavar="CASE", help=real)
    released = "write a model card, and load what was packed in a fresh process"
    parser.add_argument("--release", action="store_true", help=released)
    parser.add_argument("--note", default="", help="one sentence for users, printed at every run")


def run(args: argparse.Namespace) -> int:
    """Pack the sources into a new model folder and verify it as the program will."""
    scheme, target = SCHEMES[args.scheme], args.out / args.model
    if target.exists():
        raise SystemExit(f"{target} exists already; remove it or choose another --model")
    if bool(args.sources) == bool(args.selection):
        raise SystemExit("either sources or --selection")
    weights = args.weight or [1.0] * len(args.sources)
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "model": args.model,
        "scheme": scheme.name,
        "note": args.note,
        "settings": {
            "mirroring": args.mirroring,
            "step": args.step,
            **({"missing_sequences": True} if args.missing_sequences else {}),
        },
        "members": [],
        "versions": {name: version(name) for name in ("torch", "nnunetv2", "numpy")},
    }
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.out, prefix=".packing-") as scratch:
        building = Path(scratch) / args.model
        building.mkdir()
        manifest["proof"] = []  # of each source, beside stock nnU-Net
        if args.selection:
            manifest |= pack_selection(args.selection, building, scheme)
        for path, weight in zip(args.sources, weights, strict=True):
            with model_folder(path) as folder:
                folds = tuple(args.folds or _folds(folder, f"checkpoint_{args.checkpoint}"))
                source = Source(folder, folds, f"checkpoint_{args.checkpoint}", weight)
                entries = pack_source(source, building, scheme, args)
                manifest["members"] += entries
                write_manifest(building, manifest)
                trained, home = Trained(folder, folds, source.checkpoint), entries[0]["folder"]
                manifest["proof"].append(prove(trained, building / MANIFEST, home, args.prove))
        if args.artefact:
            save_artefacts(building, load_artefacts(args.artefact, scheme))
        if args.release:
            write_card(building, manifest, scheme, args.data)
        write_manifest(building, manifest)
        check_members(building / MANIFEST)
        if args.release:
            check_fresh(building / MANIFEST)
        print(f"{args.model}: synthetic case: {try_case(building / MANIFEST)}")
        building.rename(target)
    size_mb = sum(p.stat().st_size for p in target.rglob("*") if p.is_file()) / 1e6
    print(f"{target}: {len(manifest['members'])} members, {size_mb:.1f} MB")
    return 0


def pack_source(
    source: Source, building: Path, scheme: Scheme, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Copy one source's slim files into the model folder; return its manifest entries."""
    number = sum(path.is_dir() for path in building.iterdir())
    home = building / (f"{source.folder.name}-{number}" if number else source.folder.name)
    home.mkdir(parents=True)
    shutil.copyfile(source.folder / "plans.json", home / "plans.json")
    dataset = json.loads((source.folder / "dataset.json").read_text(encoding="utf-8"))
    if args.channels:
        names = args.channels.split(",")
        dataset["channel_names"] = {str(i): name for i, name in enumerate(names)}
    _write_json(home / "dataset.json", dataset)
    labels = _given_labels(args.labels) or label_names(dataset, scheme)
    entries = []
    for fold in source.folds:
        original = source.folder / f"fold_{fold}" / f"{source.checkpoint}.pth"
        content = read_training_checkpoint(original)
        slim = home / f"fold_{fold}" / original.name
        slim.parent.mkdir()
        torch.save(slim_checkpoint(content), slim)
        entries.append(
            {
                "folder": home.name,
                "group": home.name,
                "configuration": content["init_args"]["configuration"],
                "fold": str(fold),
                "checkpoint": source.checkpoint,
                "weight": source.weight,
                "labels": {str(value): name for name, value in labels.items()},
                "sha256": sha256_of(slim),
                "size_bytes": slim.stat().st_size,
                "provenance": {
                    "trainer": content["trainer_name"],
                    "epochs": content.get("current_epoch"),
                    "trained_sha256": sha256_of(original),
                    **recipe_of(original.parent),
                },
            }
        )
    return entries


def recipe_of(fold: Path) -> dict[str, Any]:
    """Return what `lab train` left of a fold's origin, without paths of the machine; or nothing."""
    path = fold / "provenance.json"
    if not path.is_file():
        return {}
    told = json.loads(path.read_text(encoding="utf-8"))
    return {"recipe": {key: told[key] for key in RECIPE if key in told}}


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write MANIFEST.json with size and sha256 of every other file of the folder."""
    files = {
        str(path.relative_to(folder)): {
            "sha256": sha256_of(path),
            "size_bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    _write_json(folder / MANIFEST, {**manifest, "files": files})


def check_members(manifest: Path) -> None:
    """Open every member as the program will: hashes, plans, heads, and the network's weights."""
    for member in verify_model(manifest).members:
        network = build_network(member.plan, len(member.sequences), len(member.head.channels))
        load_network(network, member.checkpoint)


@contextmanager
def model_folder(path: Path) -> Iterator[Path]:
    """Yield the folder that holds plans.json, from a folder or from an exported zip."""
    if path.is_dir():
        yield _holding_plans(path)
        return
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(path) as archive:
        archive.extractall(scratch)
        yield _holding_plans(Path(scratch))


def _holding_plans(root: Path) -> Path:
    folders = [p.parent for p in sorted(root.rglob("plans.json")) if any(p.parent.glob("fold_*"))]
    if len(folders) != 1:
        raise SystemExit(f"{root}: {len(folders)} folders with plans.json and fold_*, one expected")
    return folders[0]


def _folds(folder: Path, checkpoint: str) -> Sequence[str]:
    folds = [p.parent.name.removeprefix("fold_") for p in folder.glob(f"fold_*/{checkpoint}.pth")]
    if not folds:
        raise SystemExit(f"{folder}: no fold_*/{checkpoint}.pth")
    return sorted(folds)


def _given_labels(text: str | None) -> dict[str, int]:
    pairs = (pair.split("=") for pair in text.split(",")) if text else ()
    return {name: int(value) for name, value in pairs}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
