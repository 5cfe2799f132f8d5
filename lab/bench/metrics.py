"""How fast the scorers are, beside the official programs.

CPU seconds of one thread, the least of several runs; the peak of memory is that of a new process
that scores one case.
"""

import multiprocessing
import os
import resource
import time

from challenge.scheme import SCHEMES
from lab.bench.synthetic_pair import make_pair
from lab.metrics.pair import Pair
from lab.metrics.scorers import SCORERS, voxel_scorer
from lab.parallel import ignore_interrupts
from lab.progress import print_line, progress

SHAPE = (182, 218, 182)  # (z, y, x), the grid of post-treatment BraTS at 1 mm
# Scorer -> CPU seconds of the official program on a case of this kind, as measured by others:
# five regions of 4 to 6 lesions, tumours of 17 to 43 cm3, 1 to 5 false islands.
OFFICIAL_CPU_S = {
    "2023-gli": (4.7, 6.3),
    "2025-gli": (165.0, 228.0),
    "2025-ssa": (47.0, 67.0),
    "2026-gli": (0.9, 1.3),
}
SCORED = (*OFFICIAL_CPU_S, "2025-ped", "2025-met", "2026-mets", "2026-isles", "panther", "voxel")
OF_ONE_LABEL = ("2026-isles",)  # the whole tumours are its lesions; without a probability map


def bench_metrics(runs: int) -> int:
    """Print one row a scorer."""
    print(f"{'scorer':<10}{'CPU s':>8}{'official CPU s':>17}{'ratio':>12}{'peak MB':>9}")
    for name in progress(SCORED, unit="scorer", description="measuring"):
        with multiprocessing.get_context("spawn").Pool(1, ignore_interrupts) as pool:
            seconds, peak_mb = pool.apply(measure, (name, runs))
        official, ratio = "", ""
        if name in OFFICIAL_CPU_S:
            low, high = OFFICIAL_CPU_S[name]
            official, ratio = f"{low:g}-{high:g}", f"{low / seconds:.0f}-{high / seconds:.0f} x"
        print_line(f"{name:<10}{seconds:>8.2f}{official:>17}{ratio:>12}{peak_mb:>9.0f}")
    print(f"least of {runs} runs on {' x '.join(map(str, SHAPE))}, {os.cpu_count()} cores here")
    return 0


def measure(name: str, runs: int) -> tuple[float, float]:
    """Return the CPU seconds of scoring one case, and this process's peak memory in MB."""
    pair = make_pair(SHAPE, seed=0)
    if name in OF_ONE_LABEL:
        predicted, reference = (
            m.astype(bool).view("u1") for m in (pair.prediction, pair.reference)
        )
        pair = Pair(predicted, reference, pair.spacing_mm)
    scorer = SCORERS[name] if name in SCORERS else voxel_scorer(SCHEMES["brats-gli"], "excluded")
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        scorer.score(pair)
        seconds.append(time.process_time() - start)
    return min(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
