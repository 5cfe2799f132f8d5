"""Strategies that choose an ensemble on some cases, one row each.

equal         equal weights
best-single   the best candidate by itself
greedy        forward selection with replacement (Caruana et al. 2004)
simplex       tenths of weight moved between candidates, from the greedy choice on
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from challenge.refusal import Refusal
from lab.member_selection.combine import Ensemble, equal, weighted
from lab.member_selection.score_cache import EnsembleScores
from lab.metrics.objective import OBJECTIVES

MAX_STEPS = 15
MAX_ROUNDS = 15
WEIGHT_STEP = 0.1
TOLERANCE = 1e-9  # a gain that is smaller is rounding
TOO_EXPENSIVE = "every candidate exceeds --most-members or --most-seconds"


@dataclass(frozen=True)
class Search:
    """Where ensembles are searched: their scores, the objective, the cases, the limits of cost."""

    scores: EnsembleScores
    objective: str  # of OBJECTIVES
    case_weights: np.ndarray  # (case,) 1 for the cases to choose on, 0 for the held-out ones
    max_members: int | None = None
    max_seconds: float | None = None  # a case

    @property
    def candidates(self) -> int:
        """Return how many there are."""
        return len(self.scores.pool.candidates)

    def best(self, ensembles: Sequence[Ensemble]) -> tuple[int, np.ndarray]:
        """Return the index of the best ensemble, the first of equals, and all objective values."""
        table = self.scores.of(ensembles)
        values = OBJECTIVES[self.objective](table, self.scores.columns, self.case_weights)
        return int(np.flatnonzero(values >= values.max() - TOLERANCE)[0]), values

    def can_ship(self, ensemble: Ensemble) -> bool:
        """Return whether an ensemble is within the limits of cost, and can be one model."""
        members, seconds = cost(ensemble, self.scores)
        too_many = self.max_members is not None and members > self.max_members
        too_slow = self.max_seconds is not None and seconds > self.max_seconds
        return not too_many and not too_slow and self.scores.pool.can_pack(ensemble)


def cost(ensemble: Ensemble, scores: EnsembleScores) -> tuple[int, float]:
    """Return how many networks an ensemble runs, and for how many seconds a case."""
    members = [scores.pool.candidates[i] for i in ensemble.members]
    return sum(c.members for c in members), sum(c.members * c.case_s for c in members)


def equal_weights(search: Search) -> Ensemble:
    """Return equal weights, whatever they cost; see `baseline_of`."""
    return equal(search.candidates)


def best_single(search: Search) -> Ensemble:
    """Return the best candidate by itself.

    Raises:
        Refusal: not even a single candidate is within the limits of cost.
    """
    singles = [ensemble for ensemble in _singles(search) if search.can_ship(ensemble)]
    if not singles:
        raise Refusal(TOO_EXPENSIVE)
    return singles[search.best(singles)[0]]


def baseline_of(search: Search) -> str:
    """Return the strategy that ships unless another one is clearly better: the simplest one.

    That is equal weights, for which nothing is chosen; where these exceed the limits of cost, the
    best candidate by itself.
    """
    return "equal" if search.can_ship(equal_weights(search)) else "best-single"


def greedy(search: Search) -> Ensemble:
    """Return the last ensemble of the greedy path."""
    return list(greedy_path(search))[-1]


def greedy_path(search: Search) -> Iterator[Ensemble]:
    """Yield ever better ensembles, each with one more vote for some candidate.

    Raises:
        Refusal: not even a single candidate is within the limits of cost.
    """
    counts = np.zeros(search.candidates)
    for step in range(MAX_STEPS):
        options = [weighted(counts)] if step else []
        for i in range(search.candidates):
            option = weighted(counts + (np.arange(search.candidates) == i))
            if search.can_ship(option):
                options.append(option)
        if not options:
            raise Refusal(TOO_EXPENSIVE)
        at, values = search.best(options)
        if step and (at == 0 or values[at] <= values[0] + TOLERANCE):
            return
        counts = np.array(options[at].weights)
        yield options[at]


def simplex(search: Search) -> Ensemble:
    """Move tenths of weight between candidates while that helps."""
    _, values = search.best(_singles(search))
    targets = set(np.argsort(-values, kind="stable")[:3].tolist())
    weights = np.array(greedy(search).weights)
    weights = weights / weights.sum()
    for _ in range(MAX_ROUNDS):
        moved = [option for option in _moves(weights, targets) if search.can_ship(option)]
        options = [weighted(np.round(weights, 9)), *moved]
        at, values = search.best(options)
        if at == 0 or values[at] <= values[0] + TOLERANCE:
            break
        weights = np.array(options[at].weights)
    return weighted(weights)


def _moves(weights: np.ndarray, targets: set[int]) -> Iterator[Ensemble]:
    """Yield ensembles with a step of weight moved, from a member to another one or to a target."""
    sources = np.flatnonzero(weights > 0).tolist()
    for source in sources:
        for target in sorted(targets | set(sources)):
            if target != source:
                moved = weights.copy()
                amount = min(WEIGHT_STEP, moved[source])
                moved[source] -= amount
                moved[target] += amount
                yield weighted(np.round(moved, 9))


def _singles(search: Search) -> list[Ensemble]:
    return [weighted(row) for row in np.eye(search.candidates)]


Strategy = Callable[[Search], Ensemble]
STRATEGIES: Mapping[str, Strategy] = {
    "equal": equal_weights,
    "best-single": best_single,
    "greedy": greedy,
    "simplex": simplex,
}
