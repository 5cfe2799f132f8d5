"""The network of a member: of plans and a checkpoint, or of an exported program."""

from pathlib import Path
from typing import Any

from torch import nn

from ensemble.exported_archive import ExportedError
from ensemble.exported_member import EXPORTED, MEMBER_FILE, ONNX_FILE
from ensemble.exported_network import load_exported
from ensemble.members import Member
from ensemble.network import build_network, checkpoint_mirror_axes, load_network
from ensemble.slice_network import over_tiles


def load_member(member: Member) -> nn.Module:
    """Return a member's network with its weights, on the CPU.

    Raises:
        Refusal: the file is not what the member's description says.
    """
    if member.plan.network == EXPORTED:
        return _load_exported(member)
    return over_tiles(load_network(_planned(member), member.checkpoint), member.plan)


def empty_member(member: Member) -> nn.Module:
    """Return a member's network on the meta device.

    Raises:
        Refusal: the network cannot be built.
    """
    if member.plan.network == EXPORTED:
        return _load_exported(member).to("meta")
    return over_tiles(_planned(member), member.plan)


def mirror_axes_of(member: Member) -> tuple[int, ...]:
    """Return the axes that a member was mirrored along in training; its weights stay on disk.

    Axes are those of a tile (z, y, x), 0 the first one; the checkpoint of a 2-D network names those
    of a slice.

    Raises:
        CheckpointError: the checkpoint holds more than tensors and plain values.
    """
    if member.plan.mirror_axes is not None:
        return member.plan.mirror_axes
    axes = checkpoint_mirror_axes(member.checkpoint)
    return tuple(axis + 1 for axis in axes) if member.plan.sees_slices else axes


def _planned(member: Member) -> nn.Module:
    return build_network(member.plan, member.channels_in, len(member.head.channels))


def _load_exported(member: Member) -> nn.Module:
    network = _read_program(member.checkpoint)
    tiles, *shape = network.tile_shape
    expected = [member.channels_in, *member.plan.patch]
    if shape != expected:
        raise ExportedError(
            f"{member.checkpoint}: the program takes tiles of {shape} (channel, z, y, x), "
            f"{MEMBER_FILE} says {expected}"
        )
    if tiles not in (None, 1):
        raise ExportedError(
            f"{member.checkpoint}: the program takes {tiles} tiles at a time; export it for one, "
            "or for any number (dynamic_shapes)"
        )
    return network


def _read_program(path: Path) -> Any:
    if path.name != ONNX_FILE:
        return load_exported(path)
    from ensemble.onnx_network import load_onnx  # not every machine has OpenVINO

    return load_onnx(path)
