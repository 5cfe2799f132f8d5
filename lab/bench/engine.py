"""How fast the engine is beside stock nnU-Net: same networks, same cases, process by process.

Every figure is of a process from its start to its last file: wall and CPU seconds, the peak of
its memory, whether the labels are stock's, and how near its networks come to the device's own peak.
Random weights tell time, not agreement: their logits are nearly tied. Agreement is told by the
trained members that ship.
"""

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from openvino import opset13 as ops

from challenge.scheme import SCHEMES, Scheme
from ensemble.manifest import verify_model
from ensemble.preprocess import find_nonzero_region, preprocessed_shape
from ensemble.sliding_window import count_tiles
from lab.bench.processes import ROOT, TUNED, Subject
from lab.phantom.cohort import Destination, Population, write
from lab.training.random_networks import (
    flops_of_a_pass,
    plans_of,
    read_case_of,
    write_abdomen,
    write_heads,
    write_trained,
)

GLIOMA, GLIOMA_PATCH = "plain-6", (128, 160, 112)
RESENC_L, RESENC_L_PATCH = "resenc-l", (192, 192, 192)
ON_CPU = (96, 96, 96)  # ResEnc-L's patch where its own would take half a minute a pass
IDS = tuple(f"BraTS-GLI-0000{i}-100" for i in range(3))
PANCREAS = "pancreas"


def bench_engine(args: argparse.Namespace) -> int:
    """Print the tables: time and memory with random weights, agreement with the trained ones."""
    began = time.perf_counter()
    peak = device_peak(args.device)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch "
          f"{version('torch')}, nnunetv2 {version('nnunetv2')}, openvino {version('openvino')}, "
          f"{time.strftime('%Y-%m-%d')}; measured peak {peak / 1e12:.2f} TFLOP/s")  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        for name, make in (("glioma", make_glioma), ("resenc-l", make_pancreas)):
            if name in args.networks:
                # In a process of its own: what this one holds would count as its children's.
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    subject, flops, told = pool.apply(make, (Path(scratch) / name, args.device))
                print(f"\n{told}; {flops / 1e12:.2f} TFLOP a pass")
                bench_times(subject, flops / peak, args, began)
        print("\nagreement with stock on trained members (weights/brats-gli, synthetic patients)")
        bench_agreement(Path(scratch) / "trained", args)
    return 0


def bench_times(
    subject: Subject, floor_of_a_pass_s: float, args: argparse.Namespace, began: float
) -> None:
    """Print a block for each number of folds, mirroring and number of cases there is time for."""
    known_s: float | None = None  # stock's seconds a pass
    most_cases = 3 if subject.is_brats else 1
    rows = [(f, m, c) for c in (1, 3) for m in (False, True) for f in (1, 5) if c <= most_cases]
    for folds, mirroring, cases in sorted(rows, key=lambda r: r[0] * (8 if r[1] else 1) * r[2]):
        title = f"{folds} fold{'s' * (folds > 1)}, mirroring {'on' if mirroring else 'off'}, " \
                f"{cases} case{'s' * (cases > 1)}"  # fmt: skip
        times = folds * (8 if mirroring else 1) * cases
        if known_s and (time.perf_counter() - began + 2.2 * known_s * times) / 60 > args.minutes:
            print(f"{title}: not run, about {known_s * times / 60:.0f} minutes for stock alone")
            continue
        stock = subject.stock(folds, mirroring, cases, {})
        known_s = stock.wall_s / times
        runs = {"stock": stock}
        if args.device == "cpu":
            runs["stock, allocator"] = subject.stock(folds, mirroring, cases, TUNED)
        agreed = {}
        for backend in ("auto", *args.backends):
            runs[f"podium, {backend}"] = subject.podium(folds, mirroring, cases, backend)
            agreed[f"podium, {backend}"] = subject.agreement(cases)[0]
        print(f"{title}\n{'':<24}{'wall s':>8}{'ratio':>7}{'CPU s':>8}{'peak MiB':>10}"
              f"{'networks':>10}{'the rest':>10}{'equal':>10}{'x floor':>9}")  # fmt: skip
        passes = times * tiles_of(subject)
        for name, run in runs.items():
            networks = run.stages_s.get("networks")
            rest = None if networks is None else (run.wall_s - networks) / cases
            floor = None if networks is None else networks / (passes * floor_of_a_pass_s)
            print(f"{name:<24}{run.wall_s:>8.1f}{stock.wall_s / run.wall_s:>6.1f}x{run.cpu_s:>8.0f}"
                  f"{run.peak_mib:>10.0f}{_or_not(networks, 10, 1)}{_or_not(rest, 10, 2)}"
                  f"{_or_not(100 * agreed[name] if name in agreed else None, 9, 3)}"
                  f"{'%' if name in agreed else ' '}{_or_not(floor, 9, 2)}")  # fmt: skip
        last = runs["podium, auto"].stages_s
        print(
            "  stages: " + ", ".join(f"{stage} {s:.2f} s" for stage, s in last.items()), flush=True
        )


def bench_agreement(work: Path, args: argparse.Namespace) -> None:
    """Compare labels of the members that ship with stock's, case by case and region by region."""
    weights = work / "weights"
    shutil.copytree(ROOT / "weights" / "brats-gli", weights)
    manifest = json.loads((weights / "MANIFEST.json").read_text(encoding="utf-8"))
    for name in [name for name in manifest["files"] if "/" not in name]:  # networks alone
        del manifest["files"][name]
        (weights / name).unlink()
    (weights / "MANIFEST.json").write_text(json.dumps(manifest), encoding="utf-8")
    trained = next(path for path in weights.iterdir() if (path / "plans.json").is_file())
    write(Population("brats-gli", 11), args.cases, Destination(work / "cases", "challenge"), 2)
    subject = Subject(work, SCHEMES["brats-gli"], trained, weights, args.device)
    regions = list(subject.scheme.regions)
    print(f"{'':<30}{'equal':>10}" + "".join(f"{region:>9}" for region in regions))
    for folds in (1, 3):
        subject.stock(folds, False, args.cases, TUNED)
        for backend in ("auto", *args.backends):
            subject.podium(folds, False, args.cases, backend)
            equal, dice = subject.agreement(args.cases)
            title = f"{folds} fold{'s' * (folds > 1)}, {backend}"
            print(f"{title:<30}{100 * equal:>9.4f}%" + "".join(f"{dice[r]:>9.5f}" for r in regions),
                  flush=True)  # fmt: skip
    print(f"{args.cases} cases; Dice over the voxels of all of them")


def make_glioma(work: Path, device: str) -> tuple[Subject, float, str]:
    """Make the post-treatment glioma network, five folds of it, and three heads."""
    scheme = SCHEMES["brats-gli"]
    write_heads(work / "cases", IDS, (182, 218, 182), (148, 178, 142))
    told = "glioma: PlainConvUNet, 6 stages, patch 128x160x112, 4 x 182x218x182 at 1 mm"
    return (*_subject(work, scheme, plans_of(GLIOMA, GLIOMA_PATCH, 4), device), told)


def make_pancreas(work: Path, device: str) -> tuple[Subject, float, str]:
    """Make PANTHER's ResEnc-L, five folds of it, and an abdomen; smaller on a CPU."""
    small = device == "cpu"
    patch = ON_CPU if small else RESENC_L_PATCH
    shape = (43, 200, 200) if small else (72, 466, 570)
    write_abdomen(work / "cases" / PANCREAS, PANCREAS, shape, (3.0, 0.69, 0.69))
    sides, size = ("x".join(map(str, values)) for values in (patch, shape))
    told = f"ResEnc-L: patch {sides}, {size} at 3 x 0.69 x 0.69 mm to 1 mm"
    told += ", a reduced size: CPU" if small else ""
    return (*_subject(work, SCHEMES["panther-t1"], plans_of(RESENC_L, patch, 1), device), told)


def tiles_of(subject: Subject) -> int:
    """Return how many tiles the last case took, from its plan."""
    model = verify_model(subject.weights / "MANIFEST.json")
    case = read_case_of(subject.work / "cases", subject.scheme)
    plan = model.members[0].plan
    inside = find_nonzero_region(case, model.members[0].sequences)
    return count_tiles(preprocessed_shape(case, plan, inside), plan.patch, model.step)


def device_peak(device: str) -> float:
    """Return the most FLOP/s that the device shows: float32, half precision on a GPU.

    Of a matrix product, and on a CPU of a convolution, where libraries come nearest to the metal.
    """
    size = 8192 if device == "cuda" else 3072
    a = torch.randn(size, size)
    if device == "cuda":
        a = a.to(device, torch.half)

    def product() -> None:
        (a @ a)[0, 0].item()  # waits for the device

    shown: list[tuple[float, Callable[[], object]]] = [(2 * size**3, product)]
    if device == "cpu":
        x = ops.parameter([1, 64, 64, 64, 64], np.float32)
        w = ops.constant(np.ones((64, 64, 3, 3, 3), np.float32))
        convolved = ops.convolution(x, w, [1] * 3, [1] * 3, [1] * 3, [1] * 3)
        shown.append((2 * 27 * 64**5, _by_openvino(convolved, [x])))
    best = 0.0
    for operations, run in shown * 6:
        began = time.perf_counter()
        run()
        best = max(best, operations / (time.perf_counter() - began))
    return best


def _by_openvino(product: Any, inputs: list[Any]) -> Callable[[], object]:
    model = openvino.Model([product], inputs)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    given = [np.ones(x.get_shape(), np.float32) for x in inputs]
    return lambda: compiled(given)


def _subject(
    work: Path, scheme: Scheme, plans: dict[str, Any], device: str
) -> tuple[Subject, float]:  # fmt: skip
    from lab.__main__ import main as lab

    channels = len(scheme.sequences)
    write_trained(work / "trained", plans, scheme.sequences, scheme.labels, 5)
    flags = ["--model", "packed", "--scheme", scheme.name, "--out", str(work)]
    lab(["pack", str(work / "trained"), *flags])
    subject = Subject(work, scheme, work / "trained", work / "packed", device)
    return subject, flops_of_a_pass(plans, channels, 1 + len(scheme.labels))


def _or_not(value: float | None, width: int, decimals: int) -> str:
    return f"{'':>{width}}" if value is None else f"{value:>{width}.{decimals}f}"
