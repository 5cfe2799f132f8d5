"""Any two systems, case by case: differences with intervals and p-values."""

from itertools import combinations

import numpy as np

from lab.evaluation.comparison import Comparison
from lab.evaluation.pair import (
    MEAN_RANK,
    MEAN_SCORE,
    RANK_AMONG_ALL,
    Pair,
    PairedDifference,
    Sampling,
)
from lab.evaluation.pair_support import find_support
from lab.evaluation.standings import (
    Rule,
    Standings,
    higher_is_better,
    mean_ranks,
    rank_values,
    score,
)
from lab.statistics import bootstrap_interval, differences, holm, mean_over_cases, sign_flip_p


def compare(
    comparison: Comparison, standings: Standings, rule: Rule, sampling: Sampling
) -> tuple[Pair, ...]:
    """Compare every two systems over the cases, with p-values also adjusted for all the pairs.

    All pairs meet the same draws: but for the adjustment and the rank among all, a pair's numbers
    depend neither on the other systems nor on which of the two comes first.
    """
    pairs = list(combinations(range(len(comparison.systems)), 2))
    tables = [paired_rows(comparison, standings, rule, pair) for pair in pairs]
    means = [paired_means(comparison, standings, rule, pair) for pair in pairs]
    side_by_side = np.column_stack(tables)
    generators = (np.random.default_rng(sampling.seed) for _ in range(2))
    interval = bootstrap_interval(side_by_side, sampling.resamples, next(generators))
    p = sign_flip_p(side_by_side, sampling.flips, next(generators)).reshape(len(pairs), -1)
    numbers = (*interval.reshape(2, *p.shape), p, np.apply_along_axis(holm, 0, p))
    names = tuple(comparison.systems)
    return tuple(
        Pair(
            names[first],
            names[second],
            describe(comparison, tables[i], [*means[i], *(n[i] for n in numbers)]),
            in_sample_words(comparison, names[first], names[second]),
            find_support(comparison, (first, second), sampling),
        )
        for i, (first, second) in enumerate(pairs)
    )


def in_sample_words(comparison: Comparison, *systems: str) -> tuple[str, ...]:
    """Say of each of some systems that is scored where it was fitted how that is."""
    known = comparison.in_sample
    return tuple(f"{name} is {known[name]}" for name in systems if name in known)


def row_names(comparison: Comparison) -> list[tuple[str, str]]:
    """Return what a pair is compared by, and which values are better."""
    rows = [(MEAN_SCORE, "higher")] if higher_is_better(comparison) else []
    rows.append((MEAN_RANK, "lower"))
    if len(comparison.systems) > 2:
        rows.append((RANK_AMONG_ALL, "lower"))
    return rows + [(str(column), column.better) for column in comparison.columns]


def paired_rows(
    comparison: Comparison, standings: Standings, rule: Rule, pair: tuple[int, int]
) -> np.ndarray:
    """Return second - first (case, row), in the order of `row_names`."""
    by_column = differences(*(comparison.values[..., system] for system in pair))
    higher = higher_is_better(comparison)
    rows = [score(by_column[:, higher], comparison, higher)] if higher else []
    # The same ranks in another order have a sum that differs by rounding, and must count as equal.
    ranks_by_row = _case_ranks(comparison, standings, rule, pair)
    rows += [np.diff(values)[:, 0].round(12) for values in ranks_by_row]
    return np.column_stack([*rows, by_column])


def paired_means(
    comparison: Comparison, standings: Standings, rule: Rule, pair: tuple[int, int]
) -> np.ndarray:
    """Return both systems' means (2, row) where both have a number, in the order of `row_names`.

    Of a row without infinities, second minus first is the mean of `paired_rows`.
    """
    both = comparison.values[..., list(pair)]
    both = np.where(np.isnan(both).any(-1, keepdims=True), np.nan, both)
    higher = higher_is_better(comparison)
    ranks_by_row = _case_ranks(comparison, standings, rule, pair)
    sides = []
    for i in range(2):
        rows = [score(both[:, higher, i], comparison, higher)] if higher else []
        rows += [values[:, i] for values in ranks_by_row]
        sides.append(mean_over_cases(np.column_stack([*rows, both[..., i]])))
    return np.stack(sides)


def _case_ranks(
    comparison: Comparison, standings: Standings, rule: Rule, pair: tuple[int, int]
) -> list[np.ndarray]:
    """Return ranks (case, 2) between the two alone, and of several systems also among all."""
    both = list(pair)
    between = rank_values(
        comparison.values[..., both], comparison.columns, rule, comparison.both_absent[..., both]
    )
    among_all = [standings.case_ranks[:, both]] if len(comparison.systems) > 2 else []
    return [mean_ranks(between, comparison), *among_all]


def describe(
    comparison: Comparison, table: np.ndarray, numbers: list[np.ndarray]
) -> tuple[PairedDifference, ...]:
    """Describe each row of paired differences (case, row).

    `numbers` are both means, the interval's lower and upper end, p and adjusted p, each (row,).
    """
    means = mean_over_cases(table)
    rows = []
    for i, (what, better) in enumerate(row_names(comparison)):
        gains = table[:, i] if better == "higher" else -table[:, i]
        first, second, low, high, p, p_holm = (float(values[i]) for values in numbers)
        n, n_better, n_worse = (
            int(np.count_nonzero(mask)) for mask in (~np.isnan(gains), gains > 0, gains < 0)
        )
        rows.append(
            PairedDifference(
                what=what,
                better=better,
                first=first,
                second=second,
                difference=float(means[i]),
                low=low,
                high=high,
                p=p,
                p_holm=p_holm,
                n=n,
                n_better=n_better,
                n_worse=n_worse,
            )
        )
    return tuple(rows)
