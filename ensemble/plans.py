"""nnU-Net's plans.json as plain facts, in every spelling that nnU-Net 2.8.1 reads.

Knows the files, not the framework: nothing of nnU-Net or torch is imported. Axes are (z, y, x)
before `transpose` and those of the plan after it, as in nnU-Net 2.8. A 2-D configuration has tiles
of one slice across the first of the plan's axes. What plans.json names and this
program does not do is refused by name; the spellings are those of nnunetv2 2.8.1's
`utilities/plans_handling/plans_handler.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from challenge.refusal import Refusal
from ensemble.normalisation import why_not
from ensemble.old_plans import arguments_before_2_4
from ensemble.planned_resampling import KEYWORDS, Resampling, leads_back, read_resampling
from ensemble.previous_stage import PreviousStage, read_previous_stage

# nnU-Net's readers, and the axis code that each brings images into before anything else; None:
# as the file has them. Both only reverse axes to (z, y, x).
READER_ORIENTATION: Mapping[str, str | None] = {
    "SimpleITKIO": None,
    "NibabelIO": None,
    "SimpleITKIOWithReorient": "RAS",
    "NibabelIOWithReorient": "RAS",
}
PREPROCESSOR = "DefaultPreprocessor"
LABEL_MANAGER = "LabelManager"
OF_LOGITS = "resampling_fn_probabilities"
DIMENSIONS: Mapping[int, str] = {2: "two", 3: "three"}
# Packages of nnU-Net's networks, and ours; a class of another package is another network.
NETWORK_HOMES = ("dynamic_network_architectures.", "ensemble.attention.", "ensemble.mednext.")
MONAI_HOME = "monai.networks.nets."  # built for training and packing alone, and packed as a program
# Arguments of a network that plans.json writes as dotted names.
OPERATION_KEYS = ("conv_op", "norm_op", "dropout_op", "nonlin", "block")


class PlansError(Refusal):
    """plans.json or dataset.json says something that cannot be followed."""


@dataclass(frozen=True)
class Plan:
    """One configuration of one plans.json."""

    configuration: str
    spacing_mm: tuple[float | None, ...]  # None: that of the case, across slices
    patch: tuple[int, ...]  # of a 2-D configuration 1, height, width
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
    # Of member.json alone (`exported_member`); as here, what nnU-Net does.
    crops_to_nonzero: bool = True
    clip: tuple[tuple[float, float] | None, ...] = ()  # of each channel, before it is normalised
    mirror_axes: tuple[int, ...] | None = None  # None: those that the checkpoint names
    previous_stage: PreviousStage | None = None  # of a cascade's second stage

    @property
    def sees_slices(self) -> bool:
        """Return whether the network is 2-D: one slice a tile, of the case's own thickness."""
        return self.spacing_mm[0] is None

    def grid_mm(self, case_mm: Sequence[float]) -> tuple[float, ...]:
        """Return the spacing at which the network sees a case of a spacing, in the plan's axes."""
        pairs = zip(self.spacing_mm, case_mm, strict=True)
        return tuple(of_case if planned is None else planned for planned, of_case in pairs)


def read_plan(plans: Mapping[str, Any], configuration: str) -> Plan:
    """Read one configuration, following `inherits_from`.

    Raises:
        PlansError: the configuration is unknown or incomplete, or names code that this program does
            not reproduce: reader, preprocessor, label manager, resampling, normalisation, network.
    """
    try:
        return _plan(plans, configuration)
    except KeyError as error:
        raise PlansError(f"plans.json: {configuration} lacks {error}") from error
    except (TypeError, AttributeError, IndexError) as error:
        raise PlansError(f"plans.json: {configuration} cannot be read ({error})") from error


def _plan(plans: Mapping[str, Any], configuration: str) -> Plan:
    settings = _inherited(plans["configurations"], configuration)
    _check_reader(plans)
    _check_code(plans, settings)
    _check_volume(settings, configuration)
    network, arguments = _architecture(settings)
    forward, back = _axes(plans)
    image_resampling, logit_resampling = _resamplings(settings)
    schemes = tuple(settings["normalization_schemes"])
    is_2d = len(settings["patch_size"]) == 2
    return Plan(
        configuration=configuration,
        spacing_mm=(*((None,) if is_2d else ()), *settings["spacing"]),
        patch=(*((1,) if is_2d else ()), *settings["patch_size"]),
        transpose=forward,
        transpose_back=back,
        normalisation=schemes,
        inside_mask=_masks(settings, len(schemes)),
        intensities=_intensities(plans, schemes),
        image_resampling=image_resampling,
        logit_resampling=logit_resampling,
        orientation=READER_ORIENTATION[plans["image_reader_writer"]],
        network=network,
        arguments=arguments,
        previous_stage=_previous_stage(settings),
    )


def _inherited(
    configurations: Mapping[str, Any], name: str, heirs: tuple[str, ...] = ()
) -> dict[str, Any]:
    if name not in configurations:
        raise PlansError(f"plans.json: no configuration {name!r}, only {sorted(configurations)}")
    if name in heirs:
        raise PlansError(f"plans.json: {' inherits from '.join((*heirs, name))}")
    settings = dict(configurations[name])
    parent = settings.pop("inherits_from", None)
    return (_inherited(configurations, parent, (*heirs, name)) if parent else {}) | settings


def _check_reader(plans: Mapping[str, Any]) -> None:
    reader = plans["image_reader_writer"]
    if reader not in READER_ORIENTATION:
        readers = ", ".join(READER_ORIENTATION)
        raise PlansError(f"plans.json: reader {reader!r} is not one of {readers}")


def _check_code(plans: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse code by another name than what this program reproduces."""
    expected = {
        "preprocessor_name": (settings["preprocessor_name"], PREPROCESSOR),
        "label_manager": (plans.get("label_manager", LABEL_MANAGER), LABEL_MANAGER),
    }
    for key, (name, known) in expected.items():
        if name != known:
            raise PlansError(f"plans.json: {key} {name!r} is not {known!r}")


def _check_volume(settings: Mapping[str, Any], configuration: str) -> None:
    patch, spacing = settings["patch_size"], settings["spacing"]
    if len(patch) not in DIMENSIONS:
        raise PlansError(
            f"plans.json: patch_size {patch} of {configuration} is neither 2-D nor 3-D"
        )
    number = DIMENSIONS[len(patch)]
    are_lengths = all(isinstance(mm, int | float) and 0 < mm < inf for mm in spacing)
    if len(spacing) != len(patch) or not are_lengths:
        raise PlansError(
            f"plans.json: spacing {spacing} of {configuration} is not {number} lengths"
        )
    if not all(isinstance(side, int) and side > 0 for side in patch):
        raise PlansError(f"plans.json: patch_size {patch} of {configuration} is not {number} sizes")


def _axes(plans: Mapping[str, Any]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    forward, back = tuple(plans["transpose_forward"]), tuple(plans["transpose_backward"])
    if sorted(forward) != [0, 1, 2] or [back[axis] for axis in forward] != [0, 1, 2]:
        raise PlansError(
            f"plans.json: transpose_backward {list(back)} does not undo transpose_forward "
            f"{list(forward)}"
        )
    return (forward[0], forward[1], forward[2]), (back[0], back[1], back[2])


def _masks(settings: Mapping[str, Any], channels: int) -> tuple[bool, ...]:
    masks = tuple(settings["use_mask_for_norm"])
    if len(masks) != channels or not all(isinstance(mask, bool | None) for mask in masks):
        raise PlansError(
            f"plans.json: use_mask_for_norm {list(masks)} is not true or false for each of "
            f"{channels} channels"
        )
    return tuple(bool(mask) for mask in masks)


def _intensities(
    plans: Mapping[str, Any], schemes: Sequence[str]
) -> tuple[Mapping[str, float], ...]:
    keys = [f"foreground_intensity_properties_{by}" for by in ("per_channel", "by_modality")]
    # The second is how nnU-Net wrote it before 2.0.
    properties = plans[keys[1] if keys[0] not in plans and keys[1] in plans else keys[0]]
    intensities = tuple(properties[str(channel)] for channel in range(len(schemes)))
    for channel, (scheme, values) in enumerate(zip(schemes, intensities, strict=True)):
        if reason := why_not(scheme, values):
            raise PlansError(f"plans.json: channel {channel}: {reason}")
    return intensities


def _resampling(settings: Mapping[str, Any], key: str) -> Resampling:
    name, arguments = settings[key], settings[f"{key}_kwargs"]
    if name not in KEYWORDS:
        raise PlansError(f"plans.json: {key} {name!r} is not one of {', '.join(KEYWORDS)}")
    try:
        return read_resampling(name, arguments)
    except ValueError as error:
        raise PlansError(f"plans.json: {key}_kwargs {error}") from error


def _resamplings(settings: Mapping[str, Any]) -> tuple[Resampling, Resampling]:
    """Return how images and how logits are resampled."""
    image, logits = (_resampling(settings, key) for key in ("resampling_fn_data", OF_LOGITS))
    if not leads_back(image, logits):
        raise PlansError(
            f"plans.json: {OF_LOGITS} {logits.function!r} beside resampling_fn_data "
            f"{image.function!r}: labels would not come back to the image's grid"
        )
    return image, logits


def _previous_stage(settings: Mapping[str, Any]) -> PreviousStage | None:
    try:
        return read_previous_stage(settings)
    except ValueError as error:
        raise PlansError(f"plans.json: {error}") from error


def _architecture(settings: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    if "architecture" not in settings:
        name = settings["UNet_class_name"]
        if name not in ("PlainConvUNet", "ResidualEncoderUNet"):
            raise PlansError(f"plans.json: UNet_class_name {name!r} is no network of nnU-Net")
        return name, arguments_before_2_4(settings)
    architecture = settings["architecture"]
    name, arguments = architecture["network_class_name"], dict(architecture["arch_kwargs"])
    if name.startswith(MONAI_HOME):
        return name, arguments
    if not name.startswith(NETWORK_HOMES):
        raise PlansError(f"plans.json: network {name!r} is not of {NETWORK_HOMES[0][:-1]}")
    named = architecture.get("_kw_requires_import", OPERATION_KEYS)
    if unknown := sorted(set(named) - set(OPERATION_KEYS)):
        raise PlansError(f"plans.json: network argument {unknown[0]!r} names unknown code")
    return name.rsplit(".", 1)[-1], arguments
