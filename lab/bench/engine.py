"""How fast the engine is beside stock nnU-Net: same networks, same cases, process by process.

Every figure is of a process from its start to its last file: wall and CPU seconds, the peak of
its memory, whether the labels are stock's, and how near its networks come to the device's peak.
Random weights measure time, not agreement: their logits are nearly tied. Agreement is measured with
the trained members that ship.
"""

import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from challenge.scheme import SCHEMES, Scheme
from lab.bench.device_peak import device_peak
from lab.bench.networks import GLIOMA, GLIOMA_PATCH, RESENC_L, RESENC_L_PATCH, tiles_of
from lab.bench.processes import ROOT, TUNED, Run, Subject, copy_networks
from lab.packing.build_model import ModelRequest, build_model
from lab.packing.pack_source import Source
from lab.packing.proof import ProofRequest
from lab.parallel import ignore_interrupts
from lab.phantom.cohort import Destination, write
from lab.phantom.population import Population
from lab.progress import print_line, progress
from lab.training.random_networks import (
    flops_of_a_pass,
    plans_of,
    write_abdomen,
    write_heads,
    write_trained,
)

ON_CPU = (128, 96, 96)  # ResEnc-L's patch where its own would take half a minute a pass
IDS = tuple(f"BraTS-GLI-0000{i}-100" for i in range(3))
PANCREAS = "pancreas"


@dataclass(frozen=True)
class EngineBench:
    """What is measured, and for how long."""

    device: str  # cpu | cuda
    networks: tuple[str, ...]  # glioma, resenc-l
    backends: tuple[str, ...]  # beside the one that is chosen
    cases: int  # for agreement
    minutes: float


@dataclass(frozen=True)
class Network:
    """One network to be measured."""

    subject: Subject
    flops: float  # of a forward pass
    title: str


def bench_engine(bench: EngineBench) -> int:
    """Print the tables: time and memory with random weights, agreement with the trained ones."""
    started = time.perf_counter()
    peak = device_peak(bench.device)
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "nnunetv2", "openvino"))
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {versions}, "
        f"{time.strftime('%Y-%m-%d')}; measured peak {peak / 1e12:.2f} TFLOP/s"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for name, make in (("glioma", make_glioma), ("resenc-l", make_pancreas)):
            if name in bench.networks:
                # In a process apart: what this one holds would count as its children's.
                with multiprocessing.get_context("spawn").Pool(1, ignore_interrupts) as pool:
                    network = pool.apply(make, (Path(scratch) / name, bench.device))
                print(f"\n{network.title}; {network.flops / 1e12:.2f} TFLOP a pass")
                bench_times(network.subject, network.flops / peak, bench, started)
        print("\nagreement with stock on trained members (weights/brats-gli, synthetic patients)")
        bench_agreement(Path(scratch) / "trained", bench)
    return 0


def bench_times(
    subject: Subject, floor_of_a_pass_s: float, bench: EngineBench, started: float
) -> None:
    """Print a block for each number of folds, mirroring and number of cases there is time for."""
    pass_s: float | None = None  # stock's
    most_cases = 3 if subject.is_brats else 1
    rows = [(f, m, c) for c in (1, 3) for m in (False, True) for f in (1, 5) if c <= most_cases]
    rows.sort(key=lambda row: row[0] * (8 if row[1] else 1) * row[2])
    for folds, mirroring, cases in progress(rows, unit="block", description="measuring"):
        title = (
            f"{_count(folds, 'fold')}, mirroring {'on' if mirroring else 'off'}, "
            f"{_count(cases, 'case')}"
        )
        times = folds * (8 if mirroring else 1) * cases
        elapsed_s = time.perf_counter() - started
        if pass_s and (elapsed_s + 2.2 * pass_s * times) / 60 > bench.minutes:
            print_line(f"{title}: not run, about {pass_s * times / 60:.0f} minutes for stock alone")
            continue
        stock = subject.stock(folds, mirroring, cases, {})
        pass_s = stock.wall_s / times
        runs = {"stock": stock}
        if bench.device == "cpu":
            runs["stock, allocator"] = subject.stock(folds, mirroring, cases, TUNED)
        equal = {}
        for backend in ("auto", *bench.backends):
            runs[f"podium, {backend}"] = subject.podium(folds, mirroring, cases, backend)
            equal[f"podium, {backend}"] = subject.agreement(cases)[0]
        floor_s = times * tiles_of(subject) * floor_of_a_pass_s
        print_line(title)
        print_times(runs, equal, cases, floor_s)


def print_times(
    runs: Mapping[str, Run], equal: Mapping[str, float], cases: int, floor_s: float
) -> None:
    """Print one row a run, and the stages of this program's.

    Args:
        runs: name -> what the process took.
        equal: name -> share of voxels that are as stock's.
        cases: in each run.
        floor_s: seconds that the networks take at the device's peak.
    """
    heads = f"{'wall s':>8}{'ratio':>7}{'CPU s':>8}{'peak MiB':>10}{'networks':>10}"
    print_line(f"{'':<24}{heads}{'the rest':>10}{'equal':>10}{'x floor':>9}")
    for name, run in runs.items():
        networks = run.stages_s.get("networks")
        rest = None if networks is None else (run.wall_s - networks) / cases
        floors = None if networks is None else networks / floor_s
        percent = 100 * equal[name] if name in equal else None
        print_line(
            f"{name:<24}{run.wall_s:>8.1f}{runs['stock'].wall_s / run.wall_s:>6.1f}x"
            f"{run.cpu_s:>8.0f}{run.peak_mib:>10.0f}{_number(networks, 10, 1)}"
            f"{_number(rest, 10, 2)}{_number(percent, 9, 3)}{'%' if name in equal else ' '}"
            f"{_number(floors, 9, 2)}"
        )
    stages = runs["podium, auto"].stages_s.items()
    print_line("  stages: " + ", ".join(f"{stage} {s:.2f} s" for stage, s in stages))


def bench_agreement(work: Path, bench: EngineBench) -> None:
    """Compare labels of the members that ship with stock's, case by case and region by region."""
    trained = copy_networks(ROOT / "weights" / "brats-gli", work / "weights")
    print_line(f"members: those of {trained.name}")  # stock nnU-Net runs one folder
    destination = Destination(work / "cases", "challenge")
    list(write(Population("brats-gli", 11), bench.cases, destination, 2))
    subject = Subject(work, SCHEMES["brats-gli"], trained, work / "weights", bench.device)
    regions = list(subject.scheme.regions)
    print_line(f"{'':<30}{'equal':>10}" + "".join(f"{region:>9}" for region in regions))
    for folds in progress((1, 3), unit="block", description="agreement"):
        subject.stock(folds, False, bench.cases, TUNED)
        for backend in ("auto", *bench.backends):
            subject.podium(folds, False, bench.cases, backend)
            equal, dice = subject.agreement(bench.cases)
            by_region = "".join(f"{dice[region]:>9.5f}" for region in regions)
            title = f"{_count(folds, 'fold')}, {backend}"
            print_line(f"{title:<30}{100 * equal:>9.4f}%{by_region}")
    print_line(f"{bench.cases} cases; Dice over the voxels of all of them")


def make_glioma(work: Path, device: str) -> Network:
    """Make the post-treatment glioma network, five folds of it, and three heads."""
    scheme = SCHEMES["brats-gli"]
    write_heads(work / "cases", IDS, (182, 218, 182), (148, 178, 142))
    title = "glioma: PlainConvUNet, 6 stages, patch 128x160x112, 4 x 182x218x182 at 1 mm"
    return _network(work, scheme, plans_of(GLIOMA, GLIOMA_PATCH, 4), device, title)


def make_pancreas(work: Path, device: str) -> Network:
    """Make PANTHER's ResEnc-L, five folds of it, and an abdomen; smaller on a CPU."""
    small = device == "cpu"
    patch = ON_CPU if small else RESENC_L_PATCH
    shape = (43, 200, 200) if small else (72, 466, 570)
    write_abdomen(work / "cases" / PANCREAS, PANCREAS, shape, (3.0, 0.69, 0.69))
    sides, size = ("x".join(map(str, values)) for values in (patch, shape))
    title = f"ResEnc-L: patch {sides}, {size} at 3 x 0.69 x 0.69 mm to 1 mm"
    title += ", a reduced size: CPU" if small else ""
    return _network(work, SCHEMES["panther-t1"], plans_of(RESENC_L, patch, 1), device, title)


def _network(work: Path, scheme: Scheme, plans: dict[str, Any], device: str, title: str) -> Network:
    channels = len(scheme.sequences)
    write_trained(work / "trained", plans, scheme.sequences, scheme.labels, 5)
    pack_model(work, scheme)
    subject = Subject(work, scheme, work / "trained", work / "packed", device)
    return Network(subject, flops_of_a_pass(plans, channels, 1 + len(scheme.labels)), title)


def pack_model(work: Path, scheme: Scheme) -> None:
    """Pack WORK/trained as WORK/packed."""
    trained = work / "trained"
    without_case = ProofRequest(limit_s=0)  # what is measured here is held against stock anyway
    request = ModelRequest("packed", scheme, work, origin=str(trained), proof=without_case)
    build_model(request, [Source(trained, "checkpoint_final")], None)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number > 1)}"


def _number(value: float | None, width: int, decimals: int) -> str:
    return f"{'':>{width}}" if value is None else f"{value:>{width}.{decimals}f}"
