"""A network of MONAI as its training left it: member.json beside weights, or a bundle.

    member.json, with "architecture"                or   member.json
    fold_<k>/weights.pt (.pth, model.pt, model.pth)      configs/inference.json (or .yaml)
                                                         models/model.pt
                                                         configs/metadata.json, where there is one

It becomes a folder of exported programs for as long as it is packed: the container runs programs,
and needs no MONAI.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from challenge.provenance import sha256_of
from challenge.scheme import Scheme
from ensemble.exported_member import (
    MEMBER_FILE,
    PROGRAM_FILE,
    Description,
    read_description,
)
from lab.packing.export_member import MOST_TILES
from lab.packing.exported_folder import PackedFrom
from lab.packing.exported_proof import ANSWER_FILE
from lab.packing.monai_bundle import Bundle, find_bundle, read_bundle
from lab.packing.monai_draft import draft_member
from lab.packing.random_tile import SEED, draw_tile
from lab.packing.region_order import InOrder, large_regions_first
from lab.packing.trained_folder import PackError, read_object
from lab.packing.training_weights import fill, read_weights
from lab.training.monai_networks import (
    MONAI_VERSION,
    Architecture,
    MonaiError,
    Sizes,
    build_network,
    check_patch,
    read_architecture,
    require_monai,
)

ARCHITECTURE = "architecture"  # the key of member.json
WEIGHT_FILES = ("weights.pt", "weights.pth", "model.pt", "model.pth")
# What torch.export raises at a network that it cannot follow.
UNTRACEABLE = (RuntimeError, ValueError, TypeError, AttributeError, AssertionError, KeyError)
# A bundle does not say which cases it was trained without.
FOLD_OF_BUNDLE = "all"
# MONAI's readers give x, y, z: what is easily left out is asked for.
NEEDED = ("transpose", "orientation")


@dataclass(frozen=True)
class MonaiFolder:
    """What is packed: weights by fold, and the network that they are of."""

    path: Path
    described: Description
    architecture: Architecture
    weights: Mapping[str, Path]  # by fold
    content: Mapping[str, Any]  # of member.json, without the architecture
    origin: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by fold, of training
    order: tuple[int, ...] = ()  # that the network's outputs are brought into; (): as they come
    entry: Mapping[str, Any] = field(default_factory=dict)  # of every member in the manifest

    @property
    def sizes(self) -> Sizes:
        """Return the sizes that member.json says."""
        described = self.described
        return Sizes(
            len(described.sequences), len(described.head.channels), tuple(described.plan.patch)
        )

    def network(self, fold: str) -> tuple[nn.Module, list[str]]:
        """Return a fold's network as MONAI runs it, and in words what was left out for it.

        Raises:
            Refusal: it cannot be built, filled, or take a patch.
        """
        path = self.weights[fold]
        try:
            network, left_out = build_network(self.architecture, self.sizes)
            check_patch(network, self.architecture, self.sizes)
        except MonaiError as error:
            raise MonaiError(f"{self.path}: {error}") from error
        weights = read_weights(path, network.state_dict().keys())
        fill(network, weights, path, f"{ARCHITECTURE} {self.architecture.name}")
        if self.order:
            network = InOrder(network, self.order)
        words = [f"taken off: {', '.join(weights.unwrapped)}"] if weights.unwrapped else []
        words += [f"argument {key} left out, it changes no answer" for key in left_out]
        return network, words


def is_monai(path: Path) -> bool:
    """Return whether a source is a bundle, or a folder whose member.json names an architecture."""
    if find_bundle(path) is not None:
        return True
    described = path / MEMBER_FILE
    return described.is_file() and ARCHITECTURE in read_object(described, str(described))


def open_monai(path: Path, scheme: Scheme) -> MonaiFolder:
    """Read member.json, the bundle's configuration where there is one, and find the weights.

    Raises:
        Refusal: something is missing, unknown, or contradicts something else.
    """
    installed = require_monai()
    if installed != MONAI_VERSION:
        print(f"{path}: MONAI {installed} builds it; Podium is tested with {MONAI_VERSION}")
    described_by = path / MEMBER_FILE
    config = find_bundle(path)
    bundle = None if config is None else read_bundle(config)
    if bundle is not None and not described_by.is_file():
        print(json.dumps(draft_member(bundle, scheme), indent=1))
        raise PackError(
            f"{path}: no {MEMBER_FILE}, which says what a bundle's transforms do not; a draft is "
            f"printed above: save it as {described_by}, and fill in what is null"
        )
    content = read_object(described_by, str(described_by))
    if lacking := [key for key in NEEDED if key not in content]:
        raise PackError(
            f"{described_by}: it lacks {' and '.join(lacking)}; MONAI's readers give x, y, z: "
            '"transpose": [2, 1, 0], and "orientation" as Orientationd has it, or null'
        )
    architecture = _architecture(content, described_by, bundle)
    content = {key: value for key, value in content.items() if key != ARCHITECTURE}
    content.setdefault("network", f"{architecture.name} of MONAI {installed}")
    content, order = large_regions_first(content, path)
    described = read_description(content, scheme, str(path))
    for line in bundle.differences(described, scheme) if bundle else ():
        print(f"{path}: {line}")
    weights = {FOLD_OF_BUNDLE: bundle.weights} if bundle else _weights(path)
    return MonaiFolder(path, described, architecture, weights, content, order=order)


@contextmanager
def exported_from(source: MonaiFolder, folds: Sequence[str]) -> Iterator[PackedFrom]:
    """Yield a temporary folder of exported programs, each with its answer to a random tile.

    Raises:
        Refusal: a network cannot be built, filled or exported; the message names its checkpoint.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / source.path.resolve().name
        folder.mkdir()
        text = json.dumps(source.content, indent=1) + "\n"
        (folder / MEMBER_FILE).write_text(text, encoding="utf-8")
        origin, seconds = {}, 0.0
        for number, fold in enumerate(folds):
            seconds = _export_fold(source, fold, folder, SEED + number)
            origin[fold] = {
                ARCHITECTURE: source.architecture.to_json(),
                "monai": require_monai(),
                "trained_sha256": sha256_of(source.weights[fold]),
                **source.origin.get(fold, {}),
            }
        yield PackedFrom(folder, origin, source.entry, seconds)


def _export_fold(source: MonaiFolder, fold: str, folder: Path, seed: int) -> float:
    """Write a fold's program and MONAI's answer to a tile; return the seconds of that answer."""
    (network, words), sizes = source.network(fold), source.sizes
    if words:
        print(f"{source.weights[fold]}: {'; '.join(words)}")
    home = folder / f"fold_{fold}"
    home.mkdir()
    tile = draw_tile(source.described.plan, sizes.channels, sizes.patch, seed)
    started = time.perf_counter()
    with torch.inference_mode():
        logits = network(tile[None])[0].numpy()
    seconds = time.perf_counter() - started
    np.savez(home / ANSWER_FILE, tile=tile.numpy(), logits=logits)
    torch.export.save(_program(source, fold, network), home / PROGRAM_FILE)
    return seconds


def _program(source: MonaiFolder, fold: str, network: nn.Module) -> torch.export.ExportedProgram:
    """Export a network for any number of tiles, else for one; say which where it is one."""
    shape, reasons = (source.sizes.channels, *source.sizes.patch), []
    any_number = ({0: torch.export.Dim("tiles", min=1, max=MOST_TILES)},)
    for tiles, shapes in ((2, any_number), (1, None)):
        try:
            program = torch.export.export(
                network, (torch.zeros((tiles, *shape)),), dynamic_shapes=shapes
            )
        except UNTRACEABLE as error:
            reasons.append((str(error).splitlines() or [type(error).__name__])[0][:200])
            continue
        if reasons:
            print(f"{source.weights[fold]}: runs one tile at a time ({reasons[0]})")
        return program
    raise MonaiError(f"{source.weights[fold]}: torch.export cannot write it ({reasons[-1]})")


def _architecture(content: Mapping[str, Any], path: Path, bundle: Bundle | None) -> Architecture:
    if ARCHITECTURE not in content and bundle is not None:
        return bundle.architecture
    named = read_architecture(content.get(ARCHITECTURE), f"{path}: {ARCHITECTURE}")
    if bundle is not None:
        print(f"{path}: its {ARCHITECTURE} is built, {bundle.config.name}'s network is not read")
    return named


def _weights(path: Path) -> dict[str, Path]:
    """Return each fold's weights, by number, others behind.

    Raises:
        PackError: there are none, or a fold has two files.
    """
    weights: dict[str, Path] = {}
    for home in sorted(path.glob("fold_*")):
        files = [home / name for name in WEIGHT_FILES if (home / name).is_file()]
        if len(files) > 1:
            names = " and ".join(file.name for file in files)
            raise PackError(f"{home}: {names}; one file of weights is expected")
        if files:
            weights[home.name.removeprefix("fold_")] = files[0]
    if not weights:
        names = ", ".join(WEIGHT_FILES)
        raise PackError(f"{path}: no fold_*/ with weights for its {ARCHITECTURE}: {names}")
    return weights
