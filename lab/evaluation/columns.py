"""Columns of result files, a metric of a region each: what is better, and which to rank."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from challenge.refusal import Refusal
from lab.evaluation.results import Results
from lab.metrics.scorers import SCORERS

HIGHER = (
    "dice", "iou", "precision", "prec", "recall", "rec", "nsd", "nsd_*", "surface_dice_*", "rq",
    "pq_dsc", "sq_dsc", "sq_nsd", "global_dsc", "global_nsd", "global_bin_dsc", "global_bin_nsd",
    "global_dice", "global_nsd_*", "lesionwise_dsc_mean", "lesionwise_nsd_mean", "*_instance_f1",
)  # fmt: skip
LOWER = (
    "hd95", "masd", "sq_hd95", "global_hd95", "global_bin_hd95", "lesionwise_hd95_mean", "num_fp",
    "num_fn", "fp", "fn", "fp_mm3", "fn_mm3", "*_instance_fp", "*_instance_fn",
)  # fmt: skip
# Metric (a glob pattern) -> which values are better.
BETTER: Mapping[str, str] = dict.fromkeys(HIGHER, "higher") | dict.fromkeys(LOWER, "lower")
# Ranked where nobody told what the organisers rank by; what they told is in `Scorer.ranked_by`.
HEADLINE = ("dice", "nsd", "nsd_0.5", "nsd_1.0", "surface_dice_5mm", "hd95", "masd")
# A number of the whole cohort: it has a place among the means, but no rank in a case.
RMSE = "volume_rmse_mm3"


class ContestError(Refusal):
    """These files cannot be ranked together; the message names the file and the value."""


@dataclass(frozen=True)
class Column:
    """One metric of one region."""

    region: str
    metric: str

    @property
    def better(self) -> str:
        """Which values are better, in a word."""
        return "lower" if self.metric == RMSE else str(direction(self.metric))

    @property
    def sign(self) -> int:
        """What turns a value into one that is better when higher."""
        return 1 if self.better == "higher" else -1

    def __str__(self) -> str:
        return f"{self.metric} {self.region}"


@dataclass(frozen=True)
class Choice:
    """What to rank; None takes what the files offer."""

    metrics: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    summary_rows: bool = False  # rank a CSV's mean, std and quantile rows as if they were cases
    strict: bool = False  # refuse cases that not every system has, instead of leaving them out


@dataclass(frozen=True)
class Columns:
    """Columns of every system, metric by metric, and sentences about the others."""

    kept: tuple[Column, ...]
    sentences: tuple[str, ...]
    chosen: str = ""  # who chose these metrics, in words
    not_ranked: tuple[str, ...] = ()  # headline metrics that every file has beside these


def direction(metric: str) -> str | None:
    """Return which values of a metric are better, `higher` or `lower`; None if nobody knows."""
    return next((b for pattern, b in BETTER.items() if fnmatchcase(metric, pattern)), None)


def choose_columns(results: list[Results], choice: Choice) -> Columns:
    """Keep the wanted columns of every system; only those that were not asked for may lack."""
    offered = [_columns_of(found) for found in results]
    everywhere = [c for c in offered[0] if all(c in columns for columns in offered)]
    metrics, chosen, missing = _metrics(results[0].scorer, everywhere, choice)
    regions = choice.regions or tuple(dict.fromkeys(c.region for c in everywhere))
    for metric in metrics:
        if direction(metric) is None and metric != RMSE:
            known = ", ".join(sorted((*BETTER, RMSE)))
            raise ContestError(f"metric {metric}: not known which values are better; known {known}")
    _check_offered("metric", [m for m in choice.metrics or () if m != RMSE], everywhere)
    _check_offered("region", regions, everywhere)
    wanted = dict.fromkeys(Column(r, m) for m in metrics for r in regions)
    kept = tuple(c for c in wanted if c in everywhere)
    if not kept:
        raise ContestError("no metric that every file has and whose better values are known")
    looked_for = metrics if choice.metrics else (*metrics, *HEADLINE)
    lacking = [
        c
        for c in dict.fromkeys(column for columns in offered for column in columns)
        if c not in everywhere
        and c.metric in looked_for
        and (not choice.regions or c.region in choice.regions)
    ]
    names = ", ".join(sorted(map(str, lacking)))
    if lacking:
        missing = (*missing, f"{names}: not in every file, left out")
    present = {column.metric for column in everywhere}
    not_ranked = tuple(m for m in HEADLINE if m in present and m not in metrics)
    return Columns(kept, missing, chosen, not_ranked)


def ranked_by(scorer: str) -> tuple[str, ...]:
    """Return the metrics that a scorer's organisers rank by; () where nobody told."""
    return SCORERS[scorer].ranked_by if scorer in SCORERS else ()


def _metrics(
    scorer: str, everywhere: list[Column], choice: Choice
) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Return the metrics to rank by, who chose them, and sentences about what would have been."""
    if choice.metrics:
        return choice.metrics, "as asked", ()
    official, present = ranked_by(scorer), {column.metric for column in everywhere}
    if official and present.issuperset(official):
        return official, f"the metrics that the organisers of {scorer} rank by", ()
    missing = ", ".join(metric for metric in official if metric not in present)
    sentences = (f"{missing}, by which {scorer} ranks: not in every file",) if official else ()
    told = "not the organisers'" if official else "what organisers rank by is not known"
    return _default_metrics(everywhere), f"the usual metrics ({told})", sentences


def _default_metrics(columns: list[Column]) -> tuple[str, ...]:
    """Return the headline metrics that there are, else all whose better values are known."""
    present = tuple(dict.fromkeys(column.metric for column in columns))
    headline = tuple(metric for metric in HEADLINE if metric in present)
    return headline or tuple(metric for metric in present if direction(metric))


def _columns_of(results: Results) -> dict[Column, None]:
    keys = ((r, m) for case in results.cases.values() for r, scores in case.items() for m in scores)
    return {Column(region, metric): None for region, metric in keys}


def _check_offered(kind: str, wanted: Iterable[str], everywhere: list[Column]) -> None:
    offered = tuple(dict.fromkeys(getattr(column, kind) for column in everywhere))
    for name in wanted:
        if name not in offered:
            raise ContestError(
                f"{kind} {name}: not in every file; these have {', '.join(offered) or 'none'}"
            )
