"""Bring challenges' training data into nnU-Net's raw layout, labels mapped by name and checked.

`python -m lab prepare --source LAYOUT=DIR ... --dataset Dataset901_PANTHER --out nnUNet_raw`.
Several sources make one dataset. Images are copied as they are (or written anew where the file
format differs, or `--orientation` asks for it), labels take the image's geometry, and an
interrupted run goes on where it stopped. Cases that cannot be trained on are named and counted.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from challenge.headers import is_nifti
from challenge.orientation import check_axis_code
from challenge.scheme import SCHEMES, Scheme
from lab.arguments import add_jobs, add_out, add_scheme
from lab.data.fingerprint import INTENSITY, compare_fingerprints, fingerprint_of
from lab.data.prepare_summary import absent_lines, axes_line, swapped, table_lines
from lab.data.prepared_case import Prepared, Target, prepare_case
from lab.data.raw_dataset import NAME, SKIPPED, describe, finish, start, training_values
from lab.data.raw_folders import Fault, LayoutError, RawCase
from lab.data.sources import LAYOUTS, Layout
from lab.parallel import workers

MOST_LINES = 20  # of one kind on stderr; skipped_cases.json has them all


@dataclass(frozen=True)
class Source:
    """One `--source`."""

    text: str
    layout: Layout
    folder: Path

    @property
    def prefix(self) -> str:
        """Return what tells its cases from another source's."""
        return f"{self.text.partition('=')[0]}_"


@dataclass(frozen=True)
class Entry:
    """A case of a source, and its id in the dataset."""

    source: Source
    case: RawCase
    id: str


Faults = list[tuple[str, Fault]]  # (source, fault)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--source", action="append", required=True, metavar="LAYOUT=DIR",
        help=f"may be given several times; layouts: {', '.join(LAYOUTS)}")  # fmt: skip
    add("--dataset", required=True, metavar="DatasetNNN_NAME")
    add_out(parser, "nnUNet_raw")
    add_scheme(parser, "whose labels are written (default: the first layout's)")
    add("--regions", action="store_true", help="train on nested regions instead of labels")
    add("--orientation", metavar="CODE",
        help="write axes in this order, e.g. RAS: to the right, anterior, superior; "
        "default: as each image has them")  # fmt: skip
    add("--skip-bad", action="store_true",
        help="go on without cases that cannot be prepared, and list them")  # fmt: skip
    add("--accept-skipped", action="store_true", help="exit 0 although cases are left out")
    add("--published", type=Path, metavar="FILE", help="a dataset_fingerprint.json to compare with")
    add_jobs(parser)


def run(args: argparse.Namespace) -> int:
    """Prepare, count, check; exit code 1 where cases are left out or labels look swapped.

    Raises:
        LayoutError: nothing can be prepared, or a case cannot and `--skip-bad` was not given.
    """
    theirs = _published(args.published) if args.published else None
    sources = [_source(text) for text in args.source]
    scheme = SCHEMES[args.scheme or sources[0].layout.scheme]
    entries, faults = listed(sources)
    _refuse(faults, len(entries), args.skip_bad)
    target = _target(args, sources, entries, scheme)
    description = describe(scheme, target, args.source, args.regions)
    start(target, description, [entry.id for entry in entries])
    done, new = _prepared(entries, target, args.jobs)
    faults += new
    _refuse(faults, len(done), args.skip_bad)
    finish(target, description, [case for _, case in done], faults)
    doubts = list(swapped(done, scheme))
    _say_all(done, target, scheme)
    _say_faults(faults, len(done), target)
    if theirs:
        _compare(theirs, [case for _, case in done], args.published)
    for doubt in doubts:
        print(doubt, file=sys.stderr)
    return 1 if doubts or (faults and not args.accept_skipped) else 0


def listed(sources: Sequence[Source]) -> tuple[list[Entry], Faults]:
    """Return the cases of all sources, and what in their folders cannot be one.

    Raises:
        LayoutError: there is no case, or a source has cases of several challenges.
    """
    entries, faults = [], []
    for source in sources:
        listing = source.layout.find(source.folder)
        faults += [(source.text, fault) for fault in listing.faults]
        prefix = source.prefix if len(sources) > 1 else ""
        entries += [Entry(source, case, prefix + case.id) for case in listing.cases]
    twice = {id for id, times in Counter(entry.id for entry in entries).items() if times > 1}
    for entry in entries:
        if entry.id in twice:
            reason = f"{entry.case.labels}: {entry.id} is the id of several cases"
            faults.append((entry.source.text, Fault(entry.id, reason)))
    if not entries:
        text = ", ".join(source.text for source in sources)
        first = f"; {faults[0][1].reason}" if faults else ""
        raise LayoutError(f"{text}: no case{first}")
    return [entry for entry in entries if entry.id not in twice], faults


def _prepared(
    entries: Sequence[Entry], target: Target, jobs: int
) -> tuple[list[tuple[Layout, Prepared]], Faults]:
    """Bring every case to its place; return those that are there, and the faults of the others."""
    with workers(jobs, None):
        running = joblib.Parallel(n_jobs=None)
        results = running(
            joblib.delayed(prepare_case)(entry.case, entry.source.layout, entry.id, target)
            for entry in entries
        )
    done: list[tuple[Layout, Prepared]] = []
    faults: Faults = []
    for entry, result in zip(entries, results, strict=True):
        if isinstance(result, Fault):
            faults.append((entry.source.text, result))
        else:
            done.append((entry.source.layout, result))
    return done, faults


def _target(
    args: argparse.Namespace, sources: Sequence[Source], entries: Sequence[Entry], scheme: Scheme
) -> Target:
    if not NAME.match(args.dataset):
        raise LayoutError(f"--dataset {args.dataset}: nnU-Net's names are DatasetNNN_NAME")
    layouts = [source.layout for source in sources]
    for layout in layouts:
        number, wanted = len(SCHEMES[layout.scheme].sequences), scheme.sequences
        if number != len(wanted):
            sequences = f"{number} sequences a case, {scheme.name} has {', '.join(wanted)}"
            raise LayoutError(f"{layout.told}: {sequences}")
    values = training_values(layouts, scheme)
    ending = ".nii.gz" if not entries or is_nifti(entries[0].case.images[0]) else ".mha"
    orientation = None if args.orientation is None else check_axis_code(args.orientation)
    return Target(args.out / args.dataset, ending, values, orientation)


def _refuse(faults: Faults, usable: int, goes_on: bool) -> None:
    """Refuse cases that cannot be prepared, unless it goes on without them."""
    bad = [fault for _, fault in faults if fault.stops]
    if not usable and faults:
        raise LayoutError(f"{faults[0][1].reason}; no case of {len(faults)} can be prepared")
    if not bad or goes_on:
        return
    others = ", ".join(fault.id for fault in bad[1:MOST_LINES])
    more = f", as {len(bad) - 1} more cannot ({others})" if others else ""
    without = "them" if others else "this case"
    raise LayoutError(f"{bad[0].reason}{more}; --skip-bad goes on without {without}")


def _say_all(done: Sequence[tuple[Layout, Prepared]], target: Target, scheme: Scheme) -> None:
    for line in table_lines(done, target.values):
        print(line)
    notes = [note for _, case in done for note in case.notes]
    for line in _shortened([*absent_lines(done, target.values, scheme), *notes]):
        print(line, file=sys.stderr)
    if differing := axes_line([case for _, case in done]):
        print(differing, file=sys.stderr)


def _say_faults(faults: Faults, prepared: int, target: Target) -> None:
    total = prepared + len(faults)
    if not faults:
        print(f"{target.folder}: {prepared} cases")
        return
    for line in _shortened([fault.reason for _, fault in faults]):
        print(line, file=sys.stderr)
    counts = f"{target.folder}: {prepared} of {total} cases, {len(faults)} left out"
    print(f"{counts}, listed in {SKIPPED}", file=sys.stderr)


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield f"and {len(lines) - MOST_LINES} more of this kind"


def _published(path: Path) -> dict[str, Any]:
    """Read a dataset_fingerprint.json.

    Raises:
        LayoutError: it is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        properties = content["foreground_intensity_properties_per_channel"]["0"]
        needed = [properties[key] for key in INTENSITY]
        needed += [content["spacings"], content["shapes_after_crop"]]
        needed += [float(content["median_relative_size_after_cropping"])]
    except OSError as error:
        raise LayoutError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LayoutError(f"{path}: not a dataset_fingerprint.json ({error!r})") from error
    return dict(content)


def _compare(theirs: dict[str, Any], done: Sequence[Prepared], path: Path) -> None:
    foreground = np.concatenate([case.foreground for case in done])
    if not foreground.size:
        raise LayoutError(f"{path}: nothing to compare, since no voxel is labelled")
    ours = fingerprint_of([p.shape for p in done], [p.spacing_mm for p in done], foreground)
    for line in compare_fingerprints(ours, theirs):
        print(line)


def _source(text: str) -> Source:
    name, equals, folder = text.partition("=")
    if not equals or name not in LAYOUTS:
        raise LayoutError(f"--source {text}: LAYOUT=DIR with one of {', '.join(LAYOUTS)}")
    if not Path(folder).is_dir():
        raise LayoutError(f"{folder}: no such folder")
    return Source(text, LAYOUTS[name], Path(folder))
