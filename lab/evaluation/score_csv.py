"""Tables of scores, from platforms and teams: a row a case, or a row a case and region."""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from challenge.refusal import Refusal
from lab.evaluation.column_names import (
    FOREGROUND,
    OF_TRAINING,
    REGIONS,
    Key,
    known_key,
    known_metric,
    unknown_key,
)
from lab.evaluation.results import Results
from lab.metrics.csv_layouts import SUMMARY_NAMES

ENDINGS = (".csv", ".tsv")
DELIMITERS = ",;\t"
# What pandas and R write for a number that is missing, in lower case.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
PENALISED = "*"  # the scorer of BraTS 2021 and FeTS ends the id of a case so that it cannot read
REGION_COLUMNS = frozenset({"label", "labels", "region"})
CASE_COLUMN = re.compile(
    r"case|patient|subject|scan|image|file|name|(\A|_| )id\Z|\A\Z", re.IGNORECASE
)
UNNAMED = re.compile(r"(unnamed: 0|index)?\Z")  # heading of a data frame's row numbers, lower case


@dataclass(frozen=True)
class _Columns:
    """Which column of a table holds what."""

    id: int
    region: int | None  # None: the headings name the regions
    keys: Mapping[int, Key]
    not_read: tuple[str, ...]


def read_table(text: str, summary_rows: bool) -> Results:
    """Read a table whose first row is the headings; columns without scores are named.

    Raises:
        Refusal: no column of scores, a cell of one that is no number, or two rows for a case.
        csv.Error, IndexError: no table.
    """
    tables = [list(csv.reader(io.StringIO(text, newline=""), delimiter=d)) for d in DELIMITERS]
    rows = max(tables, key=lambda rows: len(rows[0]) if rows else 0)
    header, body = [name.strip() for name in rows[0]], [row for row in rows[1:] if any(row)]
    columns = _columns(header, body)
    cases: dict[str, dict[str, dict[str, float]]] = {}
    seen = set()
    for row in body:
        id = row[columns.id].removesuffix(PENALISED)
        if (summary := SUMMARY_NAMES.get(id.strip().lower())) is not None:
            if not (summary and summary_rows):
                continue
            id = summary
        named = None if columns.region is None else row[columns.region].strip()
        if (id, named) in seen:
            raise Refusal(f"two rows for {id}" + (f", {named}" if named else ""))
        seen.add((id, named))
        scores = cases.setdefault(id, {})
        for i, (region, metric) in columns.keys.items():
            scores.setdefault(named or region, {})[metric] = _number(row, i, header)
    dice = {header[i].lower() for i, (_, metric) in columns.keys.items() if metric == "dice"}
    is_lesionwise = bool(dice) and all("lesionwise" in name for name in dice)
    kind = "lesion-wise" if is_lesionwise else ""
    marked = [row[columns.id] for row in body if row[columns.id].endswith(PENALISED)]
    penalised = tuple(dict.fromkeys(id.removesuffix(PENALISED) for id in marked))
    read = Results("platform-csv", cases, dice_kind=kind)
    return replace(read, not_read=columns.not_read, penalised=penalised)


def _columns(header: Sequence[str], body: Sequence[Sequence[str]]) -> _Columns:
    id = _id_column(header, body)
    _refuse_log(header, body, id)
    others = range(id + 1, len(header))
    region = next((i for i in others if header[i].lower() in REGION_COLUMNS), None)
    metrics = {i: metric for i in others if (metric := known_metric(header[i]))}
    if region is not None and metrics:
        keys = _each_once({i: (FOREGROUND, metric) for i, metric in metrics.items()}, header)
    else:
        region = None
        known = {i: key for i in others if (key := known_key(header[i]))}
        keys = _each_once(known, header)
        # A metric that nobody here knows is one where a region ends its name.
        regions = {*REGIONS.values(), *(region for region, _ in keys.values())}
        further = {i: key for i in others if i not in known and (key := unknown_key(header[i]))}
        keys |= {i: k for i, k in further.items() if k[0] in regions and _are_numbers(body, i)}
    if not keys:
        raise Refusal(f"no column named <Metric>_<Region> in {list(header)}")
    left = tuple(header[i] for i in others if i not in keys and i != region)
    return _Columns(id, region, keys, left)


def _each_once(keys: Mapping[int, Key], header: Sequence[str]) -> dict[int, Key]:
    """Return one column a region and metric: the lesion-wise one of LesionWise_Dice_ET, Dice_ET."""
    ordered = sorted(keys, key=lambda i: not header[i].lower().startswith("lesionwise"))
    first: dict[Key, int] = {}
    for i in ordered:
        first.setdefault(keys[i], i)
    return {i: key for i, key in keys.items() if first[key] == i}


def _refuse_log(header: Sequence[str], body: Sequence[Sequence[str]], id: int) -> None:
    """Refuse a table of a training, with a row an epoch.

    A column of epochs says so where it would be the ids, or where these are numbers of a metric:
    loggers sort their columns. Beside names of cases it is of their networks.

    Raises:
        Refusal: the message names the column.
    """
    numbering = next((name for name in header[id:] if OF_TRAINING.match(name)), None)
    if numbering is None:
        return
    is_of_cases = CASE_COLUMN.search(header[id]) or not _are_numbers(body, id)
    if numbering == header[id] or not is_of_cases:
        raise Refusal(f"column {numbering!r}: a row an epoch or step of a training, not a case")


def _id_column(header: Sequence[str], body: Sequence[Sequence[str]]) -> int:
    """Return the column of case ids: the first one that is not a data frame's row numbers."""
    numbered = [row[0] for row in body] == [str(i) for i in range(len(body))]
    return 1 if len(header) > 1 and UNNAMED.match(header[0].lower()) and numbered else 0


def _are_numbers(body: Sequence[Sequence[str]], column: int) -> bool:
    try:
        return bool([_number(row, column) for row in body])
    except ValueError:
        return False


def _number(row: Sequence[str], column: int, header: Sequence[str] = ()) -> float:
    cell = row[column].strip() if column < len(row) else ""
    if cell.lower() in MISSING:
        return math.nan
    try:
        return float(cell)
    except ValueError as error:
        name = header[column] if header else column
        raise Refusal(f"{row[0]}, {name}: {cell!r} is no number") from error
