"""How fast radiomic features are, against PyRadiomics itself on whole volumes.

CPU seconds of one thread; the peak of memory is that of a new process that describes one case.
"""

import logging
import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import SimpleITK
from scipy.ndimage import gaussian_filter

from challenge.case import Case
from challenge.scheme import SCHEMES
from lab.parallel import ignore_interrupts
from lab.progress import print_line, progress
from lab.rule_search.config import PUBLISHED, VALIDATED
from postprocess.components import largest_component
from postprocess.feature_names import feature_names
from postprocess.features import radiomic_features

SHAPE = (155, 240, 240)  # (z, y, x), the grid of BraTS
TUMOUR_MM3 = 100_000
SEQUENCES = SCHEMES["brats-gli"].sequences
SETTINGS = {config.name: config.settings for config in (PUBLISHED, VALIDATED)}
Measured = tuple[dict[str, float], float, float]  # values by name, CPU seconds, peak MB


def bench_features(runs: int) -> int:
    """Print one row for each of SETTINGS; every measurement in a separate process."""
    print(
        f"{'settings':<10}{'plain CPU s':>12}{'CPU s':>8}{'ratio':>8}{'peak MB':>9}{'differ':>10}"
    )
    worst = 0.0
    for name, settings in progress(SETTINGS.items(), len(SETTINGS), "setting", "measuring"):
        plain, plain_s, _ = _in_process(_plain, settings, 1)
        fast, fast_s, peak_mb = _in_process(_fast, settings, runs)
        differ = max(_relative(fast[key], plain[key]) for key in plain)
        worst = max(worst, differ)
        ratio = f"{plain_s / fast_s:.0f} x"
        print_line(
            f"{name:<10}{plain_s:>12.1f}{fast_s:>8.2f}{ratio:>8}{peak_mb:>9.0f}{differ:>10.1e}"
        )
    shape = " x ".join(map(str, SHAPE))
    print(
        f"{len(SEQUENCES)} sequences of {shape}, a tumour of {TUMOUR_MM3 // 1000} cm3; "
        f"plain once, the other the least of {runs} runs"
    )
    return int(worst > 1e-9)


def make_head(seed: int) -> tuple[Case, np.ndarray]:
    """Make a textured ellipsoid in empty air, and the bool mask (z, y, x) of a lumpy tumour."""
    generator = np.random.default_rng(seed)
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    head = ((z - 78) / 70) ** 2 + ((y - 120) / 95) ** 2 + ((x - 120) / 75) ** 2 < 1
    box = (slice(45, 120), slice(80, 155), slice(75, 150))  # holds the tumour
    size = tuple(side.stop - side.start for side in box)
    distance_mm = np.linalg.norm(np.indices(size).T - 37, axis=3).T
    lumps = gaussian_filter(generator.normal(size=size), 4)
    distance_mm += 2 * lumps / lumps.std()
    tumour = np.zeros(SHAPE, bool)
    tumour[box] = distance_mm <= np.partition(distance_mm.ravel(), TUMOUR_MM3)[TUMOUR_MM3 - 1]
    images = {}
    for level, sequence in enumerate(SEQUENCES, 3):
        image = generator.standard_normal(SHAPE, dtype=np.float32)
        image = gaussian_filter(image, 0.8) * np.float32(120) + np.float32(100 * level)
        image[tumour] *= np.float32(1 + 0.1 * level)
        images[sequence] = image * head
    return Case("head", images, (1.0, 1.0, 1.0)), largest_component(tumour)


def _in_process(
    measure: Callable[[Mapping[str, Any], int], Measured], settings: Mapping[str, Any], runs: int
) -> Measured:
    with multiprocessing.get_context("spawn").Pool(1, ignore_interrupts) as pool:
        return pool.apply(measure, (settings, runs))


def _fast(settings: Mapping[str, Any], runs: int) -> Measured:
    """Describe the head by every radiomic feature; the seconds are the least of the runs."""
    case, tumour = make_head(seed=0)
    names, seconds = feature_names(SEQUENCES), []
    radiomic_features(case, tumour, names[:1], settings)  # imports are not timed
    for _ in range(runs):
        start = time.process_time()
        values = radiomic_features(case, tumour, names, settings)
        seconds.append(time.process_time() - start)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return dict(zip(names, values.tolist(), strict=True)), min(seconds), peak_mb


def _plain(settings: Mapping[str, Any], runs: int) -> Measured:
    """Run PyRadiomics' extractor once a sequence, as its documentation shows."""
    import radiomics
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    radiomics.logger.setLevel(logging.CRITICAL)
    case, tumour = make_head(seed=0)
    mask = SimpleITK.GetImageFromArray(tumour.astype(np.uint8))
    images = {s: SimpleITK.GetImageFromArray(array) for s, array in case.images.items()}
    extractor, values = RadiomicsFeatureExtractor(**settings), {}
    start = time.process_time()
    for _ in range(runs):
        for sequence, image in images.items():
            for key, value in extractor.execute(image, mask).items():
                kind, _, name = key.partition("_")
                if kind == "original":
                    shape = name.startswith("shape_")
                    values[name if shape else f"{sequence}_{name}"] = float(value)
    seconds = (time.process_time() - start) / runs
    return values, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _relative(one: float, other: float) -> float:
    return abs(one - other) / max(abs(one), abs(other), 1e-12)
