"""A packed member as member.json, `fold_<k>/program.pt2` and a known answer; then read back."""

import importlib.util
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from challenge.case import read_case
from challenge.refusal import Refusal
from challenge.scheme import Head, labels_from
from ensemble.engine import Engine
from ensemble.exported_member import (
    EXPORTED,
    MEMBER_FILE,
    ONNX_FILE,
    PROGRAM_FILE,
    read_description,
)
from ensemble.manifest import MANIFEST, Model, verify_model
from ensemble.member_network import load_member, mirror_axes_of
from ensemble.members import Member
from ensemble.planned_resampling import keywords_of
from ensemble.plans import Plan
from ensemble.predict import predict
from lab.packing.exported_proof import ANSWER_FILE
from lab.packing.named_case import find_case
from lab.packing.random_tile import SEED, deviations_apart, draw_tile
from lab.packing.synthetic_case import grid_for, write_input

MOST_TILES = 64  # in a batch
ONNX_NEEDS = ("onnx", "onnxscript")
MOST_APART = 1e-3  # of the logits' deviation; ONNX runs in OpenVINO
CPU = torch.device("cpu")


class ExportFailed(Refusal):
    """A member cannot be exported, or what was written gives another answer."""


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and where to."""

    model: Path  # folder with MANIFEST.json
    member: str  # number in the manifest's order, or name
    out: Path
    onnx: bool


def export_member(request: ExportRequest) -> Iterator[str]:
    """Write a member's files and prove them; yield a line for each thing that was done.

    Raises:
        ExportFailed: see there.
        Refusal: the model cannot be read.
    """
    if request.onnx and (lacking := [n for n in ONNX_NEEDS if not importlib.util.find_spec(n)]):
        raise ExportFailed(
            f"--onnx: {' and '.join(lacking)} not installed; pip install {' '.join(ONNX_NEEDS)}"
        )
    model = verify_model(request.model / MANIFEST)
    member = _find(model, request)
    content = describe_member(member, model.step)
    program = request.out / member.checkpoint.parent.name / PROGRAM_FILE
    _check_target(request.out, program, content)
    network = load_member(member)
    exported = _export(network, member)
    program.parent.mkdir(parents=True, exist_ok=True)
    (request.out / MEMBER_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    torch.export.save(exported, program)
    tile = draw_tile(member.plan, member.channels_in, member.plan.patch, SEED)
    with torch.inference_mode():
        logits = network(tile[None])[0].numpy()
    np.savez_compressed(program.with_name(ANSWER_FILE), tile=tile.numpy(), logits=logits)
    yield f"{program}: {member.name}, exported by torch {torch.__version__}"
    described = read_description(content, model.scheme, request.out.name)
    copy = replace(
        member,
        checkpoint=program,
        plan=described.plan,
        sequences=described.sequences,
        head=described.head,
    )
    with torch.inference_mode():
        yield _compared(program, logits, load_member(copy)(tile[None])[0].numpy())
    yield _compare_case(program, model, member, copy)
    if request.onnx:
        yield _write_onnx(program.with_name(ONNX_FILE), exported, tile, logits)


def describe_member(member: Member, step: float) -> dict[str, Any]:
    """Return the member.json of a packed member."""
    plan = replace(member.plan, orientation=member.orientation, mirror_axes=mirror_axes_of(member))
    return describe(plan, member.sequences, member.head) | {
        "network": plan.network,
        "torch": torch.__version__,
        "step": step,
    }


def describe(plan: Plan, sequences: Sequence[str], head: Head) -> dict[str, Any]:
    """Return the member.json of a network that was planned by nnU-Net."""
    return {
        "schema": 1,
        "channels": [_channel(plan, i, name) for i, name in enumerate(sequences)],
        "spacing_mm": list(plan.spacing_mm),
        "patch": list(plan.patch),
        "orientation": plan.orientation,
        "transpose": list(plan.transpose),
        "crop_to_nonzero": plan.crops_to_nonzero,
        "resampling": {
            "image": keywords_of(plan.image_resampling),
            "logits": keywords_of(plan.logit_resampling),
        },
        "head": _head(head),
        "mirror_axes": list(plan.mirror_axes or ()),
    }


def _channel(plan: Plan, number: int, name: str) -> dict[str, Any]:
    clip = plan.clip[number] if plan.clip else None
    return {
        "sequence": name,
        "normalisation": plan.normalisation[number],
        "inside_mask": plan.inside_mask[number],
        "intensities": dict(plan.intensities[number]),
        **({"clip": list(clip)} if clip else {}),
    }


def _head(head: Head) -> dict[str, Any]:
    if head.kind == "softmax":
        return {"kind": "labels", "channels": ["background", *head.paints[1:]]}
    channels = [list(region) for region in head.channels]
    return {"kind": "regions", "channels": channels, "paints": list(head.paints)}


def _find(model: Model, request: ExportRequest) -> Member:
    by_number = {str(number): member for number, member in enumerate(model.members)}
    members = by_number | {member.name: member for member in model.members}
    if request.member not in members:
        names = ", ".join(f"{number} {member.name}" for number, member in by_number.items())
        raise ExportFailed(f"{request.model}: no member {request.member!r}, only {names}")
    member = members[request.member]
    if member.plan.network == EXPORTED:
        raise ExportFailed(f"{request.model}: {member.name} is an exported program already")
    if member.previous_stage:
        raise ExportFailed(
            f"{request.model}: {member.name} is a cascade's second stage; {MEMBER_FILE} cannot "
            f"say that it sees the labels of {member.previous_stage}"
        )
    return member


def _check_target(out: Path, program: Path, content: Mapping[str, Any]) -> None:
    if program.exists():
        raise ExportFailed(f"{program} exists already; choose another --out")
    described = out / MEMBER_FILE
    if described.exists() and json.loads(described.read_text(encoding="utf-8")) != content:
        raise ExportFailed(f"{described} is of another network; choose another --out")


def _export(network: nn.Module, member: Member) -> torch.export.ExportedProgram:
    tiles = torch.zeros((2, member.channels_in, *member.plan.patch))
    open_batch = ({0: torch.export.Dim("tiles", min=1, max=MOST_TILES)},)
    return torch.export.export(network, (tiles,), dynamic_shapes=open_batch)


def _compared(path: Path, first: np.ndarray, second: np.ndarray) -> str:
    """Say how far an answer lies from the packed member's.

    Raises:
        ExportFailed: too far.
    """
    apart = deviations_apart(first, second)
    largest = float(np.abs(first - second).max())
    if not apart <= MOST_APART:
        raise ExportFailed(
            f"{path}: logits of a random tile differ by up to {largest:.2g} ({apart:.2g} of their "
            f"deviation, {MOST_APART:g} allowed) from the packed member's"
        )
    return f"{path}: logits of a random tile differ by at most {largest:.2g} from the packed ones"


def _compare_case(path: Path, model: Model, member: Member, copy: Member) -> str:
    """Say in how many voxels of a synthetic case the labels differ.

    Raises:
        ExportFailed: in any.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_input(Path(scratch), model.scheme, grid_for([member]))
        case = read_case(find_case(folder, member.sequences))
    first, second = (_labels(case, model, each) for each in (member, copy))
    differing = int((first != second).sum())
    if differing:
        raise ExportFailed(
            f"{path}: {differing:,} of {first.size:,} voxels of a synthetic case have other labels "
            "than the packed member gives"
        )
    return f"{path}: all {first.size:,} labels of a synthetic case are the packed member's"


def _labels(case: Any, model: Model, member: Member) -> np.ndarray:
    single = replace(member, weight=1.0, donor="", channel_weights=(), feeds_only=False)
    model_of_one = replace(model, members=(single,), head=member.head)
    *_, final = predict(case, model_of_one, Engine(CPU, "torch"))
    return labels_from(final.probabilities, member.head, model.scheme)


def _write_onnx(
    path: Path, program: torch.export.ExportedProgram, tile: torch.Tensor, logits: np.ndarray
) -> str:
    import openvino

    torch.onnx.export(program, (), str(path), dynamo=True, external_data=False, verbose=False)
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    return f"{_compared(path, logits, np.array(compiled([tile[None].numpy()])[0][0]))}, in OpenVINO"
