"""How far a verb is: a bar with what it is doing, a count and the time left, on stderr.

A bar is for people: none is drawn where stderr is no terminal, or for work of less than a second.
"""

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
SILENT_S = 1.0  # work that is over sooner draws no bar


def progress(
    items: Iterable[T], total: int | None = None, unit: str = "case", description: str = ""
) -> Iterator[T]:
    """Yield the items, and count them in a bar.

    Args:
        items: a list, or what joblib's `return_as="generator"` returns.
        total: how many there are, where `items` has no length.
        unit: what one of them is, in the singular.
        description: what is done to them.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress_bar(total, unit, description) as bar:
        for item in items:
            yield item
            bar.update()


def progress_bar(
    total: int | None, unit: str = "case", description: str = "", done: int = 0
) -> "tqdm[None]":
    """Return a bar that is moved by `update(n)`; use it in a `with` statement.

    `done` were finished by an earlier run: they count as done and not towards the time left.
    """
    return tqdm(
        total=total,
        initial=done,
        unit=unit,
        desc=description or None,
        disable=None,
        delay=SILENT_S,
        dynamic_ncols=True,
        smoothing=0.1,
    )


def duration(seconds: float) -> str:
    """Return seconds in the unit that a person would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def print_line(line: str) -> None:
    """Print a line on stdout, above the bar where there is one."""
    tqdm.write(line)
    sys.stdout.flush()  # a pipe or file has it at once, whatever ends the program
