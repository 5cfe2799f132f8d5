"""The platforms' tables of scores: how rows and columns of their CSV files are called."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

SUMMARY_ROWS = ("mean", "std", "25quantile", "median", "75quantile")


@dataclass(frozen=True)
class Layout:
    """One platform's table of scores."""

    index: str  # heading of the column of case ids
    columns: Mapping[str, str]  # metric -> column name before the region; {}: all, by their names
    by_region: bool = False  # all columns of a region together, instead of all of a metric
    lower_case: bool = False  # of regions in column names
    rows: tuple[str, ...] = SUMMARY_ROWS
    infinite: float = math.inf  # what stands for an infinite distance


# Synapse, 2023 to 2025.
LESIONWISE = Layout(
    "scan_id",
    {
        "dice": "LesionWise_Dice",
        "nsd_0.5": "LesionWise_NSD_0.5",
        "nsd_1.0": "LesionWise_NSD_1.0",
        "hd95": "LesionWise_Hausdorff95",
        "num_tp": "Num_TP",
        "num_fp": "Num_FP",
        "num_fn": "Num_FN",
        "sensitivity": "Sensitivity",
        "specificity": "Specificity",
        "legacy_dice": "Legacy_Dice",
        "legacy_hd95": "Legacy_HD95",
    },
)
_INSTANCES = {f"num_{k}": f"all_instance_{k}" for k in ("tp", "fp", "fn")} | {
    "rq": "all_instance_f1"
}
# `brats-parse-metrics seg` and `mets` of 2026.
SEG_2026 = Layout(
    "subject_id",
    _INSTANCES | {f"global_bin_{k}": f"global_{k}" for k in ("dsc", "nsd", "hd95")},
    by_region=True,
    lower_case=True,
    rows=("mean", "std", "median"),
    infinite=373.0,
)
METS_2026 = replace(
    SEG_2026,
    columns=_INSTANCES
    | {f"large_instance_{k}": f"large_instance_{k}" for k in ("tp", "fp", "fn", "f1")}
    | {"dice": "lesionwise_dsc_mean", "lesionwise_dsc_std": "lesionwise_dsc_std"}
    | {"hd95": "lesionwise_hd95_mean", "lesionwise_hd95_std": "lesionwise_hd95_std"}
    | {"nsd": "lesionwise_nsd_mean", "lesionwise_nsd_std": "lesionwise_nsd_std"}
    | {f"small_instance_{k}": f"small_instance_{k}" for k in ("tp", "fn", "fp", "f1")},
)
# The organisers' table has no global NSD at 1 mm, by which they rank: a column more.
GOAT_2026 = replace(SEG_2026, columns={**SEG_2026.columns, "global_nsd_1.0": "global_nsd_1.0"})
PLAIN = Layout("case", {})
