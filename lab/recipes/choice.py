"""The command line of tables that say which weights ship: folders in, a table out."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar


class Named(Protocol):
    """Something that is compared, with the name of its folder."""

    @property
    def name(self) -> str:
        """Name of the folder."""
        ...


T = TypeVar("T", bound=Named)


def print_choice(
    argv: Sequence[str],
    prog: str,
    read: Callable[[Path], T],
    table: Callable[[Sequence[T], T], list[str]],
) -> int:
    """Read the folders and print the table.

    Args:
        argv: FOLDER... and --shipped NAME.
        prog: how the program is called.
        read: a folder.
        table: the lines, from what was read and what ships today.
    """
    parser = argparse.ArgumentParser(prog=prog)
    parser.add_argument("folders", type=Path, nargs="+", help="one a candidate, the oldest first")
    parser.add_argument("--shipped", required=True, help="name of what ships today")
    args = parser.parse_args(argv)
    candidates = [read(folder) for folder in args.folders]
    shipped = next((each for each in candidates if each.name == args.shipped), None)
    if shipped is None:
        parser.error(f"--shipped {args.shipped}: not among the folders")
    print("\n".join(table(candidates, shipped)))
    return 0
