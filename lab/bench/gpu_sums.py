"""A part of `bench gpu`: where sums of logits are added, on the device or on the host."""

import time
from collections.abc import Iterator
from itertools import pairwise

import torch

from ensemble.device import synchronize
from ensemble.preprocess import find_nonzero_region, preprocessed_shape
from ensemble.sliding_window import LogitAccumulator, tiles
from lab.bench.gpu_backends import first_fold
from lab.bench.gpu_part import Column, Context, Part, Row
from lab.bench.gpu_subjects import NAMES, subject_of
from lab.training.random_networks import read_case_of

STEP = 0.5  # of the patch between tiles
COLUMNS = (
    Column("what", "", 28),
    Column("add_ms", "add a tile, ms", 16, ".2f"),
    Column("finish_ms", "finish a member, ms", 21, ".1f"),
    Column("logits_ms", "logits to the host, ms", 24, ".1f"),
)


def sums_part(device: str) -> Part:
    """Return the part of the sums of logits."""
    items = tuple(f"{network}, {place}" for network in NAMES for place in ("device", "host"))
    title = "sums of logits on the device and on the host; tiles come from the device"
    return Part("sums", title, items, measure_sums, COLUMNS, 15 if device == "cuda" else 5)


@torch.inference_mode()
def measure_sums(item: str, context: Context) -> Iterator[Row]:
    """Time adding tiles, finishing a member and reading the mean."""
    network, _, place = item.partition(", ")
    if place == "device" and context.device == "cpu":
        yield {"note": "needs a GPU: on a CPU the host is the device"}
        return
    subject, _ = subject_of(network, context.device, context.scratch)
    member = first_fold(network, context.device, context.scratch)
    case = read_case_of(subject.work / "cases", subject.scheme)
    inside = find_nonzero_region(case, member.sequences)
    shape = preprocessed_shape(case, member.plan, inside)
    shape = tuple(max(side, p) for side, p in zip(shape, member.plan.patch, strict=True))
    channels, device = len(member.head.channels), torch.device(context.device)
    where = device if place == "device" else torch.device("cpu")
    sums = LogitAccumulator(channels, shape, where)
    dtype = torch.half if context.device == "cuda" else torch.float  # as the networks give them
    logits = torch.ones((channels, *member.plan.patch), device=device, dtype=dtype)
    positions = list(tiles(shape, member.plan.patch, STEP))
    sums.add(logits, positions[0])
    synchronize(device)
    marks = [time.perf_counter()]
    for position in positions:
        sums.add(logits, position)
    synchronize(device)
    marks.append(time.perf_counter())
    sums.finish_member(1.0)
    synchronize(device)
    marks.append(time.perf_counter())
    sums.logits(tuple(slice(0, side) for side in shape))
    marks.append(time.perf_counter())
    add, finish, read = (1000 * (b - a) for a, b in pairwise(marks))
    yield {
        "shape": list(shape),
        "tiles": len(positions),
        "add_ms": add / len(positions),
        "finish_ms": finish,
        "logits_ms": read,
    }
