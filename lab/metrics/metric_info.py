"""What every metric is: kind, direction, title, where it counts, its column in a platform's CSV.

One row of METRICS a metric; a name with a `*` stands for a family, such as the NSD at further
tolerances. A metric without a row, from another program's file, is described by the words of its
name: it is shown, but nothing is ranked or optimised by it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal

Kind = Literal["overlap", "score", "distance", "volume", "volume_ml", "count"]
Better = Literal["higher", "lower"]
ObjectiveName = Literal["overlap", "dice", "nsd", "hd95", "masd", "volume", "rank"]
MEANS_OF_SCORES: frozenset[ObjectiveName] = frozenset({"overlap", "dice", "nsd"})
UNITS: Mapping[Kind, str] = {
    "distance": "mm",
    "volume": "mm3",
    "volume_ml": "mL",
    "count": "count",
}


@dataclass(frozen=True)
class Metric:
    """One metric, or with a `*` in its name a family of them.

    Raises:
        ValueError: a metric that is no score counts for a mean of scores.
    """

    name: str  # in result files, as its scorer returns it
    kind: Kind
    better: Better | None = None  # None: nothing is ranked by it
    title: str = ""  # for readers; "": the name with spaces
    headline: bool = False  # ranked, and on a report's cover, where no organiser says what ranks
    # What it counts for in a search, unless the scorer's organisers rank by other metrics.
    objectives: tuple[ObjectiveName, ...] = ()
    decimals: int | None = None  # of its mean in the terminal and in reports; None: not shown there
    # Platform (`Layout.platform`) -> column, before the region; elsewhere the metric's name.
    columns: Mapping[str, str] = field(default_factory=dict)
    of_cohort: bool = False  # one number a cohort: it has no value, and so no rank, in a case

    def __post_init__(self) -> None:
        means = MEANS_OF_SCORES & set(self.objectives)
        if means and (self.unit or self.better != "higher"):
            names = ", ".join(sorted(means))
            raise ValueError(f"metric {self.name}: {names} are means of scores, higher is better")

    @property
    def unit(self) -> str:
        """The unit of its values: mm, mm3, mL, count, or nothing for a score."""
        return UNITS.get(self.kind, "")

    @property
    def sign(self) -> int:
        """What turns a value into one that is better when higher."""
        return -1 if self.better == "lower" else 1

    @property
    def best(self) -> float:
        """The value of a case with nothing to find in which nothing was found."""
        return 0.0 if self.better == "lower" else 1.0


RMSE = "volume_rmse_mm3"
# Of a case, and signed; over cases the root of the mean square counts.
VOLUME_ERROR = "volume_error_mm3"
PR_AUC = "pr_auc"
SYNAPSE, PARSED_2026 = "Synapse 2023-2025", "brats-parse-metrics 2026"

_DICE: tuple[ObjectiveName, ...] = ("overlap", "dice", "rank")
_NSD: tuple[ObjectiveName, ...] = ("overlap", "nsd", "rank")


def _columns(synapse: str = "", parsed: str = "") -> dict[str, str]:
    return {key: name for key, name in ((SYNAPSE, synapse), (PARSED_2026, parsed)) if name}


def _headline(
    name: str, title: str, objectives: tuple[ObjectiveName, ...], *columns: str
) -> Metric:
    decimals = 3 if title else None
    return Metric(name, "overlap", "higher", title, True, objectives, decimals, _columns(*columns))


def _lesions(name: str, title: str, better: Better | None, *columns: str) -> Metric:
    return Metric(name, "count", better, title, decimals=1, columns=_columns(*columns))


def _difference(name: str, kind: Kind, title: str) -> Metric:
    return Metric(name, kind, "lower", title, True, ("rank",), decimals=2)


# In the order in which rankings and the terminal show them.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _headline("dice", "Dice", _DICE, "LesionWise_Dice", "lesionwise_dsc_mean"),
        _headline("nsd", "NSD", _NSD, "", "lesionwise_nsd_mean"),
        _headline("nsd_0.5", "NSD 0.5 mm", _NSD, "LesionWise_NSD_0.5"),
        _headline("nsd_1.0", "NSD 1.0 mm", _NSD, "LesionWise_NSD_1.0"),
        _headline("nsd_*", "", _NSD),
        Metric("iou", "overlap", "higher", "IoU", decimals=3),
        Metric("precision", "score", "higher", decimals=3),
        Metric("recall", "score", "higher", decimals=3),
        _headline("surface_dice_5mm", "surface Dice 5 mm", _NSD),
        _headline("surface_dice_*", "", _NSD),
        Metric("global_dice", "overlap", "higher", "Dice of whole masks", False, _DICE, 3),
        Metric("global_nsd_1.0", "overlap", "higher", "NSD 1.0 mm of whole masks", False, _NSD, 3),
        Metric("global_nsd_*", "overlap", "higher", "", False, _NSD),
        Metric("small_instance_f1", "score", "higher", "F1 of small lesions", decimals=3),
        # ISLES'26. No rule changes the probability map, so that no objective counts its PR-AUC.
        Metric("lesion_f1", "score", "higher", "lesion-wise F1", True, ("rank",), 3),
        Metric(PR_AUC, "score", "higher", "PR-AUC", True, (), 3),
        _difference("volume_difference_ml", "volume_ml", "volume difference"),
        _difference("lesion_count_difference", "count", "lesion count difference"),
        Metric(
            "hd95",
            "distance",
            "lower",
            "HD95",
            True,
            ("hd95", "rank"),
            1,
            _columns("LesionWise_Hausdorff95", "lesionwise_hd95_mean"),
        ),
        Metric("masd", "distance", "lower", "MASD", True, ("masd", "rank"), 2),
        _lesions("num_tp", "lesions TP", None, "Num_TP", "all_instance_tp"),
        _lesions("num_fp", "lesions FP", "lower", "Num_FP", "all_instance_fp"),
        _lesions("num_fn", "lesions FN", "lower", "Num_FN", "all_instance_fn"),
        Metric(RMSE, "volume", "lower", "volume RMSE", of_cohort=True),
        Metric(VOLUME_ERROR, "volume", "lower", "volume RMSE", objectives=("volume",)),
        # Of whole masks, BraTS 2023.
        Metric("sensitivity", "score", columns=_columns("Sensitivity")),
        Metric("specificity", "score", columns=_columns("Specificity")),
        Metric("legacy_dice", "overlap", columns=_columns("Legacy_Dice")),
        Metric("legacy_hd95", "distance", columns=_columns("Legacy_HD95")),
        # Panoptica's, BraTS 2026.
        Metric("rq", "score", "higher", columns=_columns("", "all_instance_f1")),
        Metric("prec", "score", "higher"),
        Metric("rec", "score", "higher"),
        Metric("sq_dsc", "overlap", "higher"),
        Metric("sq_nsd", "overlap", "higher"),
        Metric("pq_dsc", "overlap", "higher"),
        Metric("sq_hd95", "distance", "lower"),
        Metric("sq_dsc_std", "score"),
        Metric("sq_nsd_std", "score"),
        Metric("sq_hd95_std", "distance"),
        Metric("tp", "count"),
        Metric("fp", "count", "lower"),
        Metric("fn", "count", "lower"),
        Metric("n_ref_instances", "count"),
        Metric("n_pred_instances", "count"),
        Metric("instance_voxel_count_ref", "count"),
        Metric("instance_volume_ref", "volume"),
        Metric("global_bin_volume_pred", "count"),  # in voxels, whatever its name
        Metric("global_bin_volume_ref", "count"),
        Metric("global_bin_dsc", "overlap", "higher", columns=_columns("", "global_dsc")),
        Metric("global_bin_nsd", "overlap", "higher", columns=_columns("", "global_nsd")),
        Metric("global_bin_hd95", "distance", "lower", columns=_columns("", "global_hd95")),
        Metric("global_dsc", "overlap", "higher"),
        Metric("global_nsd", "overlap", "higher"),
        Metric("global_hd95", "distance", "lower"),
        Metric("lesionwise_dsc_mean", "overlap", "higher"),
        Metric("lesionwise_dsc_std", "score"),
        Metric("lesionwise_hd95_mean", "distance", "lower"),
        Metric("lesionwise_hd95_std", "distance"),
        Metric("lesionwise_nsd_mean", "overlap", "higher"),
        Metric("lesionwise_nsd_std", "score"),
        Metric("*_instance_f1", "score", "higher"),
        Metric("*_instance_tp", "count"),
        Metric("*_instance_fp", "count", "lower"),
        Metric("*_instance_fn", "count", "lower"),
        # Of voxels, and PANTHER's volumes.
        Metric("tp_mm3", "volume"),
        Metric("fp_mm3", "volume", "lower"),
        Metric("fn_mm3", "volume", "lower"),
        Metric("volume_prediction_mm3", "volume"),
        Metric("volume_reference_mm3", "volume"),
    )
}

# Words of names that no row knows.
_KINDS: Mapping[Kind, frozenset[str]] = {
    "distance": frozenset({"hd95", "hd", "hd100", "masd", "msd", "assd"}),
    "volume": frozenset({"rmse", "volume"}),
    "count": frozenset({"tp", "fp", "fn", "tn", "num", "n"}),
}
HEADLINE_WORDS = frozenset({"dice", "dsc", "hd95", "nsd", "masd", "msd", "rmse", "f1"})


def metric_info(name: str) -> Metric:
    """Return the row of a metric: its own, else its family's, else what its name's words say."""
    if name in METRICS:
        return METRICS[name]
    family = next((row for key, row in METRICS.items() if fnmatchcase(name, key)), None)
    return replace(family, name=name, title="") if family else _from_words(name)


def title(name: str) -> str:
    """Return a metric's name for readers."""
    return metric_info(name).title or name.replace("_", " ")


def unit(name: str) -> str:
    """Return the unit of a metric: mm, mm3, mL, count, or nothing for a score."""
    return metric_info(name).unit


def lower_is_better(name: str) -> bool:
    """Say whether smaller values are better; where no row does, distances, volumes and errors."""
    metric = metric_info(name)
    guess = metric.kind in ("distance", "volume") or bool(words(name) & {"fp", "fn"})
    return guess if metric.better is None else metric.better == "lower"


def headline_metrics() -> tuple[str, ...]:
    """Return the metrics that are ranked where no organiser says what ranks, in their order."""
    return tuple(name for name, metric in METRICS.items() if metric.headline and "*" not in name)


def words(name: str) -> set[str]:
    """Split a metric's name into lower-case words."""
    return set(re.split(r"[^a-z0-9.]+", name.lower()))


def _from_words(name: str) -> Metric:
    kinds = (kind for kind, known in _KINDS.items() if words(name) & known)
    first = name.lower().removeprefix("surface_").split("_")[0]
    headline = first in HEADLINE_WORDS and "std" not in words(name)
    return Metric(name, next(kinds, "score"), headline=headline)
