"""Groups of cases, such as sites or sizes, from a table: what `--groups` of rank and report reads.

The first column of the table is the case id, every other one a way to group: by its values, or, if
it has many and all are numbers, in thirds.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from challenge.folders import few
from challenge.headers import last_line
from challenge.refusal import Refusal
from lab.evaluation.case_cohorts import DELIMITERS

MOST_VALUES = 8  # of numbers that are groups of their own; more of them are cut in thirds


class GroupError(Refusal):
    """The table gives no groups; the message names the file and the value."""


@dataclass(frozen=True)
class Grouping:
    """Cases by one column of the table."""

    column: str
    groups: Mapping[str, tuple[int, ...]]  # name -> cases (index), in the order to show
    without: tuple[str, ...]  # cases that have no row, or nothing in this column
    in_thirds: bool = False


def read_groupings(
    path: Path, cases: Sequence[str]
) -> tuple[tuple[Grouping, ...], tuple[str, ...]]:
    """Read how a table groups some cases, column by column, and say which columns do not.

    Raises:
        GroupError: the file is no table, has a case twice, no row of any of the cases, or no column
            in which two cases share a value.
    """
    header, rows = _read(path)
    by_case: dict[str, list[str]] = {}
    for row in rows:
        if by_case.setdefault(row[0], row) is not row:
            raise GroupError(f"{path}: {row[0]} stands in two rows")
    if not set(cases) & set(by_case):
        raise GroupError(
            f"{path}: no row of any scored case ({few(cases)}); its column {header[0]} has "
            f"{few(by_case)}"
        )
    columns = [
        [by_case[id][place] if id in by_case else "" for id in cases]
        for place in range(1, len(header))
    ]
    groupings = [
        _group(name, values, cases) for name, values in zip(header[1:], columns, strict=True)
    ]
    usable = tuple(g for g in groupings if any(len(group) > 1 for group in g.groups.values()))
    if not usable:
        raise GroupError(f"{path}: no two cases share a value in {', '.join(header[1:])}")
    left_out = [g.column for g in groupings if g not in usable]
    return usable, tuple(
        f"{path}: no two cases share a value in {column}, left out" for column in left_out
    )


def for_cases(grouping: Grouping, cases: Sequence[str], others: Sequence[str]) -> Grouping:
    """Return a grouping of some cases for others, by their ids; groups without any are left out.

    Args:
        grouping: of `cases`; of others it has no row.
        cases: ids.
        others: ids.
    """
    place = {id: i for i, id in enumerate(others)}
    groups = {
        name: tuple(place[cases[i]] for i in group if cases[i] in place)
        for name, group in grouping.groups.items()
    }
    without = tuple(id for id in grouping.without if id in place)
    groups = {name: group for name, group in groups.items() if group}
    return replace(grouping, groups=groups, without=without)


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the names of columns and the rows, each as long as these."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        tables = [
            [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
            for mark in DELIMITERS
        ]
    except (OSError, ValueError, csv.Error) as error:
        raise GroupError(f"{path}: no table of groups ({last_line(error)})") from error
    table = max(tables, key=lambda rows: len(rows[0]) if rows else 0)
    if not table or len(table[0]) < 2:
        raise GroupError(f"{path}: no table of a case id and at least one column more")
    header, *rows = table
    rows = [row for row in rows if any(row)]
    for row in rows:
        if len(row) != len(header):
            raise GroupError(f"{path}: {row[0]} has {len(row)} cells, the header {len(header)}")
    return header, rows


def _group(column: str, values: Sequence[str], cases: Sequence[str]) -> Grouping:
    without = tuple(id for id, value in zip(cases, values, strict=True) if not value)
    numbers = [_number(value) for value in values if value]
    many = len(set(numbers)) > MOST_VALUES and not np.isnan(numbers).any()
    if many:
        return Grouping(column, _thirds(values), without, in_thirds=True)
    groups: dict[str, list[int]] = {}
    for i, value in enumerate(values):
        if value:
            groups.setdefault(value, []).append(i)
    names = sorted(groups, key=lambda name: (np.nan_to_num(_number(name), nan=np.inf), name))
    return Grouping(column, {name: tuple(groups[name]) for name in names}, without)


def _thirds(values: Sequence[str]) -> dict[str, tuple[int, ...]]:
    numbers = np.array([_number(value) for value in values])
    low, high = np.nanquantile(numbers, (1 / 3, 2 / 3))
    thirds = {
        f"<= {low:.4g}": numbers <= low,
        f"{low:.4g} to {high:.4g}": (numbers > low) & (numbers <= high),
        f"> {high:.4g}": numbers > high,
    }
    return {name: tuple(np.flatnonzero(mask).tolist()) for name, mask in thirds.items()}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
