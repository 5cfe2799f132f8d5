"""What `python -m lab rank` prints of a ranking's stability, significance and tiers."""

import numpy as np

from lab.evaluation.number_text import letter, p_text, wrapped
from lab.evaluation.ranking import Ranking
from lab.evaluation.ranking_methods import (
    MEAN_OF_RANKS,
    POSITION_OF_MEANS,
    WINS,
    resampled_totals,
)
from lab.evaluation.ranking_stability import Stability
from lab.evaluation.significance import LARGEST_P
from lab.evaluation.tiers import LARGEST_P as TIER_P
from lab.statistics import CONFIDENCE

MOST_SYSTEMS_AS_MATRIX = 26  # one letter a system
HOW = {
    MEAN_OF_RANKS: "rank in each case, then average",
    POSITION_OF_MEANS: "average over cases, then rank",
    WINS: "test every pair, then rank by the number of systems beaten",
}


def stability_text(ranking: Ranking) -> str:
    """Lay out how the ranking varies over resamples of cases, by each way to rank."""
    n, resamples = len(ranking.comparison.cases), ranking.sampling.rankings
    sentences = [
        f"STABILITY: {resamples} bootstrap samples of the {n} cases, each ranked anew, as "
        "challengeR does. Place: of all cases; equal systems share the best. Interval: "
        f"{CONFIDENCE:.0%} of the samples. First: share of samples in which a system is first, "
        "alone or with others. Tau: Kendall's tau-b of each sample with the ranking of all cases; "
        f"1 is the same order. Seed {ranking.sampling.seed}."
    ]
    if len(ranking.comparison.summary_values):
        sentences.append("Summary rows take no part.")
    left_out = set(ranking.comparison.totals) - set(resampled_totals(ranking.comparison))
    if left_out:
        names = ", ".join(map(str, left_out))
        sentences.append(f"{names}: not known of a sample, takes no part.")
    blocks = [_stability(ranking, each) for each in ranking.stability]
    return "\n\n".join([wrapped(" ".join(sentences)), *blocks])


def _stability(ranking: Ranking, stability: Stability) -> str:
    names, width = _names(ranking)
    low, high = stability.interval
    places = range(1, min(len(names), 5) + 1)
    lines = [
        wrapped(f"By {stability.method} ({HOW[stability.method]}): {_tau(stability)}"),
        f"place  {'system':<{width}}  median  {'interval':>9}   first"
        + "".join(f"  {f'in {place}':>5}" for place in places[1:]),
    ]
    for i in np.argsort(stability.full, kind="stable"):
        interval = f"{low[i]:g}-{high[i]:g}"
        lines.append(
            f"{stability.full[i]:>5}  {names[i]:<{width}}  {stability.median[i]:>6g}  "
            f"{interval:>9}" + "".join(f"  {stability.frequency[i, p - 1]:>6.1%}" for p in places)
        )
    return "\n".join(lines)


def _tau(stability: Stability) -> str:
    tau = stability.tau[~np.isnan(stability.tau)]
    if not tau.size:
        return "no tau, all systems share a place in every sample"
    low, high = np.quantile(tau, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    missing = len(stability.tau) - tau.size
    without = f", without {missing} samples in which all share a place" if missing else ""
    return f"tau median {np.median(tau):.2f}, {low:.2f} to {high:.2f}{without}"


def significance_text(ranking: Ranking) -> str:
    """Lay out which system is significantly better than which."""
    tests = ranking.significance
    names, width = _names(ranking)
    order = ranking.order
    lines = [
        wrapped(
            f"SIGNIFICANCE: Wilcoxon signed rank test of the {tests.number} of each case, "
            "one-sided, p adjusted by Holm over all ordered pairs, as challengeR's significance "
            "map. A star: the system of the row is better than that of the column, "
            f"p <= {LARGEST_P}. Wins: systems beaten, without adjustment and after Holm."
        )
    ]
    shows_matrix = len(order) <= MOST_SYSTEMS_AS_MATRIX
    columns = " ".join(letter(j) for j in order) if shows_matrix else ""
    lines.append(f"       {'system':<{width}}  {columns}  {'wins':>5}  {'Holm':>5}")
    for i in order:
        cells = (" " if j == i else "*" if tests.p_holm[i, j] <= LARGEST_P else "." for j in order)
        row = " ".join(cells) if shows_matrix else ""
        lines.append(
            f"       {names[i]:<{width}}  {row}  {tests.wins[i]:>5}  {tests.wins_holm[i]:>5}"
        )
    return "\n".join(lines + [wrapped(each) for each in withheld_sentences(ranking)])


def tiers_text(ranking: Ranking) -> str:
    """Lay out the tiers, and how surely each one's best is ahead of the next one's."""
    tiers = ranking.tiers
    names, _ = _names(ranking)
    lines = [
        wrapped(
            "TIERS: pairwise permutation tests of the cumulative rank of each case, one-sided, not "
            f"adjusted, {ranking.sampling.flips} permutations (--flips), as BraTS 2026 announces "
            "and the paper of BraTS 2018 defines. A system that is not significantly worse than "
            f"the best of a tier (p < {TIER_P}) shares it. p: that the tier's best is ahead."
        )
    ]
    for number, group in enumerate(tiers.groups, 1):
        best, *others = group
        members = [names[best], *(f"{names[i]} (p = {p_text(tiers.p[best, i])})" for i in others)]
        lines.append(wrapped(f"tier {number}: {', '.join(members)}"))
        if number < len(tiers.groups):
            after = tiers.groups[number][0]
            lines.append(f"  ahead of {names[after]}: p = {p_text(tiers.p[best, after])}")
    apart = [
        f"{letter(a)} of {letter(b)} (p = {p_text(tiers.p[a, b])})" for a, b in tiers.apart_within
    ]
    if apart:
        lines.append(wrapped(f"within a tier, yet significantly ahead: {', '.join(apart)}"))
    return "\n".join(lines + [wrapped(each) for each in withheld_sentences(ranking)])


def withheld_sentences(ranking: Ranking) -> list[str]:
    """Say which leads show nothing, since common support turns them around."""
    leads = [
        f"{winner} over {pair.first if winner == pair.second else pair.second}"
        for pair in ranking.pairs
        for winner in sorted(pair.withheld)
    ]
    words = "which scores better where both have a score, see PAIRS."
    return [f"No verdict: {lead}, {words}" for lead in leads]


def _names(ranking: Ranking) -> tuple[list[str], int]:
    """Return systems with their letters, and how wide the longest is; who has no verdict, too."""
    names = [
        f"{letter(i)}  {name}" + (" (in sample)" if name in ranking.comparison.in_sample else "")
        for i, name in enumerate(ranking.names)
    ]
    return names, max(map(len, names))
