"""What a search maximises: scores of cases in different states, reduced to one number each."""

from collections.abc import Mapping, Sequence

import numpy as np

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from lab.statistics import ranks

Column = tuple[str, str]  # region, metric
# objective -> beginnings of the names of the metrics that count
METRICS: Mapping[str, tuple[str, ...]] = {
    "overlap": ("dice", "nsd", "surface_dice"),
    "dice": ("dice",),
    "nsd": ("nsd", "surface_dice"),
    "rank": ("dice", "nsd", "surface_dice"),
}


def counts_as(metric: str, beginnings: tuple[str, ...]) -> bool:
    """Tell a metric by the beginning of its name, of whole masks as of lesions."""
    return metric.removeprefix("global_").startswith(beginnings)


def columns_of(
    scores: Mapping[str, Mapping[str, float]], scheme: Scheme, ranked_by: tuple[str, ...] = ()
) -> tuple[Column, ...]:
    """List the columns of a scorer that any objective looks at, of what the challenge writes.

    Where it is told what the organisers rank by, these alone.
    """
    known = METRICS["overlap"]
    ranked = tuple(metric for metric in ranked_by if counts_as(metric, known))
    columns = []
    for region, row in scores.items():
        if set(scheme.regions.get(region, (region,))) <= set(scheme.written):
            columns += [
                (region, metric)
                for metric in row
                if (metric in ranked if ranked else metric.startswith(known))
            ]
    return tuple(columns)


def objective_values(scores: np.ndarray, columns: Sequence[Column], objective: str) -> np.ndarray:
    """Reduce scores (case, candidate, column) to (case, candidate), higher is better.

    `rank` is the challenge's ranking among the candidates themselves: a case's dense rank in every
    column, averaged and negated (Parida et al.'s ranker, 2025). The others are means of columns,
    region by region, so that a region with two tolerances weighs no more than one with one. A
    region that the scorer leaves out, as neither map holds it, is right: 1.

    Raises:
        Refusal: no column counts for the objective.
    """
    wanted = METRICS[objective]
    at = [i for i, (_, metric) in enumerate(columns) if counts_as(metric, wanted)]
    if not at:
        raise Refusal(f"objective {objective}: the scorer has none of {', '.join(wanted)}")
    chosen = np.nan_to_num(scores[..., at], nan=1.0)
    if objective == "rank":
        return -ranks(np.moveaxis(chosen, -2, -1), ties="dense").mean(-2)
    regions = [columns[i][0] for i in at]
    weights = np.array([1 / regions.count(region) for region in regions])
    return np.asarray(chosen @ (weights / weights.sum()))


def reported_objective(objective: str) -> str:
    """Return the objective that differences are reported in: ranks are never alone."""
    return "overlap" if objective == "rank" else objective
