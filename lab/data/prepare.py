"""Bring challenges' training data into nnU-Net's raw layout, labels mapped by name and checked.

`python -m lab prepare --source LAYOUT=DIR ... --dataset Dataset901_PANTHER --out nnUNet_raw`.
Several sources make one dataset. Images are copied as they are (or written anew where the file
format differs, or `--orientation` asks for it), labels take the image's geometry, and an
interrupted run goes on where it stopped. Cases that cannot be trained on are named and counted.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import joblib

from challenge.headers import is_nifti
from challenge.orientation import check_axis_code
from challenge.scheme import SCHEMES, Scheme
from lab.arguments import add_foreign, add_jobs, add_out, add_scheme
from lab.data.label_aliases import PREPARED
from lab.data.prepare_summary import (
    axes_line,
    empty_lines,
    missing_label_lines,
    swapped,
    table_lines,
)
from lab.data.prepared_case import Prepared, Target, prepare_case
from lab.data.raw_dataset import (
    NAME,
    RESAMPLED,
    SKIPPED,
    FailedCase,
    channel_lines,
    describe,
    finish,
    start,
    training_values,
)
from lab.data.raw_folders import Failure, LayoutError
from lab.data.source_cases import (
    Entry,
    foreign_lines,
    foreign_of,
    list_entries,
    none_usable,
    read_source,
)
from lab.data.sources import Layout, all_layouts
from lab.parallel import workers
from lab.progress import progress

MOST_LINES = 20  # of one kind on stderr; skipped_cases.json has them all


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    listed = f"may be given several times; layouts: {', '.join(all_layouts())}"
    add("--source", action="append", required=True, metavar="LAYOUT=DIR", help=listed)
    add("--dataset", required=True, metavar="DatasetNNN_NAME")
    add_out(parser, "nnUNet_raw")
    add_scheme(parser, "whose labels are written (default: the first layout's)")
    add("--regions", action="store_true", help="train on nested regions instead of labels")
    axes = (
        "write axes in this order, e.g. RAS: to the right, anterior, superior; "
        "default: as each image has them"
    )
    add("--orientation", metavar="CODE", help=axes)
    skip = "go on without cases that cannot be prepared, and list them"
    add_foreign(parser, "take cases whose names speak of another challenge than their source's")
    add("--skip-bad", action="store_true", help=skip)
    add("--accept-skipped", action="store_true", help="exit 0 although cases are left out")
    add_jobs(parser)


def run(args: argparse.Namespace) -> int:
    """Prepare, count, check; exit code 1 where cases are left out or labels look swapped.

    Raises:
        LayoutError: nothing can be prepared, or a case cannot and `--skip-bad` was not given.
    """
    sources = [read_source(text) for text in args.source]
    scheme = SCHEMES[args.scheme] if args.scheme else sources[0].layout.scheme
    entries, failed = list_entries(sources, args.foreign)
    _refuse(failed, len(entries), args.skip_bad)
    check_dataset_name(args.dataset)
    used = [source.layout for source in sources]
    target = make_target(args.out / args.dataset, used, entries, scheme, args.orientation)
    description = describe(scheme, target, used, args.regions)
    description |= {PREPARED: sorted(args.source), **foreign_of(entries)}
    start(target, description, [entry.id for entry in entries])
    done, new = _prepare_all(entries, target, args.jobs)
    failed += new
    _refuse(failed, len(done), args.skip_bad)
    finish(target, description, [case for _, case in done], failed)
    doubts = list(swapped(done, scheme))
    _report_labels(done, target, scheme)
    for line in (*channel_lines(used, scheme), *foreign_lines(entries)):
        print(line, file=sys.stderr)
    _report_failed(failed, len(done), target)
    for doubt in doubts:
        print(doubt, file=sys.stderr)
    return 1 if doubts or (failed and not args.accept_skipped) else 0


def check_dataset_name(name: str) -> None:
    """Refuse a name that nnU-Net does not take for a dataset's.

    Raises:
        LayoutError: it is none.
    """
    if not NAME.match(name):
        raise LayoutError(f"--dataset {name}: nnU-Net's names are DatasetNNN_NAME")


def make_target(
    folder: Path,
    layouts: Sequence[Layout],
    entries: Sequence[Entry],
    scheme: Scheme,
    orientation: str | None,
) -> Target:
    """Return the dataset that the entries are written into.

    Raises:
        LayoutError: a layout's sequences or labels are not the scheme's.
        OrientationError: no axis code.
    """
    for layout in layouts:
        number, wanted = len(layout.scheme.sequences), scheme.sequences
        if number != len(wanted):
            sequences = f"{number} sequences a case, {scheme.name} has {', '.join(wanted)}"
            raise LayoutError(f"{layout.title}: {sequences}")
    values = training_values(layouts, scheme)
    ending = ".nii.gz" if not entries or is_nifti(entries[0].case.images[0]) else ".mha"
    code = None if orientation is None else check_axis_code(orientation)
    return Target(folder, ending, values, code)


def _prepare_all(
    entries: Sequence[Entry], target: Target, jobs: int
) -> tuple[list[tuple[Layout, Prepared]], list[FailedCase]]:
    """Prepare every case; return those that are there, and the failures of the others."""
    with workers(jobs, None):
        running = joblib.Parallel(n_jobs=None, return_as="generator")(
            joblib.delayed(prepare_case)(entry.case, entry.source.layout, entry.id, target)
            for entry in entries
        )
        results = list(progress(running, len(entries), description="preparing"))
    done: list[tuple[Layout, Prepared]] = []
    failed: list[FailedCase] = []
    for entry, result in zip(entries, results, strict=True):
        if isinstance(result, Failure):
            failed.append(FailedCase(entry.source.text, result))
        else:
            done.append((entry.source.layout, result))
    return done, failed


def _refuse(failed: Sequence[FailedCase], usable: int, goes_on: bool) -> None:
    """Refuse cases that cannot be prepared, unless it goes on without them."""
    bad = [each for each in failed if each.failure.stops]
    if not usable and failed:
        raise LayoutError(none_usable(failed))
    if not bad or goes_on:
        return
    others = ", ".join(each.failure.id for each in bad[1:MOST_LINES])
    more = f", as {len(bad) - 1} more cannot ({others})" if others else ""
    without = "them" if others else "this case"
    raise LayoutError(f"{bad[0].reason}{more}; --skip-bad goes on without {without}")


def _report_labels(done: Sequence[tuple[Layout, Prepared]], target: Target, scheme: Scheme) -> None:
    for line in table_lines(done, target.values):
        print(line)
    notes = [note for _, case in done for note in case.notes]
    lines = [*missing_label_lines(done, target.values, scheme), *empty_lines(done)]
    for line in (*lines, *_shortened(notes)):
        print(line, file=sys.stderr)
    if resampled := sum(case.is_resampled for _, case in done):
        line = f"resampled onto the grid of their image: {resampled} of {len(done)} masks"
        print(f"{line}, listed in dataset.json as {RESAMPLED}", file=sys.stderr)
    if differing := axes_line([case for _, case in done]):
        print(differing, file=sys.stderr)


def _report_failed(failed: Sequence[FailedCase], prepared: int, target: Target) -> None:
    total = prepared + len(failed)
    if not failed:
        print(f"{target.folder}: {prepared} cases")
        return
    for line in _shortened([each.reason for each in failed]):
        print(line, file=sys.stderr)
    counts = f"{target.folder}: {prepared} of {total} cases, {len(failed)} left out"
    print(f"{counts}, listed in {SKIPPED}", file=sys.stderr)


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield f"and {len(lines) - MOST_LINES} more of this kind"
