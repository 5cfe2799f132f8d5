"""`python -m lab VERB`: finds the verb in its room, reads its options, and runs it.

A verb is a module with `configure`, which declares its options, and `run`, which returns its exit
code: 0 where all was done, 1 where some cases or checks failed and the others were done, 2 where
nothing was run. Each room lists its verbs in `VERBS`. A refusal (`challenge.refusal`) of any verb
is printed as one line on stderr, with exit code 2; so is a file or folder of the command line that
is missing, cannot be opened, or exists where another kind is needed. Ctrl-C is one line that says
how to go on, with exit code 130.
"""

import argparse
import importlib
import io
import os
import signal
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from challenge.refusal import Refusal

# In the order of `--help`. A verb's module is imported only when the verb is called.
ROOMS = (
    "data",
    "phantom",
    "training",
    "packing",
    "member_selection",
    "rule_search",
    "learned_gates",
    "evaluation",
    "report",
    "submission",
    "pipeline",
    "provenance",
    "study",
    "stress",
    "bench",
)


INTERRUPTED = 128 + signal.SIGINT
EXIT_CODES = (
    "exit codes: 0 all is done; 1 some cases or checks failed, all others are done;",
    "2 nothing was run; 130 Ctrl-C",
)


class Verb(NamedTuple):
    """One row of a room's `VERBS`."""

    module: str
    purpose: str
    example: str
    resumes: bool = False  # whether the same command goes on where it was interrupted


def verbs_of(room: str) -> Mapping[str, Verb]:
    """Return a room's verbs by name."""
    table = importlib.import_module(f"lab.{room}").VERBS
    return {verb: Verb(f"lab.{room}.{row[0]}", *row[1:]) for verb, row in table.items()}


def help_text() -> str:
    """Return all verbs by room, each with what it does."""
    lines = ["Train, pack, evaluate and test; `VERB --help` lists the options of a verb."]
    for room in ROOMS:
        lines.append(f"\n{room.replace('_', ' ')}")
        lines += [f"  {verb:<14}{row.purpose}" for verb, row in verbs_of(room).items()]
    lines += ["", *EXIT_CODES]
    return "\n".join(lines)


def make_parser(table: Mapping[str, Verb], argv: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of all verbs; only the verb that `argv` calls has its options."""
    parser = argparse.ArgumentParser(
        prog="python -m lab",
        usage="%(prog)s VERB [OPTION ...]",
        description=help_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="VERB", help=argparse.SUPPRESS
    )
    for verb, row in table.items():
        verb_parser = verbs.add_parser(
            verb,
            prog=f"python -m lab {verb}",
            description=row.purpose,
            epilog=f"example:\n  python -m lab {row.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if argv[:1] == [verb]:
            importlib.import_module(row.module).configure(verb_parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name may be no text
            # Lines in the order of their printing, also in a file that takes both streams.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    # joblib and its process that tidies up warn where a verb ends before its workers do; the verb's
    # last line says so.
    warnings.filterwarnings("ignore", r".*tasks.*(cancelled|not used)", module=r"joblib\.parallel")
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    verb = argv[0] if argv else ""
    table = {verb: row for room in ROOMS for verb, row in verbs_of(room).items()}
    try:
        args = make_parser(table, argv).parse_args(argv)
        return _run(importlib.import_module(table[args.verb].module), args)
    except KeyboardInterrupt:
        resumes = verb in table and table[verb].resumes
        how = "goes on where it stopped" if resumes else "starts again from the beginning"
        print(f"\n{verb}: interrupted; the same command {how}", file=sys.stderr)
        return INTERRUPTED


def _run(module: ModuleType, args: argparse.Namespace) -> int:
    """Run a verb; print what it refuses, as one line."""
    try:
        return int(module.run(args))
    except Refusal as refusal:
        print(" ".join(str(refusal).split()), file=sys.stderr)
    except OSError as error:
        if not _is_named(error.filename, args):  # an error of the program keeps its traceback
            raise
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
    return 2


def _is_named(filename: object, args: argparse.Namespace) -> bool:
    """Return whether a file is one that the command line names, or lies above or below one."""
    if not isinstance(filename, str | Path):
        return False
    path = Path(filename).resolve()
    named = [each.resolve() for each in _paths(vars(args).values())]
    return any(path.is_relative_to(each) or each.is_relative_to(path) for each in named)


def _paths(values: object) -> Iterator[Path]:
    """Yield the paths among a command line's values, lists of them included."""
    for value in values if isinstance(values, Iterable) else ():
        if isinstance(value, Path):
            yield value
        elif isinstance(value, list | tuple):
            yield from _paths(value)


class Output(io.FileIO):
    """Standard output whose reader may go away, as `head` does: the verb goes on all the same."""

    def write(self, data: Any) -> int:
        """Write what the reader still takes."""
        try:
            return int(super().write(data) or 0)
        except BrokenPipeError:
            return len(memoryview(data).cast("B"))


if __name__ == "__main__":
    if sys.stdout is not None:  # it may be closed
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(Output(1, "w", closefd=False)),
            encoding=sys.stdout.encoding,
            line_buffering=os.isatty(1),
        )
    code = main()
    if code == INTERRUPTED:  # once is enough: what still runs is being ended
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)
