"""Ways to choose a system on some cases: one row a way.

greedy     forward selection with replacement (Caruana et al. 2004)
simplex    weights moved in tenths between members, from the greedy choice on
channels   a greedy choice for each channel, by the columns that judge it: overlap specialists
           where overlap counts, boundary specialists where distances do
by-volume  two greedy choices, for cases of which little or much tumour is seen
bias       all alike, the odds of the foreground multiplied: against volumes that are too small
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from challenge.refusal import Refusal
from lab.member_selection.combine import System, equal, weighted
from lab.member_selection.score_cache import Scores
from lab.metrics.objective import Objective

MOST_STEPS = 15
MOST_ROUNDS = 15
TENTH = 0.1
BIASES = (0.4, 0.55, 0.75, 1.0, 1.35, 1.8, 2.5)
BETTER = 1e-9  # less is rounding


@dataclass(frozen=True)
class Search:
    """Where systems are looked for: their scores, what is wanted, what may be spent."""

    scores: Scores
    merit: Objective
    drawn: np.ndarray  # (case,) 1 for the cases that choose, 0 for those that judge
    most_members: int | None = None
    most_s: float | None = None  # seconds a case
    columns: tuple[int, ...] | None = None  # None: all

    @property
    def candidates(self) -> int:
        """Return how many there are."""
        return len(self.scores.pool.candidates)

    def best(self, systems: Sequence[System]) -> tuple[int, np.ndarray]:
        """Return which system is best on the cases that choose, the first of equals, and merits."""
        table, columns = self.scores.of(systems), self.scores.columns
        if self.columns is not None:
            table, columns = table[..., self.columns], tuple(columns[i] for i in self.columns)
        merits = self.merit(table, columns, self.drawn)
        return int(np.flatnonzero(merits >= merits.max() - BETTER)[0]), merits

    def affords(self, system: System) -> bool:
        """Return whether a system costs no more than may be spent."""
        members, case_s = cost(system, self.scores)
        too_many = self.most_members is not None and members > self.most_members
        return not too_many and (self.most_s is None or case_s <= self.most_s)


def cost(system: System, scores: Scores) -> tuple[int, float]:
    """Return how many networks a system runs, and for how many seconds a case."""
    chosen = [scores.pool.candidates[i] for i in system.chosen]
    return sum(c.members for c in chosen), sum(c.members * c.case_s for c in chosen)


def equal_of(search: Search, how: str = "probability") -> System:
    """All candidates alike, whatever they cost: what nothing chosen would be."""
    return equal(search.candidates, how)


def best_single(search: Search) -> System:
    """The best candidate alone."""
    singles = [system for system in _singles(search) if search.affords(system)]
    return singles[search.best(singles)[0]]


def greedy(search: Search, how: str = "probability") -> System:
    """Return the last system of the greedy path."""
    return list(greedy_path(search, how))[-1]


def greedy_path(search: Search, how: str = "probability") -> Iterator[System]:
    """Yield ever better systems, each with one more vote for some candidate.

    Raises:
        Refusal: not even a single candidate costs little enough.
    """
    counts = np.zeros(search.candidates)
    for step in range(MOST_STEPS):
        options = [weighted(counts, how)] if step else []
        for i in range(search.candidates):
            option = weighted(counts + (np.arange(search.candidates) == i), how)
            if search.affords(option):
                options.append(option)
        if not options:
            raise Refusal("no candidate costs as little as may be spent")
        at, merits = search.best(options)
        if step and (at == 0 or merits[at] <= merits[0] + BETTER):
            return
        counts = np.array(options[at].weights)[:, 0]
        yield options[at]


def simplex(search: Search) -> System:
    """Move tenths of weight between members while that helps."""
    found = greedy(search)
    singles = _singles(search)
    _, alone = search.best(singles)
    hopeful = set(np.argsort(-alone, kind="stable")[:3].tolist())
    weights = np.array(found.weights)[:, 0]
    weights = weights / weights.sum()
    for _ in range(MOST_ROUNDS):
        options = [weighted(np.round(weights, 9))]
        givers = np.flatnonzero(weights > 0).tolist()
        for giver in givers:
            for taker in sorted(hopeful | set(givers)):
                if taker != giver:
                    moved = weights.copy()
                    amount = min(TENTH, moved[giver])
                    moved[giver] -= amount
                    moved[taker] += amount
                    options.append(weighted(np.round(moved, 9)))
        options = [options[0], *(option for option in options[1:] if search.affords(option))]
        at, merits = search.best(options)
        if at == 0 or merits[at] <= merits[0] + BETTER:
            break
        weights = np.array(options[at].weights)[:, 0]
    return weighted(weights)


def channels(search: Search) -> System:
    """Choose for each channel by its own columns."""
    pool = search.scores.pool
    judged = search.scores.columns
    own = []
    for channel in pool.head.channels:
        names = {name for name, labels in pool.scheme.regions.items() if labels == channel}
        names |= set(channel) if len(channel) == 1 else set()
        at = tuple(i for i, (region, _) in enumerate(judged) if region in names)
        if channel:
            found = greedy(replace(search, columns=at or None))
            own.append(np.array(found.weights)[:, 0] / np.sum(found.weights))
        else:
            own.append(np.zeros(search.candidates))
    if () in pool.head.channels:  # the background is what all of them leave
        own[pool.head.channels.index(())] = np.sum(own, 0) / (len(own) - 1)
    return System("probability", tuple(map(tuple, np.array(own).T.tolist())))


def by_volume(search: Search) -> System:
    """Choose for the cases below and above the median volume that all candidates alike see."""
    volumes = search.scores.volumes_mm3()
    limit_mm3 = float(np.median(volumes[search.drawn > 0]))
    small, large = (
        greedy(replace(search, drawn=np.where(side, search.drawn, 0.0)))
        for side in (volumes < limit_mm3, volumes >= limit_mm3)
    )
    return replace(large, below=(limit_mm3, small))


def bias(search: Search) -> System:
    """All alike, with the best bias of the foreground."""
    options = [replace(equal(search.candidates), bias=each) for each in BIASES]
    at, _ = search.best([equal(search.candidates), *options])
    return equal(search.candidates) if at == 0 else options[at - 1]


def _singles(search: Search) -> list[System]:
    return [weighted(row) for row in np.eye(search.candidates)]


@dataclass(frozen=True)
class Way:
    """One way to choose, and whether a manifest can hold what it chooses."""

    choose: Callable[[Search], System]
    ships: bool
    told: str


WAYS: Mapping[str, Way] = {
    "equal": Way(equal_of, True, "all candidates alike"),
    "best-single": Way(best_single, True, "the best candidate alone"),
    "greedy": Way(greedy, True, "forward selection with replacement"),
    "simplex": Way(simplex, True, "weights moved in tenths, from greedy on"),
    "channels": Way(channels, False, "a greedy choice for each channel"),
    "by-volume": Way(by_volume, False, "a greedy choice for small and one for large tumours"),
    "bias": Way(bias, False, "all alike, odds of the foreground multiplied"),
    "equal-logit": Way(lambda s: equal_of(s, "logit"), False, "all alike, logits averaged"),
    "greedy-logit": Way(lambda s: greedy(s, "logit"), False, "forward selection, logits averaged"),
    "majority": Way(lambda s: equal_of(s, "majority"), False, "majority vote"),
    "staple": Way(lambda s: equal_of(s, "staple"), False, "STAPLE"),
}
