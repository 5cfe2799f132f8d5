"""How fast the program is, on cases made for the purpose: `python -m lab bench WHAT`.

CPU seconds of one process with one thread, the least of several runs; the peak of memory is that of
a fresh process that scores one case.
"""

import argparse
import multiprocessing
import os
import resource
import time
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from challenge.scheme import SCHEMES
from lab.arguments import add_jobs
from lab.bench.features import bench_features
from lab.bench.grids import mean_overlap, remove_small_grid
from lab.metrics.brats2025 import PROFILES_2025
from lab.metrics.component_table import build_component_table
from lab.metrics.pair import Pair
from lab.metrics.scorers import SCORERS, voxel_scorer
from postprocess.components import find_components

SHAPE = (182, 218, 182)  # (z, y, x), the grid of post-treatment BraTS at 1 mm
# Scorer -> CPU seconds of the official program on a case of this kind, as measured by others:
# five regions of 4 to 6 lesions, tumours of 17 to 43 cm3, 1 to 5 false islands.
OFFICIAL_CPU_S = {
    "2023-gli": (4.7, 6.3),
    "2025-gli": (165.0, 228.0),
    "2025-ssa": (47.0, 67.0),
    "2026-gli": (0.9, 1.3),
}
SCORED = (*OFFICIAL_CPU_S, "2025-ped", "2025-met", "2026-mets", "panther", "voxel")


SEARCH_SHAPE = (128, 128, 128)
SEARCH_SCORER = "2025-gli"
MIN_VOXELS = tuple(range(0, 500, 25))


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("what", choices=["metrics", "search", "features", "engine", "selection"])
    parser.add_argument("--runs", type=int, default=3, metavar="N",
                        help="metrics, features: least of N (3)")  # fmt: skip
    parser.add_argument("--cases", type=int, metavar="N",
                        help="search: 100; engine: trained members' cases, 6")  # fmt: skip
    parser.add_argument("--anew", type=int, default=5, metavar="N",
                        help="search: cases whose whole grid is also scored anew (5)")  # fmt: skip

    selection = parser.add_argument_group("selection")
    selection.add_argument("--candidates", type=int, default=30, metavar="N")
    selection.add_argument("--strategies", nargs="+", default=["equal", "greedy"], metavar="NAME")
    add_jobs(selection, 2)
    engine = parser.add_argument_group("engine")
    engine.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    engine.add_argument("--networks", nargs="+", choices=("glioma", "resenc-l"),
                        default=("glioma", "resenc-l"))  # fmt: skip
    engine.add_argument("--backends", nargs="*", default=(), metavar="NAME",
                        help="beside the one that is chosen")  # fmt: skip
    engine.add_argument("--minutes", type=float, default=45, metavar="N",
                        help="rows that would take longer are named, not run (45)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Print the table of one bench."""
    if args.what == "engine":
        from lab.bench.engine import bench_engine

        args.cases = args.cases or 6
        return bench_engine(args)
    if args.what == "selection":
        from lab.bench.selection import bench_selection

        args.cases = args.cases or 92
        return bench_selection(args)
    args.cases = args.cases or 100
    if args.what == "features":
        return bench_features(args.runs)
    return bench_metrics(args.runs) if args.what == "metrics" else bench_search(args)


def bench_metrics(runs: int) -> int:
    """Print one row a scorer."""
    print(f"{'scorer':<10}{'CPU s':>8}{'official CPU s':>17}{'ratio':>12}{'peak MB':>9}")
    for name in SCORED:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, peak_mb = pool.apply(measure, (name, runs))
        official, ratio = "", ""
        if name in OFFICIAL_CPU_S:
            low, high = OFFICIAL_CPU_S[name]
            official, ratio = f"{low:g}-{high:g}", f"{low / seconds:.0f}-{high / seconds:.0f} x"
        print(f"{name:<10}{seconds:>8.2f}{official:>17}{ratio:>12}{peak_mb:>9.0f}")
    print(f"least of {runs} runs on {' x '.join(map(str, SHAPE))}, {os.cpu_count()} cores here")
    return 0


def bench_search(args: argparse.Namespace) -> int:
    """Search one threshold a label, from tables and by scoring every grid point anew."""
    values = sorted(SCHEMES["brats-gli"].labels.values())
    profile = PROFILES_2025[SEARCH_SCORER.removeprefix("2025-")]
    fast_s = slow_s = worst = 0.0
    for seed in range(args.cases):
        pair = make_pair(SEARCH_SHAPE, seed)
        start = time.process_time()
        table = build_component_table(pair, profile)
        grid = np.array([remove_small_grid(table, v, MIN_VOXELS, mean_overlap) for v in values])
        fast_s += time.process_time() - start
        if seed < args.anew:
            start = time.process_time()
            anew = np.array([[_scored_anew(pair, v, n) for n in MIN_VOXELS] for v in values])
            slow_s += time.process_time() - start
            worst = max(worst, float(np.abs(anew - grid).max()))
    points = args.cases * len(values) * len(MIN_VOXELS)
    anew_s = slow_s / max(args.anew, 1) * args.cases
    official_s = points * OFFICIAL_CPU_S[SEARCH_SCORER][0]
    print(f"{points} grid points, {args.cases} cases of {' x '.join(map(str, SEARCH_SHAPE))}")
    print(f"from tables         {fast_s:>12.1f} CPU s")
    print(f"every point anew    {anew_s:>12.1f} CPU s, {anew_s / fast_s:.0f} x (from {args.anew})")
    print(f"official script     {official_s:>12.0f} CPU s, {official_s / fast_s:.0f} x (estimate)")
    print(f"largest difference  {worst:>12.1e}")
    return int(worst > 1e-9)


def _scored_anew(pair: Pair, value: int, min_voxels: int) -> float:
    """Apply one rule to the images and score them."""
    components = find_components(pair.prediction == value)
    labels = pair.prediction.copy()
    labels[components.where(components.voxels < min_voxels)] = 0
    return mean_overlap(SCORERS[SEARCH_SCORER].score(replace(pair, prediction=labels)))


def measure(name: str, runs: int) -> tuple[float, float]:
    """Return the CPU seconds of scoring one case, and this process's peak memory in MB."""
    pair = make_pair(SHAPE, seed=0)
    scorer = SCORERS[name] if name in SCORERS else voxel_scorer(SCHEMES["brats-gli"], "excluded")
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        scorer.score(pair)
        seconds.append(time.process_time() - start)
    return min(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_pair(shape: tuple[int, int, int], seed: int) -> Pair:
    """Make a reference of six tumours with four tissues, and a prediction that errs in each."""
    generator = np.random.default_rng(seed)
    centres = np.array([(0.4, 0.4, 0.35), (0.6, 0.65, 0.65), (0.3, 0.7, 0.5), (0.7, 0.35, 0.6),
                        (0.5, 0.5, 0.8), (0.7, 0.7, 0.3)])  # fmt: skip
    radii_mm = np.array([19.0, 12.0, 8.0, 7.0, 6.0, 5.0])
    reference, prediction = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for centre, radius_mm in zip(centres * shape, radii_mm, strict=True):
        _paint(reference, centre, radius_mm, generator)
        _paint(prediction, centre + generator.normal(0, 1, 3), radius_mm * 0.97, generator)
    for label in (1, 2, 3, 4, 3):  # false islands
        place = (generator.uniform(0.2, 0.8, 3) * shape).astype(int)
        prediction[tuple(slice(p, p + 4) for p in place)] = label
    return Pair(prediction, reference, (1.0, 1.0, 1.0))


def _paint(
    labels: np.ndarray, centre: np.ndarray, radius_mm: float, generator: np.random.Generator
) -> None:
    """Paint a lumpy ball: oedema outside, an enhancing rim, a core, and a cavity at one side."""
    reach = int(radius_mm * 1.6) + 2
    corner = np.maximum(centre.astype(int) - reach, 0)
    box = tuple(slice(int(c), int(c) + 2 * reach) for c in corner)
    view = labels[box]
    grid = np.indices(view.shape).reshape(3, -1).T + corner - centre
    away = np.linalg.norm(grid, axis=1).reshape(view.shape)
    lumps = gaussian_filter(generator.normal(size=view.shape), 3)
    away = (away + 1.5 * lumps / lumps.std()) / radius_mm
    side = grid[:, 0].reshape(view.shape) > 0.35 * radius_mm
    for within, label in ((1.0, 2), (0.65, 3), (0.4, 1)):
        view[away < within] = label
    view[(away < 0.65) & side] = 4
