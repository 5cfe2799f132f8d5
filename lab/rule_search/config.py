"""What a search measures, tries and accepts, as data; one row of SEARCH_CONFIGS each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

# What a threshold is on. "size or peak": a component stays where either is reached.
# "threshold": a label takes every voxel from a probability on. "dice": that probability is the
# one of the highest expected Dice in each case.
RuleType = Literal["size", "share", "peak", "size or peak", "threshold", "dice"]
# Before which a case is tabulated anew.
LOWERING: tuple[RuleType, ...] = ("threshold", "dice")


@dataclass(frozen=True)
class SearchConfig:
    """How clusters are fitted and rules chosen."""

    name: str
    settings: Mapping[str, Any]  # of PyRadiomics
    groups: tuple[str, ...]  # of features; see `postprocess.feature_names`
    drops_constant: bool  # whether features that never vary are left out
    scaling: Literal["rows", "features"]  # each case's vector to length 1, or each feature robustly
    most_components: int  # of PCA, which explains VARIANCE
    most_clusters: int
    choice_of_k: Literal["silhouette", "held-out"]
    unit: Literal["voxels", "mm3"]
    sizes: tuple[float, ...]  # minimum component sizes tried; 0 (no rule) comes first
    shares: tuple[float, ...]  # minimum shares of the foreground tried
    becomes: str  # what a component that is too small becomes
    regions: bool  # whether components of the whole tumour are removed too
    targets: int  # how many labels a minor label may turn into, by frequency of confusion
    search: Literal["label-by-label", "stepwise"]
    objective: str  # see `lab.metrics.objective`
    least_cases: int  # the rules of a cluster of fewer shrink towards those of all cases
    gated: bool  # whether rules ship only where their held-out gain is clear of zero
    rule_types: tuple[RuleType, ...] = ("size", "share")  # which are searched
    # Minimum peak probabilities of components that are tried, and of sizes with peaks; no rule
    # comes first.
    peaks: tuple[float, ...] = (0.0,)
    sizes_and_peaks: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    thresholds: tuple[float, ...] = (0.0,)  # minimum probabilities of labels; no rule comes first
    # Share of the reference's lesions that may be lost, see `loss_limit`; 1: whatever is lost.
    lost_at_most: float = 1.0
    seed: int = 0  # of k-means, cross-validation and bootstraps


VARIANCE = 0.99

# arXiv 2512.14937 and the artefacts of its predecessor (HOPE-Segmenter-Kids, BraTS-PEDs).
PUBLISHED = SearchConfig(
    name="published",
    settings={"normalize": True},  # z-scores binned by 25: one or two grey levels
    groups=("radiomic",),
    drops_constant=False,
    scaling="rows",
    most_components=386,
    most_clusters=10,
    choice_of_k="silhouette",
    unit="voxels",
    sizes=tuple(range(0, 500, 25)),
    shares=tuple(twentieths / 20 for twentieths in range(20)),
    becomes="background",
    regions=False,
    targets=1,
    search="label-by-label",
    objective="rank",
    least_cases=1,
    gated=False,
)


def by_intervention(
    sizes: Sequence[float], peaks: Sequence[float]
) -> tuple[tuple[float, float], ...]:
    """Return (0, 0), then every size with every peak, the smaller intervention first.

    A component goes where it reaches neither, so of two pairs the one that is lower in both comes
    first; else the one with fewer pairs below it.
    """
    pairs = [(i, j) for i in range(len(sizes)) for j in range(len(peaks))]
    pairs.sort(key=lambda pair: ((pair[0] + 1) * (pair[1] + 1), pair))
    return ((0.0, 0.0), *((float(sizes[i]), peaks[j]) for i, j in pairs))


MIN_MM3 = (0, 5, 10, 20, 30, 40, 50, 65, 80, 100, 120, 140, 170, 200, 230, 260, 300, 350, 400, 500)
MIN_PERCENT = (0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70)
MIN_PEAK = (0, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)

VALIDATED = SearchConfig(
    name="validated",
    # Texture on 32 grey levels of each tumour's own range, whatever the scanner's scale.
    settings={"normalize": True, "removeOutliers": 10, "binCount": 32},
    groups=("radiomic", "mask", "probability", "votes", "input"),
    drops_constant=True,
    scaling="features",
    most_components=8,
    most_clusters=8,
    choice_of_k="held-out",
    unit="mm3",
    sizes=MIN_MM3,
    shares=tuple(percent / 100 for percent in MIN_PERCENT),
    becomes="surrounding",  # background inside a tumour is a hole that no scan shows
    regions=True,
    targets=2,
    search="stepwise",
    objective="overlap",
    least_cases=30,
    gated=True,
    rule_types=("peak", "size or peak", "size", "share"),
    peaks=MIN_PEAK,
    sizes_and_peaks=by_intervention(
        (10, 20, 40, 80, 140, 200, 300, 500), (0.5, 0.6, 0.65, 0.7, 0.8, 0.9, 0.95)
    ),
)

# With a peak this is hysteresis. A case is tabulated anew for each threshold, which takes time.
HYSTERESIS = replace(
    VALIDATED,
    name="hysteresis",
    rule_types=(*LOWERING, *VALIDATED.rule_types),
    thresholds=(0, 0.45, 0.425, 0.4, 0.35, 0.3, 0.25),
)

SEARCH_CONFIGS: Mapping[str, SearchConfig] = {
    config.name: config for config in (PUBLISHED, VALIDATED, HYSTERESIS)
}
