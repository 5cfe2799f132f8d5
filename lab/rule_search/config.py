"""What a search measures, tries and accepts, as data; one row of SEARCH_CONFIGS each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class SearchConfig:
    """How clusters are fitted and rules chosen."""

    name: str
    settings: Mapping[str, Any]  # of PyRadiomics
    groups: tuple[str, ...]  # of features; see `postprocess.feature_names`
    drops_constant: bool  # whether features that never vary are left out
    scaling: Literal["rows", "features"]  # each case's vector to length 1, or each feature robustly
    most_components: int  # of PCA, which keeps VARIANCE
    most_clusters: int
    choice_of_k: Literal["silhouette", "held-out"]
    unit: Literal["voxels", "mm3"]
    sizes: tuple[float, ...]  # minimum component sizes tried; 0 (no rule) comes first
    shares: tuple[float, ...]  # minimum shares of the foreground tried
    becomes: str  # what a component that is too small becomes
    regions: bool  # whether components of the whole tumour are removed too
    targets: int  # how many labels a minor label may turn into, by frequency of confusion
    search: Literal["label-by-label", "stepwise"]
    objective: str  # default; see `lab.metrics.objective`
    least_cases: int  # a cluster of fewer leans on the pooled rules
    gated: bool  # whether rules ship only where their held-out gain is clear of zero


VARIANCE = 0.99

SEARCH_CONFIGS: Mapping[str, SearchConfig] = {
    config.name: config
    for config in (
        # arXiv 2512.14937 and the artefacts of its predecessor (HOPE-Segmenter-Kids, BraTS-PEDs).
        SearchConfig(
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
            shares=tuple(step / 20 for step in range(20)),
            becomes="background",
            regions=False,
            targets=1,
            search="label-by-label",
            objective="rank",
            least_cases=1,
            gated=False,
        ),
        SearchConfig(
            name="validated",
            # Texture on 32 grey levels of each tumour's own range, whatever the scanner's scale.
            settings={"normalize": True, "removeOutliers": 10, "binCount": 32},
            groups=("radiomic", "mask", "probability", "votes"),
            drops_constant=True,
            scaling="features",
            most_components=8,
            most_clusters=8,
            choice_of_k="held-out",
            unit="mm3",
            sizes=(0, 5, 10, 20, 30, 40, 50, 65, 80, 100, 120, 140, 170, 200, 230, 260, 300, 350,
                   400, 500),
            shares=(0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.1, 0.12,
                    0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7),
            becomes="surrounding",  # background inside a tumour is a hole that no scan shows
            regions=True,
            targets=2,
            search="stepwise",
            objective="overlap",
            least_cases=30,
            gated=True,
        ),
    )
}  # fmt: skip
