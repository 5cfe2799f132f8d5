"""What `python -m lab rank --groups` prints of groups of cases."""

from itertools import groupby

import numpy as np

from lab.evaluation.case_groups import Grouping
from lab.evaluation.common_support import some_names
from lab.evaluation.number_text import (
    interval_text,
    letter,
    p_text,
    signed,
    value_text,
    wrapped,
)
from lab.evaluation.pair import ALPHA
from lab.evaluation.subgroups import FEWEST_CASES, GroupGain, Subgroup


def subgroups_text(
    groupings: tuple[Grouping, ...], groups: tuple[Subgroup, ...], systems: tuple[str, ...]
) -> str:
    """Lay out every group's ranking, means and gains over the first system."""
    tests = sum(gain.n >= FEWEST_CASES for group in groups for gain in group.gains)
    number = next((group.number for group in groups if group.number), "")
    heading = wrapped(
        f"SUBGROUPS: the ranking of each group of cases alone. Gain: of the {number} over A, with "
        f"its 95% bootstrap interval, p by sign flips, Holm over all {tests} tests of groups. "
        f"A verdict needs p after Holm below {ALPHA}, and {FEWEST_CASES} cases, below which no p "
        "can be small enough. Tau: Kendall's tau-b with the ranking of all cases."
    )
    by_column = groupby(groups, key=lambda group: group.column)
    parts = [
        _grouping(grouping, list(members), systems)
        for grouping, (_, members) in zip(groupings, by_column, strict=True)
    ]
    return "\n\n".join([heading, *parts])


def grouping_sentence(grouping: Grouping) -> str:
    """Say how cases are grouped by a column, and which of them are not."""
    n = len(grouping.groups)
    how = "values in thirds" if grouping.in_thirds else f"{n} group{'s' if n != 1 else ''}"
    without = ""
    if grouping.without:
        count = len(grouping.without)
        without = (
            f"; {count} {'case is' if count == 1 else 'cases are'} in no group, the table has "
            f"nothing for {some_names(grouping.without)}"
        )
    return f"By {grouping.column}: {how}{without}."


def _grouping(grouping: Grouping, groups: list[Subgroup], systems: tuple[str, ...]) -> str:
    names = [f"{letter(i)}  {name}" for i, name in enumerate(systems)]
    width = max(map(len, names))
    first = max(len(name) for name in (grouping.column, *grouping.groups))
    has_score = any(g.standings and g.standings.mean_score is not None for g in groups)
    lines = [
        wrapped(grouping_sentence(grouping)),
        f"{grouping.column:<{first}}  place  {'system':<{width}}  mean rank"
        + ("  mean score" if has_score else "")
        + f"  {'gain':>8}  {'interval':>18}  {'p':>7}  {'Holm':>7}     n  verdict",
    ]
    for group in groups:
        if group.standings is None:
            lines.append(f"{group.name:<{first}}  {group.cases} case, not ranked")
            continue
        order = np.argsort(group.standings.place, kind="stable")
        for row, i in enumerate(order):
            name = group.name if row == 0 else ""
            cells = f"{name:<{first}}  {group.standings.place[i]:>5}  {names[i]:<{width}}"
            cells += f"  {group.standings.mean_rank[i]:>9.4f}"
            if group.standings.mean_score is not None:
                cells += f"  {value_text(group.standings.mean_score[i]):>10}"
            lines.append(cells + (_gain(group.gains[i - 1]) if i else ""))
        tau = "no tau" if np.isnan(group.tau) else f"tau {group.tau:.2f}"
        lines.append(f"{'':<{first}}  n = {group.cases}, {tau}")
    return "\n".join(lines)


def _gain(gain: GroupGain) -> str:
    verdict = gain.verdict + (", within seeds" if gain.below_floor else "")
    return (
        f"  {signed(gain.gain):>8}  {interval_text(gain.low, gain.high):>18}  {p_text(gain.p):>7}"
        f"  {p_text(gain.p_holm):>7}  {gain.n:>4}  {verdict}"
    )
