"""How fast the program is, on cases made for the purpose: `python -m lab bench WHAT`."""

import argparse
from pathlib import Path

from lab.arguments import add_jobs, positive_number

DEFAULT_CASES = {"search": 100, "engine": 6, "selection": 92}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    benches = ["metrics", "search", "features", "engine", "gpu", "selection"]
    parser.add_argument("what", choices=benches)
    add_number(parser, "--runs", 3, "metrics, features: least of N runs")
    cases = "search: 100; selection: 92; engine: the trained members' cases, 6"
    parser.add_argument("--cases", type=positive_number, metavar="N", help=cases)
    add_number(parser, "--anew", 5, "search: cases whose whole grid is also scored anew")
    selection = parser.add_argument_group("selection")
    add_number(selection, "--candidates", 30, "candidates for the ensemble")
    strategies = ["equal", "greedy"]
    selection.add_argument("--strategies", nargs="+", default=strategies, metavar="NAME")
    add_jobs(selection, 2)
    devices = parser.add_argument_group("engine, gpu")
    device = "engine: cpu, gpu: cuda, where `cpu` rehearses the measurement"
    devices.add_argument("--device", choices=("cpu", "cuda"), help=f"defaults: {device}")
    minutes = "what would take longer is named, not run (engine: 45, gpu: 8)"
    devices.add_argument("--minutes", type=float, metavar="N", help=minutes)
    gpu = parser.add_argument_group("gpu")
    gpu.add_argument("--json", type=Path, metavar="FILE", help="write all numbers, as they come")
    parts = "agreement, times, backends, autotuner, sums, limits, deadline, compile (default: all)"
    gpu.add_argument("--parts", nargs="+", default=(), metavar="NAME", help=parts)
    engine = parser.add_argument_group("engine")
    networks = ("glioma", "resenc-l")
    engine.add_argument("--networks", nargs="+", choices=networks, default=networks)
    backends = "beside the one that is chosen"
    engine.add_argument("--backends", nargs="*", default=(), metavar="NAME", help=backends)


def add_number(parser: argparse._ActionsContainer, name: str, default: int, help: str) -> None:
    """Add an option that is a whole number from 1 on."""
    help = f"{help} (default: {default})"
    parser.add_argument(name, type=positive_number, default=default, metavar="N", help=help)


def run(args: argparse.Namespace) -> int:
    """Print the table of one bench; each imports what it measures."""
    cases = args.cases or DEFAULT_CASES.get(args.what, 0)
    if args.what == "gpu":
        from lab.bench.gpu import GpuBench, bench_gpu

        minutes = 8.0 if args.minutes is None else args.minutes
        return bench_gpu(GpuBench(args.device or "cuda", minutes, args.json, args.parts))
    if args.what == "engine":
        from lab.bench.engine import EngineBench, bench_engine

        options = EngineBench(
            args.device or "cpu",
            tuple(args.networks),
            tuple(args.backends),
            cases,
            45.0 if args.minutes is None else args.minutes,
        )
        return bench_engine(options)
    if args.what == "selection":
        from lab.bench.selection import bench_selection

        return bench_selection(args.candidates, cases, args.strategies, args.jobs)
    if args.what == "search":
        from lab.bench.search import bench_search

        return bench_search(cases, min(args.anew, cases))
    if args.what == "features":
        from lab.bench.features import bench_features

        return bench_features(args.runs)
    from lab.bench.metrics import bench_metrics

    return bench_metrics(args.runs)
