"""nnU-Net's plans.json and dataset.json as plain facts, old format and new.

Knows the files, not the framework: nothing of nnU-Net or torch is imported. Axes are (z, y, x)
before `transpose` and the plan's own after it, as in nnU-Net 2.8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import Head, Scheme

# nnU-Net's readers, and the axis code that each brings images into before anything else; None:
# arrays are the file's own. Both only reverse axes to (z, y, x).
READER_ORIENTATION: Mapping[str, str | None] = {
    "SimpleITKIO": None,
    "NibabelIO": None,
    "SimpleITKIOWithReorient": "RAS",
    "NibabelIOWithReorient": "RAS",
}
RESAMPLING = "resample_data_or_seg_to_shape"


class PlansError(Refusal):
    """plans.json or dataset.json says something that cannot be followed."""


@dataclass(frozen=True)
class Resampling:
    """How nnU-Net resamples: spline order in general, and along a coarse axis."""

    order: int
    order_z: int
    force_separate_z: bool | None


@dataclass(frozen=True)
class Plan:
    """One configuration of one plans.json."""

    configuration: str
    spacing_mm: tuple[float, ...]
    patch: tuple[int, ...]
    transpose: tuple[int, int, int]
    transpose_back: tuple[int, int, int]
    normalisation: tuple[str, ...]
    inside_mask: tuple[bool, ...]  # z-score over the non-zero voxels only
    intensities: tuple[Mapping[str, float], ...]
    image_resampling: Resampling
    logit_resampling: Resampling
    orientation: str | None  # axis code of what the reader hands over; None: as stored
    network: str  # class name
    arguments: Mapping[str, Any]  # of the network class, names not yet resolved


def read_plan(plans: Mapping[str, Any], configuration: str) -> Plan:
    """Read one configuration, following `inherits_from`.

    Raises:
        PlansError: the configuration is unknown, a cascade's second stage, or uses a reader or a
            resampling that would not be reproduced exactly.
    """
    settings = _inherited(plans["configurations"], configuration)
    _refuse_unknown(plans, settings, configuration)
    network, arguments = _architecture(settings)
    properties = plans["foreground_intensity_properties_per_channel"]
    forward, back = plans["transpose_forward"], plans["transpose_backward"]
    return Plan(
        configuration=configuration,
        spacing_mm=tuple(settings["spacing"]),
        patch=tuple(settings["patch_size"]),
        transpose=(forward[0], forward[1], forward[2]),
        transpose_back=(back[0], back[1], back[2]),
        normalisation=tuple(settings["normalization_schemes"]),
        inside_mask=tuple(settings["use_mask_for_norm"]),
        intensities=tuple(properties[str(i)] for i in range(len(properties))),
        image_resampling=_resampling(settings, "resampling_fn_data"),
        logit_resampling=_resampling(settings, "resampling_fn_probabilities"),
        orientation=READER_ORIENTATION[plans["image_reader_writer"]],
        network=network,
        arguments=arguments,
    )


def read_head(dataset: Mapping[str, Any], names: Mapping[int, str]) -> Head:
    """Read what a member's output channels mean, given the name of each of its label values.

    A label written as a list of two values or more makes nnU-Net train regions; channels then
    follow the order of dataset.json, and `regions_class_order` says what each one paints.
    """
    labels = {k: v for k, v in dataset["labels"].items() if k not in ("background", "ignore")}
    if not any(isinstance(value, list) and len(value) > 1 for value in labels.values()):
        values = sorted(_value(label) for label in labels.values())
        if values != list(range(1, len(values) + 1)):
            raise PlansError(f"dataset.json: labels {values} are not consecutive from 1")
        softmax = [_name(value, names) for value in values]
        return Head("softmax", ((), *((name,) for name in softmax)), ("", *softmax))
    regions = [value if isinstance(value, list) else [value] for value in labels.values()]
    paints = [_value(value) for value in dataset["regions_class_order"]]
    if len(paints) != len(regions):
        raise PlansError(f"dataset.json: {len(regions)} regions but regions_class_order {paints}")
    channels = tuple(tuple(_name(value, names) for value in region) for region in regions)
    return Head("regions", channels, tuple(_name(value, names) for value in paints))


def channel_order(dataset: Mapping[str, Any], scheme: Scheme) -> tuple[str, ...]:
    """Return the sequences that a member's input channels are, in its own order."""
    channels = dataset["channel_names"]
    names = [str(channels[str(i)]) for i in range(len(channels))]
    if len(names) == len(scheme.sequences) == 1:
        return scheme.sequences
    order = tuple(SEQUENCE_OF.get(name.lower(), name) for name in names)
    if sorted(order) != sorted(scheme.sequences):
        raise PlansError(
            f"dataset.json: channels {names} are not {list(scheme.sequences)}; "
            "name them when packing (--channels)"
        )
    return order


# What teams call the BraTS sequences in dataset.json, lower case.
SEQUENCE_OF = {
    "t1n": "t1n", "t1": "t1n", "t1w": "t1n",
    "t1c": "t1c", "t1ce": "t1c", "t1gd": "t1c", "t1wce": "t1c",
    "t2w": "t2w", "t2": "t2w",
    "t2f": "t2f", "flair": "t2f", "t2flair": "t2f", "t2-flair": "t2f",
}  # fmt: skip


def _inherited(configurations: Mapping[str, Any], name: str) -> dict[str, Any]:
    if name not in configurations:
        raise PlansError(f"plans.json: no configuration {name!r}, only {sorted(configurations)}")
    settings = dict(configurations[name])
    parent = settings.pop("inherits_from", None)
    return (_inherited(configurations, parent) if parent else {}) | settings


def _refuse_unknown(
    plans: Mapping[str, Any], settings: Mapping[str, Any], configuration: str
) -> None:
    reader = plans["image_reader_writer"]
    if reader not in READER_ORIENTATION:
        readers = ", ".join(READER_ORIENTATION)
        raise PlansError(f"plans.json: reader {reader!r} is not one of {readers}")
    if settings.get("previous_stage"):
        raise PlansError(f"plans.json: {configuration} is a cascade's second stage")
    if len(settings["patch_size"]) != 3:
        raise PlansError(f"plans.json: {configuration} is not a 3-D configuration")
    for key in ("resampling_fn_data", "resampling_fn_probabilities"):
        if settings[key] != RESAMPLING:
            raise PlansError(f"plans.json: {key} {settings[key]!r} is not {RESAMPLING!r}")


def _resampling(settings: Mapping[str, Any], key: str) -> Resampling:
    keywords = settings[f"{key}_kwargs"]
    return Resampling(keywords["order"], keywords["order_z"], keywords["force_separate_z"])


def _architecture(settings: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    if "architecture" in settings:
        architecture = settings["architecture"]
        name = architecture["network_class_name"].rsplit(".", 1)[-1]
        return name, architecture["arch_kwargs"]
    return settings["UNet_class_name"], _arguments_before_2_4(settings)


def _arguments_before_2_4(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Spell out what plans older than nnU-Net 2.4 left to the code."""
    depths: Sequence[int] = settings["n_conv_per_stage_encoder"]
    base, cap = settings["UNet_base_num_features"], settings["unet_max_num_features"]
    plain = settings["UNet_class_name"] == "PlainConvUNet"
    dimension = len(settings["patch_size"])
    return {
        "n_stages": len(depths),
        "features_per_stage": [min(base * 2**stage, cap) for stage in range(len(depths))],
        "conv_op": f"torch.nn.modules.conv.Conv{dimension}d",
        "kernel_sizes": settings["conv_kernel_sizes"],
        "strides": settings["pool_op_kernel_sizes"],
        "n_conv_per_stage" if plain else "n_blocks_per_stage": depths,
        "n_conv_per_stage_decoder": settings["n_conv_per_stage_decoder"],
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimension}d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


def _value(label: Any) -> int:
    return int(label[0] if isinstance(label, list) else label)


def _name(value: Any, names: Mapping[int, str]) -> str:
    if int(value) not in names:
        raise PlansError(f"dataset.json: label {value} has no name (known: {dict(names)})")
    return names[int(value)]
