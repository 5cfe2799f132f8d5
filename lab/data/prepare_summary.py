"""What a prepared cohort holds, in words: labels and their shares, what lacks, which axes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from challenge.folders import few
from challenge.scheme import Scheme
from lab.data.prepared_case import Prepared
from lab.data.sources import Layout

Done = Sequence[tuple[Layout, Prepared]]


def table_lines(done: Done, values: Mapping[str, int]) -> Iterator[str]:
    """Yield which value of which source became which label, in how many cases and voxels."""
    yield f"{'source':<16}{'value':>6}  {'label':<10}{'value':>6}{'cases':>8}{'share':>9}"
    for layout, cases in by_layout(done):
        total = sum(n for case in cases for value, n in case.voxels.items() if value)
        for value, name in sorted(layout.labels.items()):
            voxels = sum(case.voxels.get(value, 0) for case in cases)
            number = sum(value in case.voxels for case in cases)
            yield (
                f"{layout.name:<16}{value:>6}  {name or '-':<10}"
                f"{values[name] if name else 0:>6}{number:>8}{voxels / max(total, 1):>9.1%}"
            )


def missing_label_lines(done: Done, values: Mapping[str, int], scheme: Scheme) -> Iterator[str]:
    """Yield a sentence for each label of the scheme that no source, one source or no case has."""
    for name in scheme.labels:
        if name not in values:
            yield f"{name}: no source has it, so dataset.json does not name it"
            continue
        within = 0
        for layout, cases in by_layout(done):
            in_files = [value for value, label in layout.labels.items() if label == name]
            within += sum(bool({*in_files} & {*case.voxels}) for case in cases)
            if not in_files:
                yield (
                    f"{name}: {layout.name} has no such label; what {len(cases)} cases "
                    "show of it is background, or another label, to the network"
                )
        if not within:
            yield f"{name}: in none of {len(done)} cases"


def empty_lines(done: Done) -> Iterator[str]:
    """Yield a sentence for each source that has cases without any label."""
    for layout, cases in by_layout(done):
        labelled = [value for value, name in layout.labels.items() if name]
        ids = [case.id for case in cases if not {*labelled} & {*case.voxels}]
        if ids:
            yield f"{layout.name}: {len(ids)} of {len(cases)} cases have no label ({few(ids)})"


def axes_line(done: Sequence[Prepared]) -> str | None:
    """Return a sentence where cases differ in the order of their axes, which nnU-Net keeps."""
    axes = Counter(case.axes for case in done).most_common()
    if len(axes) < 2:
        return None
    listed = ", ".join(f"{code} in {number}" for code, number in axes)
    return f"axes differ between cases ({listed}); --orientation writes them all in one order"


def swapped(done: Done, scheme: Scheme) -> Iterator[str]:
    """Yield a sentence for each label whose share is not what cohorts of this challenge have.

    Where a source never holds a label of the whole, its shares say nothing and are not checked.
    """
    for label, (low, high) in scheme.median_share.items():
        for layout, cases in by_layout(done):
            present = {layout.labels.get(value) for case in cases for value in case.voxels}
            share = float(np.median([_share(case, layout, label, scheme) for case in cases]))
            if set(scheme.regions[scheme.whole]) <= present and not low <= share <= high:
                yield (
                    f"{layout.title}: {label} is {share:.0%} of the {scheme.whole} in the median "
                    f"case, {low:.0%} to {high:.0%} is usual; are values swapped?"
                )


def by_layout(done: Done) -> list[tuple[Layout, list[Prepared]]]:
    """Return the cases of each layout, in the order in which layouts first appear."""
    layouts = {layout.name: layout for layout, _ in done}
    return [
        (layout, [case for of, case in done if of.name == name]) for name, layout in layouts.items()
    ]


def _share(case: Prepared, layout: Layout, label: str, scheme: Scheme) -> float:
    of = dict.fromkeys(scheme.regions[scheme.whole], 0)
    for value, name in layout.labels.items():
        if name in of:
            of[name] += case.voxels.get(value, 0)
    return of[label] / max(sum(of.values()), 1)
