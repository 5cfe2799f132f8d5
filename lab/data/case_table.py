"""The numbers of a case's JSON inputs, from the table that training data have instead."""

import csv
from collections.abc import Mapping
from pathlib import Path

from challenge.file_names import image_stem
from challenge.headers import CaseError
from lab.data.raw_folders import RawCase
from lab.data.sources import Layout

UNKNOWN = ("", "na", "nan", "n/a", "none", "null")
Numbers = Mapping[str, float | None]  # entry of a JSON input -> number


def read_numbers(case: RawCase, layout: Layout) -> tuple[dict[str, Numbers], tuple[str, ...]]:
    """Return the numbers of each JSON input of a case, by socket, and what lacks, in words.

    Raises:
        CaseError: the table has several rows, or is none.
    """
    numbers = {each.slug: each.numbers for each in layout.scheme.inputs if each.numbers}
    if not layout.row.table_ending or not numbers:
        return {}, ()
    image = case.images[0]
    prefix = (image_stem(image.name) or "").removesuffix(layout.row.image_ending)
    path = image.with_name(f"{prefix}{layout.row.table_ending}.csv")
    if not path.is_file():
        return {}, (f"{path}: missing, so the case has no {', '.join(numbers)}",)
    row = _row(path)
    values = {
        slug: {name: _number(row.get(name), path, name) for name in names}
        for slug, names in numbers.items()
    }
    unknown = [name for entries in values.values() for name, v in entries.items() if v is None]
    notes = () if row else (f"{path}: no row, so {', '.join(unknown)} are null",)
    return dict(values), notes


def _row(path: Path) -> Mapping[str, str | None]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CaseError(f"{path}: not a table ({error})") from error
    if len(rows) > 1:
        raise CaseError(f"{path}: {len(rows)} rows for one case")
    return rows[0] if rows else {}


def _number(text: str | None, path: Path, name: str) -> float | None:
    if text is None or text.strip().lower() in UNKNOWN:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise CaseError(f"{path}: {name} is {text!r}, which is no number") from error
