"""Positions rank the cohort's numbers of a rule's grid points; scipy ranks as the second hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import rankdata
from toy import GLI, PARAMETERS, SIZES, search_case

from lab.metrics.objective import Column
from lab.rule_search.group import PositionGroup
from lab.rule_search.optimise import choose_rules
from lab.rule_search.score_cache import ScoreCache

ET = GLI.labels["ET"]
LEFT = (127, 123, 115, 100)  # voxels of ET after SIZES
COLUMNS: tuple[Column, ...] = (("ET", "dice"), ("ET", "hd95"), ("ET", "volume_error_mm3"))


class Scored:
    """Scores by the voxels of ET that are left, from a table made up for the test."""

    def __init__(self, voxels: np.ndarray, table: dict[int, tuple[float, float, float]]) -> None:
        self.voxels, self.table = voxels, table

    def score(self, values: np.ndarray) -> dict[str, dict[str, float]]:
        dice, hd95, error = self.table[int(self.voxels[values == ET].sum())]
        volumes = {"volume_prediction_mm3": 100 + error, "volume_reference_mm3": 100.0}
        return {"ET": {"dice": dice, "hd95": hd95, **volumes}}


def cache_of(tables: Sequence[dict[int, tuple[float, float, float]]]) -> ScoreCache:
    """Make a cohort of a tumour of 100 voxels with islands of 4, 8 and 15, as the sizes remove."""
    cases = []
    for i, table in enumerate(tables):
        case = search_case(f"case-{i}", [(ET, n, ET) for n in (100, 4, 8, 15)])
        voxels = case.components.voxels
        cases.append(type(case)(case.id, case.components, Scored(voxels, table), case.confusion))
    return ScoreCache(cases, PARAMETERS, COLUMNS, GLI)


def random_tables(seed: int, cases: int) -> list[dict[int, tuple[float, float, float]]]:
    numbers = np.random.default_rng(seed).integers(-3, 4, (cases, 4, 3)).astype(float)
    return [dict(zip(LEFT, map(tuple, rows.tolist()), strict=True)) for rows in numbers]


def leaderboard(tables: Sequence[dict[int, tuple[float, float, float]]]) -> dict[int, float]:
    """Return PANTHER's mean position of each variant: means, RMSE, ranks, mean of ranks."""
    numbers = np.array([[table[n] for n in LEFT] for table in tables])  # (case, variant, metric)
    rows = [
        -numbers[:, :, 0].mean(0),
        numbers[:, :, 1].mean(0),
        np.sqrt((numbers[:, :, 2] ** 2).mean(0)),
    ]
    places = np.mean([rankdata(row.round(9)) for row in rows], axis=0)
    return dict(zip(LEFT, places.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_a_grid_is_ranked_as_a_leaderboard_ranks_the_labels_it_makes(seed: int) -> None:
    """Sizes 0, 5, 10, 20 and 50 leave 127, 123, 115, 100 and again 100 voxels: four systems."""
    tables = random_tables(seed, 7)
    cache, weights = cache_of(tables), np.full(7, 1 / 7)
    group = PositionGroup(cache, weights, "positions")
    gains = group.gains(cache.no_rules, 0)
    places = leaderboard(tables)
    expected = [places[127] - places[left] for left in (127, 123, 115, 100, 100)]
    np.testing.assert_allclose(group.mean(gains), expected, atol=1e-12)
    chosen = choose_rules(cache, weights, (0,), "positions", "label-by-label")
    assert expected[chosen[0]] == pytest.approx(max(expected))
    assert (group.error(gains) >= 0).all()
    assert group.error(gains)[0] == 0


def test_a_size_that_helps_every_case_is_found_and_one_by_chance_is_not() -> None:
    better = {127: (0.5, 9.0, 27.0), 123: (0.6, 8.0, 23.0), 115: (0.7, 5.0, 15.0)}
    cache = cache_of([better | {100: (0.6, 7.0, -20.0)}] * 12)
    weights = np.full(12, 1 / 12)
    setting = choose_rules(cache, weights, (0,), "positions", "stepwise")
    assert SIZES[setting[0]] == 10
    chance = cache_of(random_tables(1, 12))
    assert choose_rules(chance, weights, (0,), "positions", "stepwise")[0] == 0


def test_the_best_of_several_rules_is_the_one_that_places_best_among_them() -> None:
    better = {127: (0.5, 9.0, 27.0), 123: (0.6, 8.0, 23.0), 115: (0.7, 5.0, 15.0)}
    cache = cache_of([better | {100: (0.6, 7.0, -20.0)}] * 4)
    group = PositionGroup(cache, np.full(4, 0.25), "positions")
    # A larger gain in a grid of many candidates is no larger one: what counts is who places best.
    assert group.best_move(cache.no_rules, {0: (0.1, 2), 1: (3.0, 4)}) == 0
