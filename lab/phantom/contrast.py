"""What tissues look like in each sequence, as ranges: no two scanners and no two tumours agree.

Relative signals, white matter on T1 being 1, for t1n, t1c, t2w, t2f: a usual value, and a spread
as the standard deviation of its logarithm. What a radiologist knows of the sequences is in the
order of the values (fluid is dark on FLAIR, oedema bright, a rim bright after contrast and vessels
too); everything else is random, so that nothing can be learned but the order.
"""

from collections.abc import Mapping

import numpy as np

Signal = tuple[float, float, float, float]
# tissue: usual signals, and their spreads
USUAL: Mapping[str, tuple[Signal, Signal]] = {
    "white": ((1.00, 0.96, 0.32, 0.58), (0.05, 0.05, 0.10, 0.07)),
    "grey": ((0.83, 0.86, 0.46, 0.68), (0.08, 0.08, 0.12, 0.08)),
    "deep": ((0.90, 0.91, 0.40, 0.62), (0.07, 0.07, 0.12, 0.08)),
    "csf": ((0.30, 0.38, 1.35, 0.17), (0.25, 0.25, 0.20, 0.45)),
    "cap": ((0.90, 0.90, 0.50, 0.88), (0.07, 0.07, 0.15, 0.12)),
    "spots": ((0.86, 0.88, 0.60, 0.98), (0.10, 0.10, 0.18, 0.12)),
    "choroid": ((0.62, 1.40, 0.80, 0.50), (0.15, 0.25, 0.20, 0.30)),
    "vessel": ((0.62, 2.30, 0.24, 0.36), (0.30, 0.35, 0.40, 0.35)),
    "dura": ((0.55, 1.60, 0.45, 0.65), (0.20, 0.35, 0.30, 0.35)),
    "SNFH": ((0.85, 0.85, 0.72, 1.04), (0.12, 0.12, 0.18, 0.17)),
    # From solid tumour, hardly darker than oedema, to pus and old blood, dark as fluid on T1.
    "NETC": ((0.64, 0.62, 0.92, 0.86), (0.30, 0.32, 0.26, 0.36)),
    "cyst": ((0.37, 0.40, 1.06, 0.42), (0.20, 0.20, 0.15, 0.55)),
    "ET": ((0.80, 1.70, 0.64, 0.92), (0.17, 0.30, 0.24, 0.25)),
    "RC": ((0.34, 0.40, 1.25, 0.26), (0.20, 0.20, 0.18, 0.55)),
    "blood": ((1.25, 1.35, 0.40, 0.60), (0.25, 0.20, 0.50, 0.40)),
}
# What must hold in a sequence, by this factor at least: brighter, darker.
ORDER: Mapping[int, tuple[tuple[str, str, float], ...]] = {
    0: (("cyst", "csf", 1.1),),
    1: (("ET", "grey", 1.15), ("ET", "NETC", 1.25), ("ET", "cyst", 1.6), ("ET", "SNFH", 1.2)),
    2: (("SNFH", "grey", 1.12), ("csf", "grey", 1.5)),
    3: (
        *(("SNFH", "grey", 1.15), ("SNFH", "white", 1.25), ("grey", "csf", 1.6)),
        *(("SNFH", "RC", 1.6), ("cyst", "csf", 1.3)),
    ),
}
# Share of patients whose cavity holds the fluid of the ventricles: that of a cyst holds protein.
CLEAR_CAVITIES = 0.75


def draw_signals(rng: np.random.Generator) -> list[dict[str, float]]:
    """Return the signal of every tissue in each of the four sequences of one patient."""
    signals = []
    is_clear = rng.random() < CLEAR_CAVITIES
    water = dict(zip(USUAL, rng.standard_normal(len(USUAL)), strict=True))
    for channel in range(4):
        values = {}
        for name, (usual, spread) in USUAL.items():
            # T2 and FLAIR see the same water: half of the deviation is shared.
            shared = water[name] if channel >= 2 else rng.standard_normal()
            deviation = np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.standard_normal()
            values[name] = float(usual[channel] * np.exp(spread[channel] * deviation))
        if is_clear:
            values["RC"] = float(values["csf"] * np.exp(0.08 * rng.standard_normal()))
        for brighter, darker, factor in ORDER.get(channel, ()):
            values[brighter] = max(values[brighter], values[darker] * factor)
        signals.append(vary_contrast(rng, values))
    return signals


def vary_contrast(rng: np.random.Generator, values: dict[str, float]) -> dict[str, float]:
    """Vary contrast and gamma of a sequence as a whole."""
    names = list(values)
    varied = np.array([values[name] for name in names])
    top = varied.max()
    varied = top * (varied / top) ** rng.uniform(0.75, 1.3)
    return dict(zip(names, np.maximum(varied, 0.02).tolist(), strict=True))
