"""member.json: what an exported network's input and output are, read into a member's plan.

    {"schema": 1,
     "network": "SwinUNETR, 48 features",          for people
     "torch": "2.13.0",                            that exported it, for people
     "channels": [{"sequence": "t1n", "normalisation": "ZScoreNormalization", "inside_mask": true,
                   "intensities": {}, "clip": null}, ...],   in the network's order
     "spacing_mm": [1, 1, 1], "patch": [128, 128, 128],      z, y, x
     "orientation": "RAS",                         null: as the files are stored
     "transpose": [0, 1, 2],                       of z, y, x into the network's axes
     "crop_to_nonzero": true,
     "resampling": {"image": {"order": 3}, "logits": {"order": 1}},   nnU-Net's keywords; "function"
                                                   names another one of nnU-Net's than its default
     "head": {"kind": "labels", "channels": ["background", "NETC", ...]},
     "mirror_axes": [0, 1, 2], "step": 0.5}

A head of regions has `"channels": [["NETC", "SNFH", "ET"], ...], "paints": ["SNFH", ...]`, large
regions before small ones: what a later channel paints overwrites what an earlier one did. Names of
sequences and labels are the challenge's; normalisations are nnU-Net's (`ensemble.normalisation`).
`clip` is applied first, in the image's unit. spacing_mm and patch are in the network's axes: of a
2-D network [null, 1, 1] (across slices, that of the case) and [1, 192, 160]. What is not listed
here is refused, so that nothing is believed to be done that is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import isfinite
from typing import Any

from challenge.channels import sequence_of
from challenge.orientation import check_axis_code
from challenge.refusal import Refusal
from challenge.scheme import Head, Scheme
from ensemble.exported_values import (
    MemberFileError,
    check_keys,
    read_flag,
    read_mirror_axes,
    read_patch,
    read_spacing_mm,
    read_step,
)
from ensemble.normalisation import why_not
from ensemble.planned_resampling import KEYWORDS, SPLINE, Resampling, leads_back, read_resampling
from ensemble.plans import Plan

EXPORTED, ONNX = "exported", "onnx"  # the "format" of a manifest's entry
MEMBER_FILE, PROGRAM_FILE, ONNX_FILE = "member.json", "program.pt2", "program.onnx"
PROGRAM_FILES: Mapping[str, str] = {EXPORTED: PROGRAM_FILE, ONNX: ONNX_FILE}
SCHEMA = 1
NEEDED = ("schema", "channels", "spacing_mm", "patch", "head", "mirror_axes")
OPTIONAL = (
    *("network", "torch", "orientation", "transpose", "crop_to_nonzero", "resampling", "step"),
)
OF_CHANNEL = ("sequence", "normalisation", "inside_mask", "intensities", "clip")


@dataclass(frozen=True)
class Description:
    """What member.json says."""

    plan: Plan
    sequences: tuple[str, ...]  # input channels, in the network's order
    head: Head
    network: str  # for people
    step: float | None  # of tiles, that it was made for; None: it does not say


def read_description(content: Mapping[str, Any], scheme: Scheme, home: str) -> Description:
    """Read member.json.

    Args:
        content: of the file.
        scheme: the challenge whose names are used.
        home: the folder's name, which tells the networks of two folders apart.

    Raises:
        Refusal: a key is missing, unknown, or has a value that cannot be followed.
    """
    try:
        return _description(content, scheme, home)
    except (MemberFileError, KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, Refusal) and not isinstance(error, MemberFileError):
            raise
        reason = str(error) if isinstance(error, MemberFileError) else f"{error!r}"
        raise MemberFileError(f"{home}/{MEMBER_FILE}: {reason}") from error


def _description(content: Mapping[str, Any], scheme: Scheme, home: str) -> Description:
    check_keys(content, NEEDED, (*NEEDED, *OPTIONAL), "it")
    if content["schema"] != SCHEMA:
        raise MemberFileError(f"schema {content['schema']!r} is not {SCHEMA}")
    channels = content["channels"]
    for channel in channels:
        check_keys(channel, OF_CHANNEL[:2], OF_CHANNEL, "a channel")
    transpose = tuple(content.get("transpose", (0, 1, 2)))
    if sorted(transpose) != [0, 1, 2]:
        raise MemberFileError(f"transpose {list(transpose)} is no order of three axes")
    orientation = content.get("orientation")
    image_resampling, logit_resampling = _resamplings(content)
    plan = Plan(
        configuration=EXPORTED,
        spacing_mm=read_spacing_mm(content),
        patch=read_patch(content),
        transpose=(transpose[0], transpose[1], transpose[2]),
        transpose_back=(transpose.index(0), transpose.index(1), transpose.index(2)),
        normalisation=tuple(_normalisation(channel) for channel in channels),
        inside_mask=tuple(read_flag(channel, "inside_mask", False) for channel in channels),
        intensities=tuple(dict(channel.get("intensities") or {}) for channel in channels),
        image_resampling=image_resampling,
        logit_resampling=logit_resampling,
        orientation=None if orientation is None else check_axis_code(orientation),
        network=EXPORTED,
        arguments={"folder": home},
        crops_to_nonzero=read_flag(content, "crop_to_nonzero", True),
        clip=_clips(channels),
        mirror_axes=read_mirror_axes(content),
    )
    sequences = _sequences(channels, scheme)
    head = _head(content["head"], scheme)
    return Description(plan, sequences, head, str(content.get("network", "")), read_step(content))


def _normalisation(channel: Mapping[str, Any]) -> str:
    name, intensities = channel["normalisation"], channel.get("intensities") or {}
    if not all(isinstance(n, int | float) and isfinite(n) for n in intensities.values()):
        raise MemberFileError(
            f"intensities {intensities!r} of {channel['sequence']} are no numbers"
        )
    if reason := why_not(name, intensities):
        raise MemberFileError(f"channel {channel['sequence']}: {reason}")
    return str(name)


def _clips(channels: list[Mapping[str, Any]]) -> tuple[tuple[float, float] | None, ...]:
    clips: list[tuple[float, float] | None] = []
    for channel in channels:
        limits = channel.get("clip")
        if limits is None:
            clips.append(None)
            continue
        low, high = limits
        if not (isfinite(low) and isfinite(high) and low < high):
            raise MemberFileError(f"clip {limits!r} of {channel['sequence']} is not [low, high]")
        clips.append((float(low), float(high)))
    return tuple(clips) if any(clips) else ()


def _resamplings(content: Mapping[str, Any]) -> tuple[Resampling, Resampling]:
    """Return how images and how logits are resampled."""
    check_keys(content.get("resampling", {}), (), ("image", "logits"), "resampling")
    image, logits = _resampling(content, "image", 3), _resampling(content, "logits", 1)
    if not leads_back(image, logits):
        raise MemberFileError(f"resampling: {logits.function!r} is of the logits alone")
    return image, logits


def _resampling(content: Mapping[str, Any], of: str, order: int) -> Resampling:
    keywords = dict(content.get("resampling", {}).get(of, {}))
    function = keywords.pop("function", SPLINE)
    if function not in KEYWORDS:
        known = ", ".join(KEYWORDS)
        raise MemberFileError(f"resampling of {of}: function {function!r} is not one of {known}")
    # What nnU-Net plans by itself.
    planned = {"order": order, "force_separate_z": None} if function == SPLINE else {}
    try:
        return read_resampling(function, {**planned, **keywords})
    except ValueError as error:
        raise MemberFileError(f"resampling of {of}: {error}") from error


def _sequences(channels: list[Mapping[str, Any]], scheme: Scheme) -> tuple[str, ...]:
    names = [str(channel["sequence"]) for channel in channels]
    order = tuple(sequence_of(name, scheme) or name for name in names)
    if sorted(order) != sorted(scheme.sequences):
        raise MemberFileError(
            f"channels {', '.join(names)} are not {', '.join(scheme.sequences)} of {scheme.name}"
        )
    return order


def _head(content: Mapping[str, Any], scheme: Scheme) -> Head:
    kind, channels = content["kind"], content["channels"]
    if kind == "labels":
        check_keys(content, ("kind", "channels"), ("kind", "channels"), "head")
        if channels[:1] != ["background"]:
            raise MemberFileError("head: the first channel of labels is the background")
        names = [_label(name, scheme) for name in channels[1:]]
        if not names or len(set(names)) < len(names):
            raise MemberFileError(f"head: channels {channels} name a label twice, or none")
        return Head("softmax", ((), *((name,) for name in names)), ("", *names))
    if kind != "regions":
        raise MemberFileError(f"head: kind {kind!r} is neither labels nor regions")
    check_keys(content, ("paints",), ("kind", "channels", "paints"), "head")
    regions = tuple(tuple(_label(name, scheme) for name in region) for region in channels)
    paints = tuple(_label(name, scheme) for name in content["paints"])
    if not regions or not all(regions) or len(paints) != len(regions):
        raise MemberFileError(f"head: {len(regions)} regions, {len(paints)} labels to paint")
    for inner, outer in combinations(regions, 2):
        if set(inner) < set(outer):
            raise MemberFileError(
                f"head: {' + '.join(outer)} is painted after {' + '.join(inner)} inside of it and "
                "would overwrite it; channels go from large regions to small ones"
            )
    return Head("regions", regions, paints)


def _label(name: Any, scheme: Scheme) -> str:
    if name not in scheme.labels:
        raise MemberFileError(
            f"head: {name!r} is no label of {scheme.name}, which has {', '.join(scheme.labels)}"
        )
    return str(name)
