"""Weighted cases, and what the grid points of a rule gain them: by means over cases, or positions.

Positions are a leaderboard's: each metric's number of the cohort is ranked among the candidates,
and the ranks are averaged over metrics, as PANTHER ranks teams. The candidates are the grid points
of one rule, all others as set, the point without the rule among them; points that leave every case
alike are one candidate. Positions depend on who takes part, so that a gain is one within its grid.
"""

from collections.abc import Mapping

import numpy as np

from lab.metrics.objective import mean_position
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import Setting
from lab.statistics import SEED

ROUNDING = 1e-12
DRAWS = 100  # bootstrap resamples behind a standard error of positions


class Group:
    """Weighted cases, and what each grid point of a parameter gains them."""

    def __init__(self, cache: ScoreCache, weights: np.ndarray, objective: str) -> None:
        self.cache, self.objective = cache, objective
        self.cases = np.flatnonzero(weights)
        self.weights = weights[self.cases]

    def gains(self, setting: Setting, parameter: int) -> np.ndarray:
        """Return what a parameter's grid points gain over the setting; (case, grid point)."""
        values = self.cache.grid_objectives(setting, parameter, self.cases, self.objective)
        return np.asarray(values - values[:, [setting[parameter]]])

    def gains_of_two(self, setting: Setting, first: tuple[int, int], second: int) -> np.ndarray:
        """Return what two parameters gain together over the setting; (case, grid point of second).

        Args:
            setting: of all parameters.
            first: the number of one, and its grid index.
            second: the number of the other one.
        """
        parameter, index = first
        moved = (*setting[:parameter], index, *setting[parameter + 1 :])
        after, before = (
            self.cache.grid_objectives(each, second, self.cases, self.objective)
            for each in (moved, setting)
        )
        return np.asarray(after - before[:, [setting[second]]])

    @property
    def moves_two(self) -> bool:
        """Whether gains of two parameters are known: of a rank there is one within a grid alone."""
        return self.objective != "rank"

    def mean(self, gains: np.ndarray) -> np.ndarray:
        """Return the weighted mean of gains (case, ...)."""
        return np.asarray(self.weights @ gains)

    def error(self, gains: np.ndarray) -> np.ndarray:
        """Return the standard error of the weighted mean of gains (case, ...); 0 of one case."""
        deviations = gains - self.mean(gains)
        n = len(gains)
        scale = np.sqrt(n / (n - 1)) if n > 1 else 0.0
        return np.asarray(scale * np.sqrt(self.weights**2 @ deviations**2))

    def best_move(self, setting: Setting, moves: Mapping[int, tuple[float, int]]) -> int:
        """Return the parameter to move; `moves` holds the mean gain and the grid index of each."""
        return simplest_best(self.cache, {p: mean for p, (mean, _) in moves.items()})


class PositionGroup(Group):
    """The same by positions. A cohort has one, so rows of gains are cohorts instead of cases.

    The first row is the cohort itself, the others are bootstrap resamples of its cases.
    """

    def __init__(self, cache: ScoreCache, weights: np.ndarray, objective: str) -> None:
        super().__init__(cache, weights, objective)
        n = len(self.cases)
        counts = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), DRAWS)
        resampled = counts * self.weights
        self.cohorts = np.vstack([self.weights, resampled / resampled.sum(1, keepdims=True)])

    @property
    def moves_two(self) -> bool:
        """Return that a position is one within a grid."""
        return False

    def gains(self, setting: Setting, parameter: int) -> np.ndarray:
        """Return what a parameter's grid points gain over the setting; (cohort, grid point)."""
        scores = self.cache.grid_scores(setting, parameter, self.cases)
        places = self._places(np.moveaxis(scores, 1, 0), self.cohorts)
        return np.asarray(places - places[:, [setting[parameter]]])

    def mean(self, gains: np.ndarray) -> np.ndarray:
        """Return the gains (cohort, ...) of the cohort itself."""
        return np.asarray(gains[0])

    def error(self, gains: np.ndarray) -> np.ndarray:
        """Return the standard error of gains (cohort, ...), from the resamples."""
        return np.asarray(gains[1:].std(0, ddof=1))

    def best_move(self, setting: Setting, moves: Mapping[int, tuple[float, int]]) -> int:
        """Return the parameter to move: the best position among the setting and all moves."""
        moved = [
            tuple(index if p == parameter else old for p, old in enumerate(setting))
            for parameter, (_, index) in moves.items()
        ]
        n = len(self.cases)
        table = np.stack([self.cache.scores([s] * n, self.cases) for s in (setting, *moved)])
        places = self._places(table, self.cohorts[:1])[0]
        return simplest_best(self.cache, dict(zip(moves, places[1:].tolist(), strict=True)))

    def _places(self, table: np.ndarray, cohorts: np.ndarray) -> np.ndarray:
        """Return minus the mean positions (cohort, candidate) of a table (candidate, case, column).

        `cohorts` are case weights (cohort, case).
        """
        numbers: dict[bytes, int] = {}
        at = [numbers.setdefault(rows.tobytes(), len(numbers)) for rows in table]
        distinct = table[[at.index(i) for i in range(len(numbers))]]
        places = [mean_position(distinct, self.cache.columns, weights) for weights in cohorts]
        return np.stack(places)[:, at]


def simplest_best(cache: ScoreCache, means: Mapping[int, float]) -> int:
    """Return the parameter that gains most; of those that gain as much, one that takes least."""
    best = max(means, key=lambda parameter: means[parameter])
    as_good = (p for p, mean in means.items() if mean >= means[best] - ROUNDING)
    return min(as_good, key=lambda p: (cache.parameters[p].takes, p != best))
