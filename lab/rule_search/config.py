"""What a search measures, tries and accepts, as data; one row of SEARCH_CONFIGS each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

# What a threshold is on. "size or peak": a component stays where either is reached; what else
# may spare one is a row of `sparing.SPARES`. "threshold": a label takes every voxel from a
# probability on, "region threshold" a region, for the label that a network of regions paints it
# with; "more probable": a region takes what it is more probable in from a label that excludes it.
# "dice": that probability is the one of the highest expected Dice in each case.
RuleType = Literal[
    "size",
    "share",
    "peak",
    "size or peak",
    "mean",
    "size or mean",
    "votes",
    "size or votes",
    "distance",
    "size or distance",
    "distance to",
    "size or distance to",
    "touches",
    "size or touches",
    "inside",
    "size or inside",
    "holds",
    "size or holds",
    "more probable",
    "region threshold",
    "threshold",
    "dice",
]
Point = float | tuple[float, float]  # a threshold, or a size and a threshold
Grids = Mapping[RuleType, tuple[Point, ...]]
# Before which a case is tabulated anew.
LOWERING: tuple[RuleType, ...] = ("more probable", "region threshold", "threshold", "dice")


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
    # Of what spares components, by the types of `sparing`; no rule comes first, then the smaller
    # intervention. Which of them are searched is for `rule_types` to say.
    grids: Grids = field(default_factory=dict)
    # Minimum probabilities of labels and regions; no rule comes first.
    thresholds: tuple[float, ...] = (0.0,)
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
    sizes: Sequence[float], thresholds: Sequence[float]
) -> tuple[tuple[float, float], ...]:
    """Return (0, 0), then every size with every threshold, the smaller intervention first.

    Of two pairs the one whose size and threshold both come first does; else the one with fewer
    pairs before it. Thresholds come in the order in which they remove more.
    """
    pairs = [(i, j) for i in range(len(sizes)) for j in range(len(thresholds))]
    pairs.sort(key=lambda pair: ((pair[0] + 1) * (pair[1] + 1), pair))
    return ((0.0, 0.0), *((float(sizes[i]), float(thresholds[j])) for i, j in pairs))


MIN_MM3 = (0, 5, 10, 20, 30, 40, 50, 65, 80, 100, 120, 140, 170, 200, 230, 260, 300, 350, 400, 500)
MIN_PERCENT = (0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70)
MIN_PEAK = (0, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
MIN_MEAN = (0, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
# Of three, four, five and ten members these are all the shares of a majority, and most others.
MIN_VOTES = (0, 0.2, 0.3, 0.5, 0.6, 0.65, 0.75, 0.8, 0.9, 1.0)
MAX_MM = (0, 80, 60, 50, 40, 30, 25, 20, 15, 10, 7, 5, 3)
IS_RULE = (0, 1)  # of what has no threshold
PAIRED_MM3 = (10, 20, 40, 80, 140, 200, 300, 500)

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
    grids={
        "peak": MIN_PEAK,
        "size or peak": by_intervention(PAIRED_MM3, (0.5, 0.6, 0.65, 0.7, 0.8, 0.9, 0.95)),
    },
)

# Larger shares hold what a person sees: 4 % of a tumour of 100 mL are 4 mL of necrosis.
SMALL_SHARES = replace(
    VALIDATED,
    name="small-shares",
    shares=tuple(share for share in VALIDATED.shares if share <= 0.02),
)

# Of two regions that exclude each other the more probable one; one more table of a case for each
# pair, where `hysteresis` has dozens.
MORE_PROBABLE = replace(
    VALIDATED,
    name="more-probable",
    rule_types=("more probable", *VALIDATED.rule_types),
)

# Regions that networks draw too small: what a lower threshold than one half gains. So few that all
# tables of a case stay in memory.
REGION_THRESHOLDS = replace(
    SMALL_SHARES,
    name="region-thresholds",
    rule_types=("region threshold", *VALIDATED.rule_types),
    thresholds=(0, 0.4, 0.3),
)

# With a peak this is hysteresis. A case is tabulated anew for each threshold, which takes time.
HYSTERESIS = replace(
    VALIDATED,
    name="hysteresis",
    rule_types=(*LOWERING, *VALIDATED.rule_types),
    thresholds=(0, 0.45, 0.425, 0.4, 0.35, 0.3, 0.25),
)

# Every predicate that may spare a component; a challenge, or a case, may lack what one is about.
PREDICATES: Grids = {
    **VALIDATED.grids,
    "mean": MIN_MEAN,
    "size or mean": by_intervention(PAIRED_MM3, (0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9)),
    "votes": MIN_VOTES,
    "size or votes": by_intervention(PAIRED_MM3, (0.3, 0.5, 0.65, 0.75, 0.9, 1.0)),
    "distance": MAX_MM,
    "size or distance": by_intervention(PAIRED_MM3, (60, 40, 30, 20, 15, 10, 5)),
    "distance to": MAX_MM,
    "size or distance to": by_intervention(PAIRED_MM3, (60, 40, 30, 20, 15, 10, 5)),
    "touches": IS_RULE,
    "size or touches": MIN_MM3,
    "inside": IS_RULE,
    "size or inside": MIN_MM3,
    "holds": IS_RULE,
    "size or holds": MIN_MM3,
}
EVERY_PREDICATE = replace(
    VALIDATED,
    name="every-predicate",
    rule_types=(*PREDICATES, "size", "share"),
    grids=PREDICATES,
)

SEARCH_CONFIGS: Mapping[str, SearchConfig] = {
    config.name: config
    for config in (
        PUBLISHED,
        VALIDATED,
        SMALL_SHARES,
        MORE_PROBABLE,
        REGION_THRESHOLDS,
        HYSTERESIS,
        EVERY_PREDICATE,
    )
}
