"""The cases of every `--source` of `prepare`, and those that are named as of another challenge."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from challenge.folders import describe_contents, few
from lab.data.raw_dataset import FailedCase
from lab.data.raw_folders import Failure, LayoutError, RawCase
from lab.data.sources import Layout, all_layouts

FOREIGN = "foreign_cases"  # key of dataset.json: ids that are named as of another challenge


@dataclass(frozen=True)
class Source:
    """One `--source`."""

    text: str
    layout: Layout
    folder: Path

    @property
    def prefix(self) -> str:
        """Return what distinguishes its cases from another source's."""
        return f"{self.layout.name}_"


@dataclass(frozen=True)
class Entry:
    """A case of a source, and its id in the dataset."""

    source: Source
    case: RawCase
    id: str
    named: Layout | None = None  # the other layout that its name speaks of


def read_source(text: str) -> Source:
    """Read LAYOUT=DIR.

    Raises:
        LayoutError: no such layout or folder.
    """
    name, equals, folder = text.partition("=")
    known = all_layouts()
    if not equals or name not in known:
        raise LayoutError(f"--source {text}: LAYOUT=DIR with one of {', '.join(known)}")
    if not Path(folder).is_dir():
        raise LayoutError(f"{folder}: no such folder")
    return Source(text, known[name], Path(folder))


def list_entries(
    sources: Sequence[Source], foreign: bool = False
) -> tuple[list[Entry], list[FailedCase]]:
    """Return the cases of all sources, and what in their folders cannot be one.

    A case that is named as of another challenge is none, unless `foreign` takes it: the same value
    stands for another label there.

    Raises:
        LayoutError: there is no case.
    """
    entries, failed = [], []
    for source in sources:
        raw = source.layout.find(source.folder)
        failed += [FailedCase(source.text, failure) for failure in raw.failed]
        prefix = source.prefix if len(sources) > 1 else ""
        for case in raw.cases:
            entry = Entry(source, case, prefix + case.id, other_layout(case, source))
            if entry.named and not foreign:
                failed.append(FailedCase(source.text, Failure(entry.id, _named_otherwise(entry))))
            else:
                entries.append(entry)
    twice = {id for id, times in Counter(entry.id for entry in entries).items() if times > 1}
    for entry in entries:
        if entry.id in twice:
            reason = f"{entry.case.labels}: {entry.id} is the id of several cases"
            failed.append(FailedCase(entry.source.text, Failure(entry.id, reason)))
    if not entries:
        if failed:
            raise LayoutError(none_usable(failed))
        raise LayoutError("; ".join(map(_no_case, sources)))
    return [entry for entry in entries if entry.id not in twice], failed


def none_usable(failed: Sequence[FailedCase]) -> str:
    """Say why no case can be prepared: what is broken first, then what is only not labelled."""
    first = next((each for each in failed if each.failure.stops), failed[0])
    return f"{first.reason}; no case of {len(failed)} can be prepared"


def other_layout(case: RawCase, source: Source) -> Layout | None:
    """Return the layout that a case's name speaks of, where its source's cases have other names.

    The id counts, else the case's own folder, else the source's folder. A name that many layouts
    share, or none, says nothing.
    """
    layout = source.layout
    for name in (case.id, case.labels.parent.name):
        if layout.case_names is None or re.fullmatch(layout.case_names, name):
            return None
        named = [each for each in all_layouts().values() if _speaks_of(name, each)]
        if named:
            return named[0]
    return _layout_of_folder(source)


def foreign_of(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the entry of dataset.json for cases that are named as of another challenge."""
    ids = sorted(entry.id for entry in entries if entry.named)
    return {FOREIGN: ids} if ids else {}


def foreign_lines(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield a sentence for each source whose cases are named as of another challenge."""
    for source in {entry.source.text: entry.source for entry in entries}.values():
        ids = [e.id for e in entries if e.named and e.source.text == source.text]
        if ids:
            yield (
                f"{source.text}: {len(ids)} cases are named as of another challenge, and are read "
                f"as {source.layout.name} ({few(ids)}): --foreign"
            )


def _speaks_of(name: str, layout: Layout) -> bool:
    return layout.case_names is not None and bool(re.fullmatch(layout.case_names, name))


def _layout_of_folder(source: Source) -> Layout | None:
    """Return the layout that a download's folder names, as ...BraTS2023-GLI-Challenge... does."""
    words = re.split(r"[^A-Z]+", source.folder.resolve().name.upper().replace("PEDS", "PED"))
    spoken = [
        (len(prefix), layout)
        for layout in all_layouts().values()
        if (prefix := layout.scheme.case_prefix.upper().split("-"))[1:] and {*prefix} <= {*words}
    ]
    longest = [layout for n, layout in spoken if n == max(n for n, _ in spoken)]  # MEN-RT, not MEN
    if len(longest) != 1 or longest[0].scheme.case_prefix in _prefixes(source.layout):
        return None
    return longest[0]


def _prefixes(layout: Layout) -> tuple[str, ...]:
    return (layout.scheme.case_prefix, *layout.scheme.shared_prefixes)


def _named_otherwise(entry: Entry) -> str:
    named, source = entry.named, entry.source
    assert named is not None
    return (
        f"{entry.case.labels.parent}: {entry.case.id} is named as of {named.name} "
        f"({named.describe_values()}), not of {source.layout.name} "
        f"({source.layout.describe_values()}); --source {named.name}={source.folder} prepares it, "
        f"--foreign takes it for {source.layout.name}"
    )


def _no_case(source: Source) -> str:
    row = source.layout.row
    if row.finder == "paired":
        wanted = f"{' or '.join(row.labels_folders)}/<case> with {row.images_folder}/<case>_0000"
    elif row.finder == "bids":
        wanted = f"sub-<ID>[_ses-<ID>]{row.image_ending} and {row.mask_ending}, at any depth"
    else:
        sequences = ", ".join(f"<ID>-{name}" for name in source.layout.scheme.sequences)
        wanted = f"{sequences} and <ID>-seg, .nii.gz or .nii, at any depth"
    return (
        f"{source.text}: no case (looked for {wanted}); it holds {describe_contents(source.folder)}"
    )
