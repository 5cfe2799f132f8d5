"""Stress tables: malformed inputs, corrupted weights, kills, and every limit a platform sets.

Everything goes through `inference.py` in its own process. A line that starts with FAULT is
something that did not end as expected; with any, the exit code is 1.
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ensemble.manifest import find_manifests
from lab.arguments import add_jobs
from lab.progress import print_line
from lab.stress.options import StressOptions

Table = Callable[[Path, Path, StressOptions], Iterator[str]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add, default = parser.add_argument, StressOptions()
    tables = f"of {', '.join(TABLES)}; default: all"
    add("--only", nargs="+", choices=TABLES, default=list(TABLES), metavar="TABLE", help=tables)
    add("--weights", type=Path, default=Path("weights"), metavar="DIR")
    add_jobs(parser, default.jobs, "malformed inputs at a time")
    add("--most", type=int, metavar="N", help="about so many malformed inputs; default: all")
    limit = "for a malformed input; default: %(default)s"
    add("--limit", type=float, default=default.limit_s, metavar="S", help=limit)
    add("--kills", type=int, default=default.kills, metavar="N", help="default: %(default)s")
    cases = "in a row; default: %(default)s"
    add("--cases", type=int, default=default.cases, metavar="N", help=cases)


def run(args: argparse.Namespace) -> int:
    """Print every table as Markdown.

    Raises:
        ManifestError: there are no weights to run with.
    """
    find_manifests(args.weights)
    options = StressOptions(args.jobs, args.most, args.limit, args.kills, args.cases)
    faults = 0
    print(f"{platform.machine()}, {time.strftime('%Y-%m-%d')}")
    for name in args.only:
        started = time.monotonic()
        print(f"\n### {name}\n", flush=True)
        with tempfile.TemporaryDirectory() as work:
            for line in TABLES[name](Path(work), args.weights.resolve(), options):
                faults += "FAULT" in line
                print_line(line)
        print(f"\n{time.monotonic() - started:.0f} s")
    print(f"\n{faults} faults")
    return 1 if faults else 0


def _bad_inputs(work: Path, weights: Path, options: StressOptions) -> Iterator[str]:
    from lab.stress.bad_inputs import tables

    return tables(work, weights, options)


def _bad_weights(work: Path, weights: Path, options: StressOptions) -> Iterator[str]:
    from lab.stress.bad_weights import tables

    return tables(work, weights)


def _kills(work: Path, weights: Path, options: StressOptions) -> Iterator[str]:
    from lab.stress.kills import tables

    return tables(work, weights, options.kills)


def _limits(work: Path, weights: Path, options: StressOptions) -> Iterator[str]:
    from lab.stress.limits import tables

    return tables(work, weights, options.cases)


TABLES: dict[str, Table] = {
    "inputs": _bad_inputs,
    "weights": _bad_weights,
    "kills": _kills,
    "limits": _limits,
}
