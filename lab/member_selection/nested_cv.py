"""How good a strategy is on held-out cases, and which ensemble ships for it.

Nested cross-validation: for each part of the cases a strategy chooses on all others, and its choice
is scored on that part. What ships is chosen on all cases by the best strategy that passes the gate
(`gains`), counting how many were tried; where none does, by the simplest one (`baseline_of`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lab.member_selection.combine import Ensemble
from lab.member_selection.gains import CASE_GAINS, HeldOutGain, confidence_of, held_out_gain
from lab.member_selection.score_cache import EnsembleScores
from lab.member_selection.strategies import (
    STRATEGIES,
    Search,
    baseline_of,
    cost,
    greedy_path,
)
from lab.metrics.objective import OBJECTIVES
from lab.statistics import mean_over_cases

PARTS = 5


@dataclass(frozen=True)
class StrategyResult:
    """What a strategy chose, and what that scores on held-out cases."""

    strategy: str
    ensemble: Ensemble  # chosen on all cases
    fold_ensembles: tuple[Ensemble, ...]  # chosen without each part
    objective_value: float  # held out
    in_sample_gain: float  # over the baseline, on the cases that it was chosen on
    gain: HeldOutGain  # over the baseline


@dataclass(frozen=True)
class StrategyComparison:
    """Strategies on the same held-out cases."""

    objective: str
    baseline: str  # ships unless another strategy passes the gate
    comparisons: int  # strategies that could ship instead
    results: Mapping[str, StrategyResult]

    @property
    def confidence(self) -> float:
        """Return that of each gain's interval: wider, the more strategies there are."""
        return confidence_of(self.comparisons)

    @property
    def ships(self) -> str:
        """Return the strategy whose ensemble ships: the best that passes, else the baseline."""
        passing = [
            result
            for result in self.results.values()
            if result.strategy != self.baseline and not result.gain.failures
        ]
        best = max(passing, key=lambda result: result.gain.total.mean, default=None)
        return best.strategy if best else self.baseline


@dataclass(frozen=True)
class CostPoint:
    """The best that so many networks can do, held out."""

    members: int
    case_s: float
    gain: float  # over the baseline
    interval: tuple[float, float]


def parts_of(cases: int, seed: int = 0) -> list[np.ndarray]:
    """Deal cases into parts at random; return which are in each (case,) bool."""
    order = np.random.default_rng(seed).permutation(cases)
    parts = min(PARTS, cases)
    return [np.isin(np.arange(cases), order[part::parts]) for part in range(parts)]


def cross_validate(search: Search, names: Sequence[str]) -> StrategyComparison:
    """Cross-validate strategies side by side; equal weights and the baseline are always among them.

    Objective values are of all held-out cases together, with the same cases for every strategy; the
    objective `rank` ranks the strategies among each other.
    """
    baseline = baseline_of(search)
    strategies = list(dict.fromkeys(["equal", baseline, *names]))
    by_fold = {name: choose_without_each_part(search, name) for name in strategies}
    tables = {name: held_out(search, each) for name, each in by_fold.items()}
    values = OBJECTIVES[search.objective](
        np.stack(list(tables.values())), search.scores.columns, search.case_weights
    )
    comparisons = max(1, len(set(strategies) - {"equal", baseline}))
    results = {}
    for name, value in zip(strategies, values, strict=True):
        search.scores.purpose = f"{name}, all cases"
        final = STRATEGIES[name](search)
        simplest, in_sample = search.scores.of([STRATEGIES[baseline](search), final])
        by_case = CASE_GAINS[search.objective](simplest, in_sample, search.scores.columns)
        gain = held_out_gain(
            tables[baseline], tables[name], search.scores.columns, search.objective, comparisons
        )
        if not search.can_ship(final):
            gain = replace(gain, failures=("exceeds --most-members or --most-seconds",))
        results[name] = StrategyResult(
            strategy=name,
            ensemble=final,
            fold_ensembles=tuple(by_fold[name]),
            objective_value=float(value),
            in_sample_gain=float(mean_over_cases(by_case)),
            gain=gain,
        )
    return StrategyComparison(search.objective, baseline, comparisons, results)


def choose_without_each_part(search: Search, name: str) -> list[Ensemble]:
    """Return what a strategy chooses without each part of the cases."""
    parts, chosen = parts_of(len(search.case_weights)), []
    for number, part in enumerate(parts, 1):
        search.scores.purpose = f"{name}, part {number} of {len(parts)}"
        chosen.append(STRATEGIES[name](_without(search, part)))
    return chosen


def held_out(search: Search, ensembles: Sequence[Ensemble]) -> np.ndarray:
    """Return (case, column): each part by the ensemble that was chosen without it."""
    tables = search.scores.of(ensembles)
    joined = np.full(tables.shape[1:], np.nan)
    for table, part in zip(tables, parts_of(len(joined)), strict=True):
        joined[part] = table[part]
    return joined


def cost_curve(search: Search) -> Iterator[CostPoint]:
    """Yield what the greedy path reaches with ever more networks, on held-out cases.

    Each point by itself is held out; the best of them, picked afterwards, is not.
    """
    parts = parts_of(len(search.case_weights))
    paths = [list(greedy_path(_without(search, part))) for part in parts]
    baseline = held_out(search, choose_without_each_part(search, baseline_of(search)))
    largest = max(len(ensemble.members) for path in paths for ensemble in path)
    for size in range(1, largest + 1):
        ensembles = [[e for e in path if len(e.members) <= size][-1] for path in paths]
        costs = np.array([cost(ensemble, search.scores) for ensemble in ensembles])
        table = held_out(search, ensembles)
        gain = held_out_gain(baseline, table, search.scores.columns, search.objective).total
        interval = (gain.low, gain.high)
        yield CostPoint(round(costs[:, 0].mean()), float(costs[:, 1].mean()), gain.mean, interval)


def open_search(scores: EnsembleScores, objective: str) -> Search:
    """Return a search on all cases without limits of cost."""
    return Search(scores, objective, np.ones(len(scores.pool.cases)))


def _without(search: Search, part: np.ndarray) -> Search:
    return replace(search, case_weights=np.where(part, 0.0, search.case_weights))
