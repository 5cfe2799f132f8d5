"""Faults in figures: malformed inputs, spoilt weights, kills, and every limit a platform sets.

Everything goes through `inference.py` in a process of its own. A line that starts with FAULT is
something that did not end as declared; with any, the exit code is 1.
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ensemble.manifest import find_manifests
from lab.arguments import add_jobs

Table = Callable[[Path, Path, argparse.Namespace], Iterator[str]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--only", nargs="+", choices=tuple(TABLES), default=list(TABLES), metavar="TABLE",
        help=f"of {', '.join(TABLES)}; default: all")  # fmt: skip
    add("--weights", type=Path, default=Path("weights"), metavar="DIR")
    add_jobs(parser, 2, "malformed inputs at a time")
    add("--most", type=int, metavar="N", help="about so many malformed inputs; default: all")
    add("--limit", type=float, default=30.0, metavar="S", help="for a malformed input; default 30")
    add("--kills", type=int, default=50, metavar="N", help="default: 50")
    add("--cases", type=int, default=200, metavar="N", help="in a row; default: 200")


def run(args: argparse.Namespace) -> int:
    """Print every table as Markdown.

    Raises:
        ManifestError: there are no weights to run with.
    """
    find_manifests(args.weights)
    faults = 0
    print(f"{platform.machine()}, {time.strftime('%Y-%m-%d')}")
    for name in args.only:
        began = time.monotonic()
        print(f"\n### {name}\n", flush=True)
        with tempfile.TemporaryDirectory() as work:
            for line in TABLES[name](Path(work), args.weights.resolve(), args):
                faults += "FAULT" in line
                print(line, flush=True)
        print(f"\n{time.monotonic() - began:.0f} s")
    print(f"\n{faults} faults")
    return 1 if faults else 0


def _bad_inputs(work: Path, weights: Path, args: argparse.Namespace) -> Iterator[str]:
    from lab.stress.bad_inputs import tables

    return tables(work, weights, args)


def _bad_weights(work: Path, weights: Path, args: argparse.Namespace) -> Iterator[str]:
    from lab.stress.bad_weights import tables

    return tables(work, weights)


def _kills(work: Path, weights: Path, args: argparse.Namespace) -> Iterator[str]:
    from lab.stress.kills import tables

    return tables(work, weights, args.kills)


def _limits(work: Path, weights: Path, args: argparse.Namespace) -> Iterator[str]:
    from lab.stress.limits import tables

    return tables(work, weights, args.cases)


TABLES: dict[str, Table] = {
    "inputs": _bad_inputs,
    "weights": _bad_weights,
    "kills": _kills,
    "limits": _limits,
}
