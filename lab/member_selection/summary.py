"""A selection in words and in JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.member_selection.candidates import Pool
from lab.member_selection.combine import Ensemble
from lab.member_selection.nested_cv import CostPoint, StrategyResult, strategy_to_ship
from lab.member_selection.per_candidate import CandidateScore
from lab.member_selection.score_cache import EnsembleScores
from lab.member_selection.strategies import cost
from lab.metrics.metric_info import VOLUME_ERROR

SCHEMA = 2
MEANING = {
    "overlap": "mean of overlaps",
    "rank": "minus the mean rank among these strategies (a gain: between the two alone)",
}


@dataclass(frozen=True)
class Selection:
    """Everything that `lab select` computed."""

    objective: str
    scores: EnsembleScores
    results: Mapping[str, StrategyResult]
    cost_curve: Sequence[CostPoint]
    per_candidate: Sequence[CandidateScore]

    @property
    def ships(self) -> str:
        """Return the strategy whose ensemble ships."""
        return strategy_to_ship(self.results)


def summary_lines(selection: Selection) -> Iterator[str]:
    """Yield what `lab select` prints: candidates, strategies, and the weights that ship."""
    yield from candidate_lines(selection.per_candidate)
    yield ""
    yield from strategy_lines(selection)
    yield from weight_lines(selection.results[selection.ships], selection.scores.pool)


def strategy_lines(selection: Selection) -> Iterator[str]:
    """Yield the table of strategies, each on held-out cases."""
    yield f"held out: {MEANING[selection.objective]}, on held-out cases; gain: over equal weights"
    yield f"{'':<14}{'held out':>10}{'gain':>9}{'interval':>20}{'in sample':>11}{'members':>8}"
    for name, result in selection.results.items():
        gain, low, high = result.gain
        numbers = (f"{gain:+.4f}", f"{low:+.4f} to {high:+.4f}", f"{result.in_sample_gain:+.4f}")
        gain_words, interval, in_sample = ("", "", "") if name == "equal" else numbers
        mark = "  ships" if name == selection.ships else ""
        yield (
            f"{name:<14}{result.objective_value:>10.4f}{gain_words:>9}{interval:>20}"
            f"{in_sample:>11}{len(result.ensemble.members):>8}{mark}"
        )


def weight_lines(result: StrategyResult, pool: Pool) -> Iterator[str]:
    """Yield a line for each candidate that ships: its weight, and how often it was chosen."""
    names = [candidate.name for candidate in pool.candidates]
    folds = result.fold_ensembles
    for name, weight in shares(result.ensemble, pool).items():
        count = sum(names.index(name) in ensemble.members for ensemble in folds)
        yield f"  {weight:.3f} {name} (chosen in {count} of {len(folds)} parts)"


def candidate_lines(rows: Sequence[CandidateScore]) -> Iterator[str]:
    """Yield each candidate's numbers and, but for the first, its difference to the first."""
    width = max(len(row.candidate) for row in rows) + 2
    columns = list(dict.fromkeys((row.region, row.metric) for row in rows))
    first = rows[0].candidate
    yield f"each candidate on cases that it did not see; right: minus {first}, 95 % interval"
    for region, metric in columns:
        yield f"{region} {metric}{', root mean square' if metric == VOLUME_ERROR else ''}"
        for row in (row for row in rows if (row.region, row.metric) == (region, metric)):
            low, high = row.over_first_interval
            mark = "  *" if low > 0 or high < 0 else ""
            gap = f"{row.over_first:+12.4f}  {low:+.4f} to {high:+.4f}{mark}"
            yield f"  {row.candidate:<{width}}{row.value:>10.4f}" + (
                "" if row.candidate == first else gap
            )


def shares(ensemble: Ensemble, pool: Pool) -> dict[str, float]:
    """Return the share of the weight of each candidate that has any."""
    names = [candidate.name for candidate in pool.candidates]
    total = sum(ensemble.weights)
    return {n: w / total for n, w in zip(names, ensemble.weights, strict=True) if w}


def selection_content(selection: Selection) -> dict[str, Any]:
    """Return what selection.json holds."""
    scores, pool = selection.scores, selection.scores.pool
    return {
        "schema": SCHEMA,
        "scheme": pool.scheme.name,
        "scorer": scores.scorer.name,
        "objective": selection.objective,
        "cases": len(pool.cases),
        "ships": selection.ships,
        "weights": shares(selection.results[selection.ships].ensemble, pool),
        "candidates": {c.name: str(c.folder) for c in pool.candidates},
        "strategies": {
            name: {
                "held_out": result.objective_value,
                "in_sample_gain": result.in_sample_gain,
                "gain": result.gain[0],
                "interval": list(result.gain[1:]),
                "weights": shares(result.ensemble, pool),
                "members": cost(result.ensemble, scores)[0],
                "case_s": round(cost(result.ensemble, scores)[1], 3),
            }
            for name, result in selection.results.items()
        },
        "cost_curve": [vars(point) for point in selection.cost_curve],
        "per_candidate": [vars(row) for row in selection.per_candidate],
    }
