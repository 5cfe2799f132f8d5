"""What a column of a table of scores holds: a metric of a region, as platforms and teams call them.

Columns that were seen in public files and evaluators: `LesionWise_Dice_ET` (Synapse 2023-2025),
`Dice_ET` and `Hausdorff95_ET` (CaPTk, BraTS until 2022, FeTS), `global_dsc_et` (BraTS 2026),
`dice_et`, `ET_dice`, `hd95_ET_mm`, `hd95_mm` (teams), `ET-sq_dsc` (panoptica).
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from challenge.challenges import SCHEMES
from lab.metrics.metric_info import METRICS
from lab.metrics.scorers import SCORERS

FOREGROUND = "foreground"  # the region of a column that names none
# Spellings of metrics beside those of the scorers' tables, in lower case.
SPELLINGS = {
    "dsc": "dice",
    "dice_score": "dice",
    "hausdorff95": "hd95",
    "hd_95": "hd95",
    "jaccard": "iou",
    "lesion_tp": "num_tp",
    "lesion_fp": "num_fp",
    "lesion_fn": "num_fn",
    # One row a region, as `get_LesionWiseResults` of BraTS 2023-2025 writes them.
    "lesionwise_score_dice": "dice",
    "lesionwise_score_hd95": "hd95",
    "lesionwise_score_nsd @ 0.5": "nsd_0.5",
    "lesionwise_score_nsd @ 1.0": "nsd_1.0",
}
UNIT = re.compile(r"_(mm|mm3|ml)\Z", re.IGNORECASE)
TOLERANCE = re.compile(r"\d+\.\d+(mm)?|\d+mm")  # the end of a metric, not a region
# Ends of columns that summarise others: no region.
AGGREGATES = frozenset(
    {"mean", "avg", "average", "macro", "overall", "std", "sd", "median", "min", "max", "sum"}
)
# Columns that number the rows of a training's log: those of Keras, Lightning, Catalyst, fastai
# (epoch, step), wandb (_step, trainer/global_step) and TensorBoard (Step).
OF_TRAINING = re.compile(r"(.*/)?_*(global_?)?(epoch|step|iter|iteration)s?\Z", re.IGNORECASE)
REGIONS = {
    name.lower(): name for scheme in SCHEMES.values() for name in (*scheme.labels, *scheme.regions)
}

Key = tuple[str, str]  # region, metric


def _spellings() -> Iterator[tuple[str, str]]:
    """Yield each spelling of a metric, the scorers' last, so that those decide."""
    yield from SPELLINGS.items()
    exact = [name for name in METRICS if "*" not in name]
    yield from ((name.lower(), name) for name in exact)
    layouts = dict.fromkeys(scorer.layout for scorer in SCORERS.values())
    for layout in reversed(layouts):
        yield from ((layout.column(m).lower(), m) for m in reversed(layout.metrics or exact))


def _metric(name: str) -> str | None:
    """Return the metric of a spelling; scorers that were added since the import count, too."""
    return dict(_spellings()).get(name.lower())


def known_metric(name: str) -> str | None:
    """Return the metric that a column without a region means; None if unknown."""
    return _metric(name.strip()) or _metric(UNIT.sub("", name.strip()))


def known_key(column: str) -> Key | None:
    """Return region and metric of a column whose metric is known, else None."""
    column = column.strip()
    if metric := _metric(column):
        return FOREGROUND, metric
    region, _, name = column.rpartition("-")
    if region and (metric := _metric(name)):
        return _region(region), metric
    if (without_unit := UNIT.sub("", column)) != column:
        return known_key(without_unit)
    stem, _, region = column.rpartition("_")
    if TOLERANCE.fullmatch(region.lower()) and _is_of_family(column):
        return FOREGROUND, column.lower()
    if region.lower() in AGGREGATES:
        return None
    if metric := _metric(stem) or (stem if _is_of_family(stem) else None):
        return _region(region), metric
    region, _, name = column.partition("_")
    if region.lower() in REGIONS and (metric := _metric(name)):
        return _region(region), metric
    return None


def unknown_key(column: str) -> Key | None:
    """Return region and metric of `<metric>_<region>` whose metric nobody here knows."""
    stem, _, region = column.strip().rpartition("_")
    return (_region(region), stem) if stem and region.lower() not in AGGREGATES else None


def _region(name: str) -> str:
    return name if name in REGIONS.values() else REGIONS.get(name.lower(), name)


def _is_of_family(name: str) -> bool:
    """Return whether a metric is one of a family, such as the NSD at a further tolerance."""
    return any(fnmatchcase(name.lower(), key) for key in METRICS if "*" in key)
