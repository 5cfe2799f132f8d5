"""A part of `bench gpu`: what runs a full patch fastest, and in which batch."""

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from ensemble.backends import BACKENDS, REFERENCE, BackendError, Forward, find_backend
from ensemble.device import synchronize
from ensemble.manifest import MANIFEST, Member, verify_model
from ensemble.member_network import load_member
from lab.bench.gpu_part import Column, Context, Part, Row
from lab.bench.gpu_subjects import NAMES, SIZES, subject_of

BATCHES = (1, 2, 4, 8)
# The autotuner takes its time for every batch of the larger network.
BATCHES_OF: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "cuda": {"glioma": BATCHES, "ResEnc-L": (1, 8)},
    "cpu": {"glioma": (1, 2), "ResEnc-L": (1, 2)},
}
WITHOUT_AUTOTUNER = f"{REFERENCE}, no autotuner"
COMPILE = "compile"  # takes minutes to start: a part of its own, the last one
RUNS = 5
ENOUGH_S = 2.0  # no further run of a batch after so long
MIB = 2**20
COLUMNS = (
    Column("what", "", 34),
    *(Column(f"ms_{batch}", f"ms x{batch}", 9, ".2f") for batch in BATCHES),
    *(Column(f"mib_{batch}", f"MiB x{batch}", 9, ".0f") for batch in (BATCHES[0], BATCHES[-1])),
    Column("share_of_peak", "% of peak", 10, ".1f", 100),
    Column("difference_sd", "differs by", 11, ".1e"),
)


@dataclass(frozen=True)
class Patch:
    """A full patch of a network."""

    tiles: torch.Tensor  # (the largest batch, channel, z, y, x) on the device
    logits: torch.Tensor  # (channel, z, y, x) float32 of the first one, on the host


def backends_part(device: str) -> Part:
    """Return the part: every exact backend of the device, torch first."""
    names = [b.name for b in BACKENDS.values() if device in b.devices and b.exact]
    names.sort(key=lambda name: name != REFERENCE)
    title = (
        "backends on one full patch, up to eight tiles together: ms a tile, peak memory; "
        f"largest difference of a logit to {REFERENCE}'s in standard deviations"
    )
    items = tuple(f"{network}, {name}" for network in NAMES for name in names)
    least_s = 30 if device == "cuda" else 5
    return Part("backends", title, items, measure_backend, COLUMNS, least_s, 150)


def autotuner_part(device: str) -> Part:
    """Return the part of torch without cuDNN's autotuner.

    It has a process of its own: what a process once chose for a shape, tuned or not, it keeps.
    """
    items = tuple(f"{network}, {WITHOUT_AUTOTUNER}" for network in NAMES)
    title = f"{REFERENCE} without cuDNN's autotuner on one full patch, as above"
    return Part("autotuner", title, items, measure_backend, COLUMNS, 20 if device == "cuda" else 5)


def compile_part(device: str) -> Part:
    """Return the part of torch.compile."""
    items = tuple(f"{network}, {COMPILE}" for network in NAMES)
    title = "torch.compile on one full patch, as above; it takes minutes to start"
    least_s = 60 if device == "cuda" else 20
    return Part(COMPILE, title, items, measure_backend, COLUMNS, least_s, 180)


@torch.inference_mode()
def measure_backend(item: str, context: Context) -> Iterator[Row]:
    """Time a backend on a network, batch by batch."""
    network, _, name = item.partition(", ")
    if name == COMPILE and context.device == "cpu":
        yield {"note": "not rehearsed: it takes minutes on a CPU"}
        return
    backend = REFERENCE if name == WITHOUT_AUTOTUNER else name
    device = torch.device(context.device)
    try:
        find_backend(backend, device)
    except BackendError as error:
        yield {"note": f"cannot run here: {error}"}
        return
    torch.backends.cudnn.benchmark = name != WITHOUT_AUTOTUNER  # before any pass
    patch = patch_of(network, context.device, context.scratch)
    batches = BATCHES_OF[context.device][network]
    size = SIZES[context.device][network]
    row: Row = {"network": size.network, "patch": list(size.patch), "batches": list(batches)}
    for batch in batches:
        tile = patch.tiles[:batch]
        if context.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            forward = make_forward(network, backend, batch, context)
            logits = forward(tile)[0].float().cpu()
            row["difference_sd"] = max(row.get("difference_sd", 0.0), _difference(logits, patch))
            row[f"ms_{batch}"] = 1000 * seconds_of(forward, tile, device) / batch
        except RuntimeError as error:  # the memory; smaller batches were measured
            if f"ms_{BATCHES[0]}" not in row:
                raise
            row["note"] = f"batch {batch}: {str(error).splitlines()[0][:200]}"
            break
        if context.device == "cuda":
            row[f"mib_{batch}"] = torch.cuda.max_memory_allocated() / MIB
        del forward, logits
    yield row | _share(row, network, context)


def seconds_of(forward: Forward, tile: torch.Tensor, device: torch.device) -> float:
    """Return the median wall seconds of a warm run."""
    forward(tile)
    synchronize(device)
    seconds: list[float] = []
    while len(seconds) < RUNS and sum(seconds) < ENOUGH_S:
        started = time.perf_counter()
        forward(tile)
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def make_forward(network: str, backend: str, batch: int, context: Context) -> Forward:
    """Load the first fold of a network, and hand it to a backend for a batch."""
    member = first_fold(network, context.device, context.scratch)
    shape = (batch, len(member.sequences), *member.plan.patch)
    device = torch.device(context.device)
    make = find_backend(backend, device).make
    return make(load_member(member), shape, device)


@lru_cache(maxsize=2)
def first_fold(network: str, device: str, scratch: Path) -> Member:
    """Return the first fold of a network; its files are verified once."""
    subject, _ = subject_of(network, device, scratch)
    return verify_model(subject.weights / MANIFEST).members[0]


@lru_cache(maxsize=1)
def patch_of(network: str, device: str, scratch: Path) -> Patch:
    """Return random tiles, and what the reference says of the first one."""
    size = SIZES[device][network]
    shape = (BATCHES[-1], len(size.scheme.sequences), *size.patch)
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    logits = make_forward(network, REFERENCE, 1, Context(device, scratch))(tensor[:1])[0]
    return Patch(tensor, logits.float().cpu().clone())


def _difference(logits: torch.Tensor, patch: Patch) -> float:
    """Return the largest difference of a logit, in standard deviations of the reference's."""
    return float((logits - patch.logits).abs().max() / patch.logits.std())


def _share(row: Row, network: str, context: Context) -> Row:
    """Return the share of the device's peak at the fastest batch."""
    peak = context.value("device", "peak", "flops")
    fastest_ms = min(row[key] for key in row if key.startswith("ms_"))
    _, work = subject_of(network, context.device, context.scratch)
    shares = {"flops_of_a_pass": work.flops_of_a_pass, "fastest_ms": fastest_ms}
    if peak:
        shares["share_of_peak"] = work.flops_of_a_pass / (fastest_ms / 1000) / peak
    return shares
