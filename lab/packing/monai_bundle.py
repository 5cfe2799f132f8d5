"""A MONAI bundle: its network, and where its transforms and tiles are others than member.json's."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from challenge.channels import sequence_of
from challenge.scheme import Scheme
from ensemble.exported_member import MEMBER_FILE, Description
from lab.packing.monai_config import plain_parts, plain_value, read_config, referenced
from lab.packing.trained_folder import PackError, read_object
from lab.training.monai_networks import Architecture, MonaiError, read_architecture

CONFIGS = ("inference.json", "inference.yaml", "inference.yml")
METADATA, WEIGHTS = "metadata.json", "model.pt"
GAUSSIAN, OVERLAP = "gaussian", 0.25  # the second is MONAI's default
Z_SCORE = ("ZScoreNormalization", "ClippedZScoreNormalization")
# Transforms that member.json says something of; LoadImaged and what only moves data are no news.
SPACING, ORIENTATION, NORMALISE = "Spacingd", "Orientationd", "NormalizeIntensityd"
WITHOUT_EFFECT = (
    *("LoadImaged", "EnsureChannelFirstd", "EnsureTyped", "ToTensord", "AddChanneld"),
    *("AsChannelFirstd", "ConcatItemsd", "CastToTyped", "SelectItemsd"),
)


@dataclass(frozen=True)
class Bundle:
    """What is read of a bundle."""

    config: Path
    weights: Path
    architecture: Architecture
    inferer: Mapping[str, Any]  # roi_size, overlap and mode, where they are plain
    transforms: tuple[tuple[str, Mapping[str, Any]], ...]  # of the preprocessing: name, arguments
    inputs: tuple[str, ...]  # names of channels by metadata.json, in order
    outputs: tuple[str, ...]

    def differences(self, described: Description, scheme: Scheme) -> Iterator[str]:
        """Yield a line for each thing that member.json says otherwise, or cannot say.

        Raises:
            PackError: the tiles, or the order of the channels, are others.
        """
        plan = described.plan
        roi = self.inferer.get("roi_size")
        if is_patch(roi) and list(roi) != list(plan.patch):
            raise PackError(
                f"{self.config}: roi_size is {list(roi)}, {MEMBER_FILE}'s patch {list(plan.patch)}"
            )
        _check_order(self, described, scheme)
        if self.inferer:
            yield from self._of_inferer(described)
        yield from self._of_transforms(described)

    def _of_inferer(self, described: Description) -> Iterator[str]:
        where, step = self.config.name, described.step
        overlap = self.inferer.get("overlap", OVERLAP)
        if step is not None and is_number(overlap) and not math.isclose(overlap, 1 - step):
            yield (
                f"{where} overlaps tiles by {overlap:g}, {MEMBER_FILE}'s step {step:g} by "
                f"{1 - step:g}"
            )
        if (mode := self.inferer.get("mode", "constant")) != GAUSSIAN:
            yield f"{where} blends tiles by {mode!r}, Podium by a Gaussian"

    def _of_transforms(self, described: Description) -> Iterator[str]:
        plan, where = described.plan, self.config.name
        for name, arguments in self.transforms:
            if name == SPACING:
                mm = arguments.get("pixdim")
                if mm != list(plan.spacing_mm):
                    yield f"{where}: Spacingd {mm}, {MEMBER_FILE}'s spacing {list(plan.spacing_mm)}"
            elif name == ORIENTATION:
                code = arguments.get("axcodes")
                if code != plan.orientation:
                    yield f"{where}: Orientationd {code}, {MEMBER_FILE}'s {plan.orientation}"
            elif name == NORMALISE:
                yield from _of_normalisation(where, arguments, described)
            elif name not in WITHOUT_EFFECT:
                yield f"{where}: {name} is not done but as {MEMBER_FILE} says it"


def find_bundle(path: Path) -> Path | None:
    """Return the configuration of a bundle's inference, None where a path is no bundle."""
    files = (path / "configs" / name for name in CONFIGS)
    return next((file for file in files if file.is_file()), None)


def read_bundle(config: Path) -> Bundle:
    """Read a bundle's configuration, and what metadata.json says of its channels.

    Raises:
        PackError: not JSON or YAML, no weights, or a network that needs an expression.
        MonaiError: another network than those that are built.
    """
    content = read_config(config)
    home = config.parents[1]
    weights = home / "models" / WEIGHTS
    if not weights.is_file():
        raise PackError(f"{home}: no models/{WEIGHTS}")
    metadata_file = config.with_name(METADATA)
    metadata = read_object(metadata_file, str(metadata_file)) if metadata_file.is_file() else {}
    data_format = metadata.get("network_data_format", {})
    return Bundle(
        config=config,
        weights=weights,
        architecture=_architecture(content, config),
        inferer=plain_parts(content, content.get("inferer", {})),
        transforms=tuple(_transforms(content)),
        inputs=_channels(data_format, "inputs", "image"),
        outputs=_channels(data_format, "outputs", "pred"),
    )


def is_patch(sides: Any) -> TypeGuard[Sequence[int]]:
    """Return whether a roi_size fixes all sides of a tile."""
    return isinstance(sides, Sequence) and all(isinstance(n, int) and n > 0 for n in sides)


def is_number(value: Any) -> bool:
    """Return whether a value of a configuration is one number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _architecture(content: Mapping[str, Any], config: Path) -> Architecture:
    key = "network_def" if "network_def" in content else "network"
    network = content.get(key)
    if not isinstance(network, Mapping) or "_target_" not in network:
        raise MonaiError(
            f"{config}: no network_def with _target_ and arguments; name the network in "
            f'{MEMBER_FILE}\'s "architecture"'
        )
    arguments = {
        str(name): plain_value(content, value, f"{config}: {key}'s {name}")
        for name, value in network.items()
        if not str(name).startswith("_")
    }
    named = {"class": network["_target_"], "arguments": arguments}
    return read_architecture(named, f"{config}: {key}")


def _transforms(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    preprocessing = content.get("preprocessing", {})
    steps = preprocessing.get("transforms", ()) if isinstance(preprocessing, Mapping) else ()
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, str) and step.startswith("@"):
            step = referenced(content, step, "a transform")
        if isinstance(step, Mapping) and "_target_" in step:
            name = str(step["_target_"]).rpartition(".")[2]
            yield name, plain_parts(content, step)
        else:
            yield json.dumps(step)[:80], {}


def _channels(data_format: Any, side: str, name: str) -> tuple[str, ...]:
    try:
        named = data_format[side][name]["channel_def"]
        return tuple(str(named[key]) for key in sorted(named, key=int))
    except (KeyError, TypeError, ValueError):
        return ()


def _check_order(bundle: Bundle, described: Description, scheme: Scheme) -> None:
    order = [sequence_of(name, scheme) for name in bundle.inputs]
    if None not in order and order and order != list(described.sequences):
        raise PackError(
            f"{bundle.config.with_name(METADATA)}: channels {', '.join(bundle.inputs)}; "
            f"{MEMBER_FILE} has {', '.join(described.sequences)}"
        )


def _of_normalisation(
    where: str, arguments: Mapping[str, Any], described: Description
) -> Iterator[str]:
    plan = described.plan
    is_masked = bool(arguments.get("nonzero", False))
    if not set(plan.normalisation) <= set(Z_SCORE):
        yield f"{where}: {NORMALISE}, {MEMBER_FILE} has {', '.join(plan.normalisation)}"
    elif set(plan.inside_mask) != {is_masked}:
        words = "non-zero voxels alone" if is_masked else "all voxels"
        yield f"{where}: {NORMALISE} of {words}, {MEMBER_FILE}'s inside_mask is not {is_masked}"
    elif is_masked and len(plan.normalisation) > 1:
        yield (
            f"{where}: {NORMALISE} takes a channel's non-zero voxels, Podium those where any "
            "channel is non-zero, with holes filled"
        )
