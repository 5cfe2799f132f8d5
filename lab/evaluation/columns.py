"""Columns of result files, a metric of a region each: what is better, and which to rank."""

from collections.abc import Iterable
from dataclasses import dataclass

from challenge.refusal import Refusal
from lab.evaluation.results import Results
from lab.metrics.metric_info import METRICS, headline_metrics, metric_info
from lab.metrics.scorers import ranked_by


class ComparisonError(Refusal):
    """These files cannot be ranked together; the message names the file and the value."""


@dataclass(frozen=True)
class Column:
    """One metric of one region."""

    region: str
    metric: str

    @property
    def better(self) -> str:
        """Which values are better, in a word."""
        return str(metric_info(self.metric).better)

    @property
    def sign(self) -> int:
        """What turns a value into one that is better when higher."""
        return metric_info(self.metric).sign

    def __str__(self) -> str:
        return f"{self.metric} {self.region}"


@dataclass(frozen=True)
class RequestedColumns:
    """What to rank; None takes what the files offer."""

    metrics: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    summary_rows: bool = False  # rank a CSV's mean, std and quantile rows as if they were cases
    strict: bool = False  # refuse cases that not every system has, instead of leaving them out


@dataclass(frozen=True)
class Columns:
    """Columns of every system, metric by metric, and sentences about the others."""

    common: tuple[Column, ...]
    sentences: tuple[str, ...]
    chosen: str = ""  # who chose these metrics, in words
    not_ranked: tuple[str, ...] = ()  # headline metrics that every file has beside these


def choose_columns(results: list[Results], requested: RequestedColumns) -> Columns:
    """Keep the wanted columns of every system; only those that were not asked for may lack."""
    offered = [_columns_of(result) for result in results]
    everywhere = [c for c in offered[0] if all(c in columns for columns in offered)]
    metrics, chosen, missing = _metrics(results[0].scorer, everywhere, requested)
    regions = requested.regions or tuple(dict.fromkeys(c.region for c in everywhere))
    for metric in metrics:
        if metric_info(metric).better is None:
            known = ", ".join(sorted(name for name, row in METRICS.items() if row.better))
            raise ComparisonError(
                f"metric {metric}: not known which values are better; known {known}"
            )
    of_cases = [m for m in requested.metrics or () if not metric_info(m).of_cohort]
    _check_offered("metric", of_cases, everywhere)
    _check_offered("region", regions, everywhere)
    wanted = dict.fromkeys(Column(r, m) for m in metrics for r in regions)
    common = tuple(c for c in wanted if c in everywhere)
    if not common:
        raise ComparisonError("no metric that every file has and whose better values are known")
    looked_for = metrics if requested.metrics else (*metrics, *headline_metrics())
    lacking = [
        c
        for c in dict.fromkeys(column for columns in offered for column in columns)
        if c not in everywhere
        and c.metric in looked_for
        and (not requested.regions or c.region in requested.regions)
    ]
    names = ", ".join(sorted(map(str, lacking)))
    if lacking:
        missing = (*missing, f"{names}: not in every file, left out")
    present = {column.metric for column in everywhere}
    not_ranked = tuple(m for m in headline_metrics() if m in present and m not in metrics)
    return Columns(common, missing, chosen, not_ranked)


def _metrics(
    scorer: str, everywhere: list[Column], requested: RequestedColumns
) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Return the metrics to rank by, who chose them, and sentences about what would have been."""
    if requested.metrics:
        return requested.metrics, "as asked", ()
    official, present = ranked_by(scorer), {column.metric for column in everywhere}
    if official and present.issuperset(official):
        return official, f"the metrics that the organisers of {scorer} rank by", ()
    missing = ", ".join(metric for metric in official if metric not in present)
    sentences = (f"{missing}, by which {scorer} ranks: not in every file",) if official else ()
    reason = "not the organisers'" if official else "what organisers rank by is not known"
    return _default_metrics(everywhere), f"the usual metrics ({reason})", sentences


def _default_metrics(columns: list[Column]) -> tuple[str, ...]:
    """Return the headline metrics that there are, else all whose better values are known."""
    present = tuple(dict.fromkeys(column.metric for column in columns))
    headline = tuple(metric for metric in headline_metrics() if metric in present)
    return headline or tuple(metric for metric in present if metric_info(metric).better)


def _columns_of(results: Results) -> dict[Column, None]:
    keys = ((r, m) for case in results.cases.values() for r, scores in case.items() for m in scores)
    return {Column(region, metric): None for region, metric in keys}


def _check_offered(kind: str, wanted: Iterable[str], everywhere: list[Column]) -> None:
    offered = tuple(dict.fromkeys(getattr(column, kind) for column in everywhere))
    for name in wanted:
        if name not in offered:
            raise ComparisonError(
                f"{kind} {name}: not in every file; these have {', '.join(offered) or 'none'}"
            )
