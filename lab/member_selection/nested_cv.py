"""How good a way of choosing is, on cases that chose nothing; and what ships for it.

Nested cross-validation: for each part of the cases a way chooses on all others, and what it chose
is scored on that part. What ships is chosen on all cases by the way that won; equal weights ship
unless the win is clear of chance, counting that several ways had a try.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lab.member_selection.combine import System
from lab.member_selection.score_cache import Scores
from lab.member_selection.strategies import WAYS, Search, cost, greedy_path
from lab.metrics.objective import Objective
from lab.statistics import CONFIDENCE

PARTS = 5
RESAMPLES = 2000


@dataclass(frozen=True)
class Judged:
    """What a way chose, and how that fared."""

    way: str
    system: System  # chosen on all cases
    fold_systems: tuple[System, ...]  # chosen without each part
    held_out: np.ndarray  # (case, column) by the system that did not see the case
    merit: float  # on cases that chose nothing
    gain_seen: float  # over equal weights on the cases that chose: how much of it is illusion
    gain: tuple[float, float, float]  # over equal weights: mean, lower and upper end


@dataclass(frozen=True)
class Point:
    """The best that so many networks can do, held out."""

    members: int
    case_s: float
    merit: float
    interval: tuple[float, float]  # of the difference to equal weights


def parts_of(cases: int, seed: int = 0) -> list[np.ndarray]:
    """Deal cases into parts at random; return which are in each (case,) bool."""
    order = np.random.default_rng(seed).permutation(cases)
    parts = min(PARTS, cases)
    return [np.isin(np.arange(cases), order[part::parts]) for part in range(parts)]


def judge(search: Search, names: Sequence[str]) -> dict[str, Judged]:
    """Judge ways side by side; `equal` is always among them.

    Merits are told on all held-out cases together, with the same cases for every way; a merit of
    positions ranks the ways among each other.
    """
    ways = ["equal", *(name for name in names if name != "equal")]
    parts = parts_of(len(search.drawn))
    chosen = {name: [WAYS[name].choose(_without(search, part)) for part in parts] for name in ways}
    tables = {name: held_out(search.scores, own, parts) for name, own in chosen.items()}
    merits = search.merit(np.stack(list(tables.values())), search.scores.columns, search.drawn)
    shipping = sum(WAYS[name].ships for name in ways) - 1
    confidence = 1 - (1 - CONFIDENCE) / max(1, shipping)
    found = {}
    for name, merit in zip(ways, merits, strict=True):
        final = WAYS[name].choose(search)
        gain = difference(tables["equal"], tables[name], search, confidence)
        alike, own = search.scores.of([WAYS["equal"].choose(search), final])
        seen = difference(alike, own, search)[0]
        found[name] = Judged(
            name, final, tuple(chosen[name]), tables[name], float(merit), seen, gain
        )
    return found


def held_out(scores: Scores, systems: Sequence[System], parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return (case, column): each part by the system that was chosen without it."""
    tables = scores.of(systems)
    found = np.full(tables.shape[1:], np.nan)
    for table, part in zip(tables, parts, strict=True):
        found[part] = table[part]
    return found


def difference(
    first: np.ndarray, second: np.ndarray, search: Search, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Return by how much `second` is better, with the paired bootstrap interval over cases."""
    pair, columns = np.stack([first, second]), search.scores.columns
    cases = len(first)
    rng = np.random.default_rng(0)

    def gain(drawn: np.ndarray) -> float:
        one, other = search.merit(pair, columns, drawn)
        return float(other - one)

    drawn = [np.bincount(rng.integers(0, cases, cases), minlength=cases) for _ in range(RESAMPLES)]
    tail = (1 - confidence) / 2
    low, high = np.nanquantile([gain(counts.astype(float)) for counts in drawn], (tail, 1 - tail))
    return gain(np.ones(cases)), float(low), float(high)


def decide(judged: Mapping[str, Judged]) -> str:
    """Return the way that ships: the best of those a manifest can hold, if it is clearly better."""
    shipping = [j for name, j in judged.items() if WAYS[name].ships]
    best = max(shipping, key=lambda j: j.gain[0])
    return best.way if best.gain[1] > 0 else "equal"


def front(search: Search) -> Iterator[Point]:
    """Yield what the greedy path reaches with ever more networks, on cases that chose nothing."""
    parts = parts_of(len(search.drawn))
    paths = [list(greedy_path(_without(search, part))) for part in parts]
    alike = held_out(search.scores, [WAYS["equal"].choose(search)] * len(parts), parts)
    most = max(len(system.chosen) for path in paths for system in path)
    for size in range(1, most + 1):
        systems = [[s for s in path if len(s.chosen) <= size][-1] for path in paths]
        costs = np.array([cost(system, search.scores) for system in systems])
        gain, low, high = difference(alike, held_out(search.scores, systems, parts), search)
        yield Point(round(costs[:, 0].mean()), float(costs[:, 1].mean()), gain, (low, high))


def open_search(scores: Scores, merit: Objective) -> Search:
    """Return a search on all cases without limits of cost."""
    return Search(scores, merit, np.ones(len(scores.pool.cases)))


def _without(search: Search, part: np.ndarray) -> Search:
    return replace(search, drawn=np.where(part, 0.0, search.drawn))
