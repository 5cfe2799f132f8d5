"""How good a strategy is on held-out cases, and which ensemble ships for it.

Nested cross-validation: for each part of the cases a strategy chooses on all others, and its choice
is scored on that part. What ships is chosen on all cases by the best strategy; equal weights ship
unless the gain is clear of chance, counting how many strategies were tried.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lab.member_selection.combine import Ensemble
from lab.member_selection.score_cache import EnsembleScores
from lab.member_selection.strategies import STRATEGIES, Search, cost, equal_weights, greedy_path
from lab.metrics.objective import Objective
from lab.statistics import CONFIDENCE, RESAMPLES, bootstrap_weights

PARTS = 5


@dataclass(frozen=True)
class StrategyResult:
    """What a strategy chose, and what that scores on held-out cases."""

    strategy: str
    ensemble: Ensemble  # chosen on all cases
    fold_ensembles: tuple[Ensemble, ...]  # chosen without each part
    objective_value: float  # held out
    in_sample_gain: float  # over equal weights, on the cases that it was chosen on
    gain: tuple[float, float, float]  # over equal weights, held out: mean, lower and upper end


@dataclass(frozen=True)
class CostPoint:
    """The best that so many networks can do, held out."""

    members: int
    case_s: float
    gain: float  # over equal weights
    interval: tuple[float, float]


def parts_of(cases: int, seed: int = 0) -> list[np.ndarray]:
    """Deal cases into parts at random; return which are in each (case,) bool."""
    order = np.random.default_rng(seed).permutation(cases)
    parts = min(PARTS, cases)
    return [np.isin(np.arange(cases), order[part::parts]) for part in range(parts)]


def cross_validate(search: Search, names: Sequence[str]) -> dict[str, StrategyResult]:
    """Cross-validate strategies side by side; `equal` is always among them.

    Objective values are of all held-out cases together, with the same cases for every strategy; the
    objective `rank` ranks the strategies among each other.
    """
    strategies = ["equal", *(name for name in names if name != "equal")]
    parts = parts_of(len(search.case_weights))
    by_fold = {
        name: [STRATEGIES[name](_without(search, part)) for part in parts] for name in strategies
    }
    tables = {name: held_out(search.scores, each, parts) for name, each in by_fold.items()}
    values = search.objective(
        np.stack(list(tables.values())), search.scores.columns, search.case_weights
    )
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(strategies) - 1)
    results = {}
    for name, value in zip(strategies, values, strict=True):
        final = STRATEGIES[name](search)
        baseline, in_sample = search.scores.of([equal_weights(search), final])
        results[name] = StrategyResult(
            strategy=name,
            ensemble=final,
            fold_ensembles=tuple(by_fold[name]),
            objective_value=float(value),
            in_sample_gain=difference(baseline, in_sample, search)[0],
            gain=difference(tables["equal"], tables[name], search, confidence),
        )
    return results


def held_out(
    scores: EnsembleScores, ensembles: Sequence[Ensemble], parts: Sequence[np.ndarray]
) -> np.ndarray:
    """Return (case, column): each part by the ensemble that was chosen without it."""
    tables = scores.of(ensembles)
    joined = np.full(tables.shape[1:], np.nan)
    for table, part in zip(tables, parts, strict=True):
        joined[part] = table[part]
    return joined


def difference(
    first: np.ndarray, second: np.ndarray, search: Search, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Return by how much `second` is better, with the paired bootstrap interval over cases."""
    pair, columns = np.stack([first, second]), search.scores.columns
    cases = len(first)
    rng = np.random.default_rng(0)

    def gain(case_weights: np.ndarray) -> float:
        one, other = search.objective(pair, columns, case_weights)
        return float(other - one)

    resampled = [gain(row) for rows in bootstrap_weights(cases, RESAMPLES, rng) for row in rows]
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(resampled, (tail, 1 - tail))
    return gain(np.ones(cases)), float(low), float(high)


def strategy_to_ship(results: Mapping[str, StrategyResult]) -> str:
    """Return the best strategy if it is clearly better than equal weights, else `equal`."""
    best = max(results.values(), key=lambda result: result.gain[0])
    return best.strategy if best.gain[1] > 0 else "equal"


def cost_curve(search: Search) -> Iterator[CostPoint]:
    """Yield what the greedy path reaches with ever more networks, on held-out cases."""
    parts = parts_of(len(search.case_weights))
    paths = [list(greedy_path(_without(search, part))) for part in parts]
    baseline = held_out(search.scores, [equal_weights(search)] * len(parts), parts)
    largest = max(len(ensemble.members) for path in paths for ensemble in path)
    for size in range(1, largest + 1):
        ensembles = [[e for e in path if len(e.members) <= size][-1] for path in paths]
        costs = np.array([cost(ensemble, search.scores) for ensemble in ensembles])
        table = held_out(search.scores, ensembles, parts)
        gain, low, high = difference(baseline, table, search)
        yield CostPoint(round(costs[:, 0].mean()), float(costs[:, 1].mean()), gain, (low, high))


def open_search(scores: EnsembleScores, objective: Objective) -> Search:
    """Return a search on all cases without limits of cost."""
    return Search(scores, objective, np.ones(len(scores.pool.cases)))


def _without(search: Search, part: np.ndarray) -> Search:
    return replace(search, case_weights=np.where(part, 0.0, search.case_weights))
