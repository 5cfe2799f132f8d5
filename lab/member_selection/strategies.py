"""Strategies that choose an ensemble on some cases, one row each.

equal         equal weights
best-single   the best candidate by itself
greedy        forward selection with replacement (Caruana et al. 2004)
simplex       tenths of weight moved between candidates, from the greedy choice on
by-region     weights of each channel (a region, or a label of softmax heads), from the same choice
by-volume     two greedy choices, for cases of which much or little tumour is predicted
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from challenge.refusal import Refusal
from ensemble.member_weights import channel_names
from ensemble.small_cases import SmallCases
from lab.member_selection.combine import (
    Ensemble,
    SmallWeights,
    equal,
    weighted,
    weighted_by_channel,
)
from lab.member_selection.score_cache import EnsembleScores
from lab.metrics.objective import OBJECTIVES

MAX_STEPS = 15
MAX_ROUNDS = 15
WEIGHT_STEP = 0.1
BEST_SINGLES = 3  # candidates that weight is moved to, beside the members
MAX_CHANNEL_ROUNDS = 3
CHANNEL_STEPS = (0.5, 1.0)  # of a channel's weight
LEAST_SHARE = 0.01  # of the usual weights, of a member that only small cases need
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
    only: tuple[int, ...] = ()  # candidates to choose among; () for all

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
        for i in search.only or range(search.candidates):
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
    targets = set(np.argsort(-values, kind="stable")[:BEST_SINGLES].tolist())
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


def by_region(search: Search) -> Ensemble:
    """Give channels weights of their own, one channel after the other, while that helps.

    From the greedy choice on, a channel goes to one candidate by half or as a whole: to a member,
    or to one of the three best candidates. Candidates that would change the ensemble's head are
    left out: its channels would be others.
    """
    start, pool = greedy(search), search.scores.pool
    names, eye = channel_names(pool.head_of(start), pool.scheme), np.eye(search.candidates)
    weights = dict.fromkeys(names, np.array(start.weights) / sum(start.weights))
    _, values = search.best(_singles(search))
    targets = sorted({*start.members, *np.argsort(-values, kind="stable")[:BEST_SINGLES].tolist()})
    for _ in range(MAX_CHANNEL_ROUNDS):
        before = weighted_by_channel(weights)
        for name in names:
            tried = [
                {**weights, name: (1 - amount) * weights[name] + amount * eye[target]}
                for target in targets
                for amount in CHANNEL_STEPS
            ]
            # Of equal choices the first counts: nothing moved.
            options = [weights, *(each for each in tried if _can_ship(search, each))]
            weights = options[search.best([weighted_by_channel(each) for each in options])[0]]
        if weighted_by_channel(weights) == before:
            break
    return weighted_by_channel(weights)


def by_volume(search: Search) -> Ensemble:
    """Choose twice: for cases of which the ensemble predicts much tumour, and for the others.

    The usual weights are the greedy choice on cases from the median volume on that the greedy
    choice of all predicts. What they predict less of than their own median is small, and has a
    greedy choice of its own. Medians are of the cases to choose on. All members run in every case;
    one that small cases alone need has `LEAST_SHARE` of the usual weights. Where that exceeds the
    limits of cost, small cases weigh the usual members anew.
    """
    start, scores = greedy(search), search.scores
    chosen_on = search.case_weights > 0
    volumes = scores.volumes_ml(start)
    large = greedy(_among(search, volumes >= np.median(volumes[chosen_on])))
    volumes = scores.volumes_ml(large)
    limit_ml = float(np.median(volumes[chosen_on]))
    if not (chosen_on & (volumes < limit_ml)).any():
        return start
    cases = SmallCases(scores.pool.scheme.tumour, limit_ml)
    for only in ((), large.members):
        # On these cases an ensemble of two choices scores as its second one alone does.
        small = greedy(replace(_among(search, volumes < limit_ml), only=only))
        usual = np.array(large.weights) / sum(large.weights)
        if np.array_equal(usual, np.array(small.weights) / sum(small.weights)):
            return start
        usual[[i for i in small.members if not usual[i]]] = LEAST_SHARE
        ensemble = replace(weighted(usual), small=SmallWeights(cases, small.weights))
        if search.can_ship(ensemble):
            return ensemble
    return start


def _among(search: Search, cases: np.ndarray) -> Search:
    """Return a search on some (case,) of the cases to choose on."""
    return replace(search, case_weights=np.where(cases, search.case_weights, 0.0))


def _can_ship(search: Search, weights: Mapping[str, np.ndarray]) -> bool:
    return search.can_ship(weighted_by_channel(weights))


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
    "by-region": by_region,
    "by-volume": by_volume,
}
