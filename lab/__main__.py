"""The second door, `python -m lab VERB`: a verb is a module with `configure` and `run`.

What is refused by design ends here, for every verb: one sentence on stderr, exit code 2. So do
files and folders that the command line names and that are missing, closed or in the way.
"""

import argparse
import importlib
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from challenge.refusal import Refusal

# Rooms in the order of `--help`; a room's `VERBS` names its verbs, whose modules are imported only
# when they are called.
ROOMS = (
    "data",
    "phantom",
    "training",
    "packing",
    "member_selection",
    "rule_search",
    "evaluation",
    "report",
    "submission",
    "study",
    "stress",
    "bench",
)


class Verb(NamedTuple):
    """One row of a room's `VERBS`."""

    module: str
    purpose: str
    example: str


def verbs_of(room: str) -> Mapping[str, Verb]:
    """Return a room's verbs, their modules with the room's name."""
    table = importlib.import_module(f"lab.{room}").VERBS
    return {verb: Verb(f"lab.{room}.{row[0]}", *row[1:]) for verb, row in table.items()}


def help_text() -> str:
    """Return the verbs by room, each with what it does."""
    lines = []
    for room in ROOMS:
        lines.append(f"\n{room.replace('_', ' ')}")
        lines += [f"  {verb:<14}{purpose}" for verb, (_, purpose, _) in verbs_of(room).items()]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name may be no text
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(
        prog="python -m lab",
        usage="%(prog)s VERB ...",
        epilog=help_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    table = {verb: row for room in ROOMS for verb, row in verbs_of(room).items()}
    for verb, row in table.items():
        verb_parser = verbs.add_parser(
            verb,
            prog=f"python -m lab {verb}",
            description=row.purpose,
            epilog=f"example: python -m lab {row.example}",
        )
        if argv[:1] == [verb]:
            importlib.import_module(row.module).configure(verb_parser)
    args = parser.parse_args(argv)
    try:
        return int(importlib.import_module(table[args.verb].module).run(args))
    except Refusal as refusal:
        print(" ".join(str(refusal).split()), file=sys.stderr)
    except OSError as error:
        if not _is_named(error.filename, args):  # a fault of the program keeps its traceback
            raise
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
    return 2


def _is_named(filename: object, args: argparse.Namespace) -> bool:
    """Return whether a file is one that the command line names, or lies above or below one."""
    if not isinstance(filename, str | Path):
        return False
    path = Path(filename).resolve()
    given = [each.resolve() for each in _paths(vars(args).values())]
    return any(path.is_relative_to(each) or each.is_relative_to(path) for each in given)


def _paths(values: object) -> Iterator[Path]:
    """Yield the paths among a command line's values, lists of them included."""
    for value in values if isinstance(values, Iterable) else ():
        if isinstance(value, Path):
            yield value
        elif isinstance(value, list | tuple):
            yield from _paths(value)


if __name__ == "__main__":
    sys.exit(main())
