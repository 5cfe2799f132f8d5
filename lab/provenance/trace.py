"""Show what a product was made from, as a tree: `python -m lab trace PATH`.

PATH is a model folder, an artefact, a folder of label or probability maps, a work folder of the
rule search, a selection, or a file in one of these. Each line names a product, the verb that made
it with its options, and the first digits of its sha256.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from challenge.provenance import (
    KEY,
    NAME,
    Provenance,
    ProvenanceError,
    from_json,
    read_provenance,
    sha256_of,
)
from ensemble.manifest import MANIFEST
from lab.json_files import read_json
from lab.provenance.records import model_record, rules_record
from postprocess.artefacts import JSON_NAME

UNWRAPPED = 10_000  # columns
# JSON files that hold a record, the latest product of a folder first.
RECORD_FILES = ("search.json", "setup.json", "selection.json")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a product: file or folder")


def run(args: argparse.Namespace) -> int:
    """Print the tree."""
    width = None if sys.stdout.isatty() else UNWRAPPED  # a pipe gets one line a product
    Console(highlight=False, width=width).print(tree(record_of(args.path)))
    return 0


def record_of(path: Path) -> Provenance:
    """Return the record of a product.

    Raises:
        Refusal: the path is missing, or neither it nor its folder holds a record.
    """
    if not path.exists():
        raise ProvenanceError(f"{path}: no such file or folder")
    folder = path if path.is_dir() else path.parent
    if path.is_file() and path.suffix == ".json" and (record := _of_json(path)):
        return record
    if (folder / MANIFEST).is_file():
        return model_record(folder)
    if (folder / JSON_NAME).is_file():
        return rules_record(folder)
    if (folder / NAME).is_file():
        training = _of_training(folder / NAME)
        record = training or read_provenance(folder)
    else:
        files = (folder / name for name in RECORD_FILES)
        record = next((each for file in files if file.is_file() and (each := _of_json(file))), None)
    if record is None:
        listed = ", ".join((MANIFEST, JSON_NAME, NAME, *RECORD_FILES))
        raise ProvenanceError(f"{path}: of unknown origin; no record in {folder} ({listed})")
    return record


def _of_json(path: Path) -> Provenance | None:
    """Return the record in a JSON file that is no manifest, artefact or folder's record."""
    if path.name in (MANIFEST, JSON_NAME, NAME):
        return None
    content = read_json(path)
    record = content.get(KEY) if isinstance(content, Mapping) else None
    return from_json(record, path) if record else None


def _of_training(path: Path) -> Provenance | None:
    """Return what `lab train` wrote beside a fold's checkpoint; None where the file is no such."""
    content = read_json(path)
    if not isinstance(content, Mapping) or "stage" not in content:
        return None
    checkpoint = path.parent / "checkpoint_final.pth"
    sha256 = sha256_of(checkpoint) if checkpoint.is_file() else ""
    return Provenance("checkpoint", path.parent.name, sha256, verb="train", facts=dict(content))


def tree(record: Provenance, role: str = "", above: set[str] | None = None) -> Tree:
    """Return a record and its inputs as a tree for a terminal; no input below two products.

    Args:
        record: of the product.
        role: of the product in what it is an input of.
        above: sha256 of what is in the tree already; this product and its inputs join.
    """
    above = set() if above is None else above
    inputs = {each.sha256 for each in record.inputs.values()}
    seen = bool(inputs) and inputs <= above
    above |= {record.sha256} - {""}
    branch = Tree(Text(line(record, role) + (", inputs as above" if seen else "")))
    for name, each in record.inputs.items() if not seen else ():
        branch.add(tree(each, name, above))
    return branch


def line(record: Provenance, role: str = "") -> str:
    """Return one line: role, product, name, hash, verb with options, facts."""
    prefix = "" if role in ("", record.product) else f"{role}: "
    words = [f"{prefix}{record.product} {record.name}"]
    words.append(f"sha256 {record.sha256[:12]}" if record.sha256 else "unfinished")
    if record.verb:
        options = " ".join(f"--{key} {_words(value)}" for key, value in record.options.items())
        words.append(f"by `{' '.join(filter(None, (record.command, options)))}`")
        words += [f"version {record.version}"] if record.version else []
    else:
        words.append("from outside")
    words += [f"{key.replace('_', ' ')} {_words(value)}" for key, value in record.facts.items()]
    return ", ".join(words)


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} {_words(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return " ".join(map(_words, value))
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text[:12] if len(text) == 64 else text
