"""The platforms' tables of scores: which metrics they hold, in which order, and how they say it."""

import math
from dataclasses import dataclass, replace

from lab.metrics.metric_info import PARSED_2026, SYNAPSE, metric_info

SUMMARY_ROWS = ("mean", "std", "25quantile", "median", "75quantile")
# How other tables call them, in lower case; "": one that has none of these names.
SUMMARY_NAMES = {
    **{row: row for row in SUMMARY_ROWS},
    **dict.fromkeys(("average", "avg"), "mean"),
    **dict.fromkeys(("sd", "stddev"), "std"),
    **{"25%": "25quantile", "50%": "median", "50quantile": "median", "75%": "75quantile"},
    **dict.fromkeys(("count", "min", "max"), ""),
}


@dataclass(frozen=True)
class Layout:
    """One platform's table of scores."""

    index: str  # heading of the column of case ids
    platform: str = ""  # whose names of metrics the columns have: a key of `Metric.columns`
    metrics: tuple[str, ...] = ()  # in the order of the columns; (): all that the scorer returns
    by_region: bool = False  # all columns of a region together, instead of all of a metric
    lower_case: bool = False  # of regions in column names
    rows: tuple[str, ...] = SUMMARY_ROWS
    infinite: float = math.inf  # what stands for an infinite distance

    def column(self, metric: str) -> str:
        """Return a metric's name in this table, which stands before the region's."""
        return metric_info(metric).columns.get(self.platform, metric)


LESIONWISE = Layout(
    "scan_id",
    SYNAPSE,
    (
        *("dice", "nsd_0.5", "nsd_1.0", "hd95", "num_tp", "num_fp", "num_fn"),
        *("sensitivity", "specificity", "legacy_dice", "legacy_hd95"),
    ),
)
_INSTANCES = ("num_tp", "num_fp", "num_fn", "rq")
# `brats-parse-metrics seg` and `mets` of 2026.
SEG_2026 = Layout(
    "subject_id",
    PARSED_2026,
    (*_INSTANCES, "global_bin_dsc", "global_bin_nsd", "global_bin_hd95"),
    by_region=True,
    lower_case=True,
    rows=("mean", "std", "median"),
    infinite=373.0,
)
METS_2026 = replace(
    SEG_2026,
    metrics=(
        *_INSTANCES,
        *(f"large_instance_{count}" for count in ("tp", "fp", "fn", "f1")),
        *("dice", "lesionwise_dsc_std", "hd95", "lesionwise_hd95_std", "nsd", "lesionwise_nsd_std"),
        *(f"small_instance_{count}" for count in ("tp", "fn", "fp", "f1")),
    ),
)
# The organisers' table has no global NSD at 1 mm, by which they rank: a column more.
GOAT_2026 = replace(SEG_2026, metrics=(*SEG_2026.metrics, "global_nsd_1.0"))
PLAIN = Layout("case")
