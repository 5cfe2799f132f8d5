"""How rows of `bench gpu` are printed: as they come, in 120 columns."""

import textwrap
from collections.abc import Iterator, Sequence

from lab.bench.gpu_part import Column, Part, Row

WIDTH = 120
INDENT = "    "


def heading(part: Part, number: int) -> Iterator[str]:
    """Yield the lines above a part's rows."""
    yield ""
    yield from textwrap.wrap(f"{number}. {part.title}", WIDTH, subsequent_indent="   ")
    if part.columns[1:]:
        first, *others = part.columns
        yield f"{first.head:<{first.width}}" + "".join(f"{c.head:>{c.width}}" for c in others)


def lines(row: Row, columns: Sequence[Column]) -> Iterator[str]:
    """Yield a row's line, and a line for each remark beside its values."""
    what = str(row["what"])
    if "error" in row:
        yield from _wrapped(f"{what}: {row['error']}", "")
    elif all(row.get(column.key) is None for column in columns[1:]):
        yield from _wrapped(f"{what}: {row.get('note', 'nothing was measured')}", "")
    else:
        yield "".join(_cell(row, column, i) for i, column in enumerate(columns)).rstrip()
        if "note" in row:
            yield from _wrapped(row["note"], INDENT)
    for note in row.get("notes", ()):
        yield from _wrapped(note, INDENT)


def _cell(row: Row, column: Column, position: int) -> str:
    value = row.get(column.key)
    text = "-" if value is None else str(value)
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, int | float) and column.form:
        text = format(value if column.form == "d" else value * column.scale, column.form)
    text = text[: column.width - 1]
    return f"{text:<{column.width}}" if position == 0 else f"{text:>{column.width}}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + INDENT)
