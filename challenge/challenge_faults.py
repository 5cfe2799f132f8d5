"""What cannot be in a challenge's description, in words: values, regions, sockets, sources."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import get_args

from challenge.description import (
    Finder,
    InputSocket,
    OutputKind,
    OutputSocket,
    Resampling,
    Scheme,
)
from challenge.output_values import VALUES

IMAGE_ENDINGS = (".nii.gz", ".mha", ".tif")


def faults_of(scheme: Scheme) -> Iterator[str]:
    """Yield what is wrong with a challenge's description, a sentence each, key first."""
    yield from _label_faults(scheme)
    yield from _region_faults(scheme)
    yield from _share_faults(scheme)
    yield from _socket_faults(scheme)
    yield from _layout_faults(scheme)
    if scheme.file_ending not in IMAGE_ENDINGS:
        yield f"file_ending is {scheme.file_ending!r}, not one of {', '.join(IMAGE_ENDINGS)}"
    if not scheme.time_limit_s > 0:
        yield f"time_limit_s is {scheme.time_limit_s}, not positive"
    known = {each.name for each in fields(Scheme)}
    if odd := [key for key in scheme.sources if key.split(".")[0] not in known]:
        yield f"sources of {', '.join(odd)}, which are no keys of a description"


def _label_faults(scheme: Scheme) -> Iterator[str]:
    values = list(scheme.labels.values())
    if not values:
        yield "labels: none"
    for name, value in scheme.labels.items():
        if not isinstance(value, int) or not 1 <= value <= 255:
            yield f"labels: {name} is {value!r}, not a whole number from 1 to 255"
    if twice := [value for value, count in Counter(values).items() if count > 1]:
        yield f"labels: {twice[0]} stands for two labels"
    yield from _unknown("written", scheme.written, scheme.labels)
    if not scheme.sequences or len(set(scheme.sequences)) < len(scheme.sequences):
        yield f"sequences are {list(scheme.sequences)}: none, or one twice"
    elif scheme.geometry_from not in scheme.sequences:
        yield f"geometry_from is {scheme.geometry_from!r}, none of the sequences"


def _region_faults(scheme: Scheme) -> Iterator[str]:
    for region, names in scheme.regions.items():
        yield from _unknown(f"regions.{region}", names, scheme.labels)
        if not names:
            yield f"regions.{region} is empty"
    for key in ("tumour", "whole"):
        yield from _unknown(key, [getattr(scheme, key)], scheme.regions)
    if any(len(pair) != 2 for pair in scheme.training_regions):
        yield "training_regions: pairs of a region and the label that it paints expected"
    elif scheme.training_regions:
        yield from _training_faults(scheme)


def _training_faults(scheme: Scheme) -> Iterator[str]:
    regions, painted = zip(*scheme.training_regions, strict=True)
    if sorted(painted) != sorted(scheme.labels):
        yield f"training_regions paint {', '.join(painted)}; each label once expected"
    if len(set(regions)) < len(regions):
        yield "training_regions: one region twice"
    for region, label in scheme.training_regions:
        if label not in scheme.regions.get(region, (region,)):
            yield f"training_regions: {label} does not lie in {region}"


def _share_faults(scheme: Scheme) -> Iterator[str]:
    for key, shares in (("usual_share", scheme.usual_share), ("median_share", scheme.median_share)):
        yield from _unknown(key, shares, scheme.labels)
        for name, share in shares.items():
            if len(share) != 2 or not 0 <= share[0] <= share[1] <= 1:
                yield f"{key}.{name} is {list(share)}, not a least and a most share from 0 to 1"


def _socket_faults(scheme: Scheme) -> Iterator[str]:
    if bool(scheme.inputs) != bool(scheme.outputs):
        yield "inputs and outputs: either both have sockets, or none"
        return
    if not scheme.inputs:
        return
    slugs = [*(s.slug for s in scheme.inputs), *(s.slug for s in scheme.outputs)]
    if twice := [slug for slug, count in Counter(slugs).items() if count > 1]:
        yield f"two sockets are called {twice[0]}"
    images = [socket.sequence for socket in scheme.inputs if socket.is_image]
    if sorted(images) != sorted(scheme.sequences):
        expected = ", ".join(scheme.sequences)
        yield f"inputs have images of {', '.join(images) or 'nothing'}, one each of {expected}"
    for socket in scheme.inputs:
        yield from _input_faults(socket, scheme)
    if scheme.outputs[0].kind != "labels":
        yield f"outputs: the first one, {scheme.outputs[0].slug}, is not of kind labels"
    for output in scheme.outputs:
        yield from _output_faults(output, scheme)


def _input_faults(socket: InputSocket, scheme: Scheme) -> Iterator[str]:
    where = f"inputs {socket.slug}"
    if socket.resampling not in get_args(Resampling):
        yield f"{where}: resampling {socket.resampling!r} is not {_or(get_args(Resampling)[1:])}"
    if socket.is_image and socket.numbers:
        yield f"{where}: an image has no numbers"
    if socket.sequence == scheme.geometry_from and (socket.is_optional or socket.resampling):
        yield f"{where}: has the geometry of all outputs, so it is neither optional nor resampled"


def _output_faults(output: OutputSocket, scheme: Scheme) -> Iterator[str]:
    where = f"outputs {output.slug}"
    if output.kind not in get_args(OutputKind):
        yield f"{where}: kind {output.kind!r} is not {_or(get_args(OutputKind))}"
    yield from _unknown(f"{where}: labels", output.labels, scheme.labels)
    if output.kind != "labels":
        yield from _unknown(f"{where}: region", [output.region], scheme.regions)
    if output.kind == "value":
        yield from _unknown(f"{where}: value", [output.value], VALUES)


def _layout_faults(scheme: Scheme) -> Iterator[str]:
    for name, layout in scheme.layouts.items():
        if layout.finder not in get_args(Finder):
            yield f"layouts.{name}: finder {layout.finder!r} is not {_or(get_args(Finder))}"
        yield from _unknown(
            f"layouts.{name}: labels", layout.labels.values(), {**scheme.labels, "": 0}
        )


def _unknown(where: str, names: Iterable[str], known: Mapping[str, object]) -> Iterator[str]:
    if odd := [name for name in names if name not in known]:
        yield f"{where} names {', '.join(map(repr, odd))}, not {_or(known)}"


def _or(names: Iterable[str]) -> str:
    return "one of " + ", ".join(map(str, names))
