"""A selection in words, in JSON and as a figure."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.selection.candidates import Pool
from lab.selection.judge import Judged, Point
from lab.selection.scores import Scores
from lab.selection.systems import System
from lab.selection.ways import WAYS, cost

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


def shares(system: System, pool: Pool) -> dict[str, float]:
    """Return each chosen candidate's share of the weight; of the mean over channels, if many."""
    rows = [sum(row) for row in system.weights]
    names = [candidate.name for candidate in pool.candidates]
    return {n: row / sum(rows) for n, row in zip(names, rows, strict=True) if row}


def content_of(
    judged: Mapping[str, Judged], ships: str, points: Sequence[Point], scores: Scores,
    objective: str,
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
    }


def draw_front(points: Sequence[Point], objective: str, path: Path) -> None:
    """Draw what more networks bring, with intervals, against the seconds that they cost."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    seconds = [point.case_s for point in points]
    gains = [point.merit for point in points]
    reach = [
        [point.merit - point.interval[0] for point in points],
        [point.interval[1] - point.merit for point in points],
    ]
    axes.errorbar(seconds, gains, yerr=reach, fmt="o-", color="#1f6f8b", capsize=3, lw=1.5)
    axes.axhline(0, color="0.5", lw=1, ls="--")
    for point in points:
        axes.annotate(
            f"{point.members} network{'s' * (point.members != 1)}", (point.case_s, point.merit),
            xytext=(6, 6), textcoords="offset points", fontsize=8,
        )  # fmt: skip
    axes.annotate(
        "all candidates alike", (1, 0), xycoords=("axes fraction", "data"), xytext=(-4, 4),
        textcoords="offset points", ha="right", fontsize=8, color="0.35",
    )  # fmt: skip
    axes.margins(x=0.15)
    axes.set_xlabel("seconds a case, networks alone, as measured out of fold")
    axes.set_ylabel(f"gain in {objective}, held out (95 % interval)")
    axes.set_title("What more networks bring", loc="left", fontsize=11)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=130)
