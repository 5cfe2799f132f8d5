"""A selection in words and in JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.member_selection.candidates import Pool
from lab.member_selection.combine import System
from lab.member_selection.nested_cv import Judged, Point
from lab.member_selection.per_candidate import Row
from lab.member_selection.score_cache import Scores
from lab.member_selection.strategies import WAYS, cost
from lab.metrics.metric_info import VOLUME_ERROR

SCHEMA = 1
MEANING = {
    "overlap": "mean of overlaps",
    "rank": "minus the mean position among these ways (a gain: between the two alone)",
}


def table_lines(judged: Mapping[str, Judged], objective: str, ships: str) -> Iterator[str]:
    """Yield the table: each way on cases that chose nothing."""
    yield f"held out: {MEANING[objective]}, on cases that chose nothing; gain: over equal weights"
    yield f"{'':<14}{'held out':>10}{'gain':>9}{'interval':>20}{'gain seen':>11}{'chosen':>8}"
    for name, each in judged.items():
        low, high = each.gain[1:]
        interval = "" if name == "equal" else f"{low:+.4f} to {high:+.4f}"
        gain, seen = (
            "" if name == "equal" else f"{number:+.4f}" for number in (each.gain[0], each.gain_seen)
        )
        marks = ("  ships" if name == ships else "") + ("" if WAYS[name].ships else "  (study)")
        yield (
            f"{name:<14}{each.merit:>10.4f}{gain:>9}{interval:>20}{seen:>11}"
            f"{len(each.system.chosen):>8}{marks}"
        )


def chosen_lines(judged: Judged, pool: Pool) -> Iterator[str]:
    """Yield a line for each candidate that ships: its weight, and how often it was chosen."""
    for name, weight in shares(judged.system, pool).items():
        at = [candidate.name for candidate in pool.candidates].index(name)
        often = sum(at in system.chosen for system in judged.fold_systems)
        yield f"  {weight:.3f} {name} (chosen in {often} of {len(judged.fold_systems)} parts)"


def alone_lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield each candidate's own numbers and, but for the first, how far it is from the first."""
    width = max(len(row.candidate) for row in rows) + 2
    columns = list(dict.fromkeys((row.region, row.metric) for row in rows))
    first = rows[0].candidate
    yield f"each alone, on cases that it did not see; below: minus {first}, 95 % interval"
    for region, metric in columns:
        yield f"{region} {metric}{', root mean square' if metric == VOLUME_ERROR else ''}"
        for row in (row for row in rows if (row.region, row.metric) == (region, metric)):
            low, high = row.over_first_interval
            over = f"{row.over_first:+12.4f}  {low:+.4f} to {high:+.4f}"
            clear = "  *" if low > 0 or high < 0 else ""
            told = "" if row.candidate == first else over + clear
            yield f"  {row.candidate:<{width}}{row.value:>10.4f}{told}"


def shares(system: System, pool: Pool) -> dict[str, float]:
    """Return each chosen candidate's share of the weight; of the mean over channels, if many."""
    rows = [sum(row) for row in system.weights]
    names = [candidate.name for candidate in pool.candidates]
    return {n: row / sum(rows) for n, row in zip(names, rows, strict=True) if row}


def content_of(
    judged: Mapping[str, Judged], ships: str, points: Sequence[Point], scores: Scores,
    objective: str, rows: Sequence[Row],
) -> dict[str, Any]:  # fmt: skip
    """Return what selection.json holds."""
    pool = scores.pool
    return {
        "schema": SCHEMA,
        "scheme": pool.scheme.name,
        "scorer": scores.scorer.name,
        "objective": objective,
        "cases": len(pool.cases),
        "ships": ships,
        "weights": shares(judged[ships].system, pool),
        "candidates": {c.name: str(c.folder) for c in pool.candidates},
        "ways": {
            name: {
                "held_out": each.merit,
                "gain_seen": each.gain_seen,
                "gain": each.gain[0],
                "interval": list(each.gain[1:]),
                "weights": shares(each.system, pool),
                "bias": each.system.bias,
                "members": cost(each.system, scores)[0],
                "case_s": round(cost(each.system, scores)[1], 3),
                "ships": WAYS[name].ships,
            }
            for name, each in judged.items()
        },
        "front": [vars(point) for point in points],
        "alone": [vars(row) for row in rows],
    }
