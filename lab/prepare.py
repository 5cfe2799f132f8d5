"""Bring challenges' training data into nnU-Net's raw layout, labels mapped by name and checked.

`python -m lab prepare --source LAYOUT=DIR ... --dataset Dataset901_PANTHER --out nnUNet_raw`.
Several sources make one dataset. Images are copied as they are (or written anew where the file
format differs), labels take the image's geometry, and an interrupted run goes on where it stopped.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from challenge.case import CaseFiles, check_same_grid, read_volume, write_labels
from challenge.headers import CaseError, is_nifti
from challenge.scheme import SCHEMES, Scheme
from lab.fingerprint import compare_fingerprints, fingerprint_of
from lab.raw_layouts import LAYOUTS, MEDIAN_SHARE, Layout, LayoutError, RawCase, safe_id
from lab.workers import workers

SAMPLE = 2000  # labelled voxels of a case whose intensities are kept


@dataclass(frozen=True)
class Prepared:
    """One case in its new place, and what was counted on the way."""

    id: str
    voxels: Mapping[int, int]  # value in the source -> voxels
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    foreground: np.ndarray  # sampled intensities of labelled voxels, first channel


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--source", action="append", required=True, metavar="LAYOUT=DIR",
        help=f"may be given several times; layouts: {', '.join(LAYOUTS)}")  # fmt: skip
    add("--dataset", required=True, metavar="DatasetNNN_NAME")
    add("--out", type=Path, required=True, metavar="DIR", help="nnUNet_raw")
    add("--scheme", choices=sorted(SCHEMES), help="default: the first layout's")
    add("--published", type=Path, metavar="FILE", help="a dataset_fingerprint.json to compare with")
    add("--jobs", type=int, default=1, metavar="N", help="processes (default 1)")


def run(args: argparse.Namespace) -> int:
    """Prepare, count, check; exit code 1 where labels look swapped, 2 where nothing can be done."""
    try:
        sources = [_source(text) for text in args.source]
        scheme = SCHEMES[args.scheme or sources[0][0].scheme]
        found = [
            (layout, case, f"{args.source[i].split('=')[0]}_" if len(sources) > 1 else "")
            for i, (layout, folder) in enumerate(sources)
            for case in layout.find(folder)
        ]
        target = args.out / args.dataset
        description = describe(found, scheme, args.source)
        start(target, description)
        with workers(args.jobs, None):
            running = joblib.Parallel(n_jobs=None)
            done: list[Prepared] = running(
                joblib.delayed(prepare_case)(case, layout, scheme, (target, prefix, description))
                for layout, case, prefix in found
            )
    except (LayoutError, CaseError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for line in table_lines(found, done, scheme):
        print(line)
    doubts = list(swapped(done, found, scheme))
    if args.published:
        theirs = json.loads(args.published.read_text(encoding="utf-8"))
        foreground = np.concatenate([p.foreground for p in done])
        own = fingerprint_of([p.shape for p in done], [p.spacing_mm for p in done], foreground)
        for line in compare_fingerprints(own, theirs):
            print(line)
    for doubt in doubts:
        print(doubt, file=sys.stderr)
    return 1 if doubts else 0


def describe(
    found: Sequence[tuple[Layout, RawCase, str]], scheme: Scheme, sources: Sequence[str]
) -> dict[str, Any]:
    """Return dataset.json.

    Raises:
        LayoutError: no case, two of one name, or a layout that lacks a label of the scheme.
    """
    ids = [prefix + safe_id(case.id) for _, case, prefix in found]
    if not ids or len(set(ids)) < len(ids):
        twice = sorted({id for id in ids if ids.count(id) > 1})
        raise LayoutError(f"{', '.join(sources)}: {f'{twice} twice' if twice else 'no case'}")
    for layout, _, _ in found:
        if unknown := set(layout.names.values()) - {*scheme.labels, ""}:
            raise LayoutError(f"{layout.told}: labels {sorted(unknown)} are none of {scheme.name}")
    ending = ".nii.gz" if is_nifti(found[0][1].images[0]) else ".mha"
    return {
        "channel_names": {str(i): name for i, name in enumerate(scheme.sequences)},
        "labels": {"background": 0, **scheme.labels},
        "numTraining": len(ids),
        "file_ending": ending,
        "prepared_from": sorted(sources),
        "licence": "of the sources",
    }


def start(target: Path, description: Mapping[str, Any]) -> None:
    """Make the dataset's folders, or go on in those that an earlier run of the same made.

    Raises:
        LayoutError: something else is there, which is never written over.
    """
    path = target / "dataset.json"
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != description:
            raise LayoutError(f"{target}: made from other sources; move it away first")
    elif target.exists() and any(target.iterdir()):
        raise LayoutError(f"{target}: exists and was not made by this; move it away first")
    for place in ("imagesTr", "labelsTr"):
        (target / place).mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def prepare_case(
    case: RawCase, layout: Layout, scheme: Scheme, place: tuple[Path, str, Mapping[str, Any]]
) -> Prepared:
    """Bring one case to its place, labels last: a case whose labels are there is finished.

    Raises:
        CaseError: a file is missing or unreadable, labels lie on another grid, or have a value
            that the layout does not name.
    """
    target, prefix, description = place
    id, ending = f"{prefix}{case.id}", str(description["file_ending"])
    labels = read_volume(case.labels, None)
    image = read_volume(case.images[0], None)
    check_same_grid(labels, image, case.labels, case.images[0])
    values, counts = np.unique(labels.array, return_counts=True)
    voxels = {int(v): int(n) for v, n in zip(values, counts, strict=True) if v == int(v)}
    known = {0, *layout.names}
    if unknown := sorted({float(v) for v in values} - known):
        raise CaseError(f"{case.labels}: values {unknown} are not named by {layout.told}")
    scans = []
    for channel, source in enumerate(case.images):
        scans.append(target / "imagesTr" / f"{id}_{channel:04d}{ending}")
        _copy(source, scans[-1])
    output = target / "labelsTr" / f"{id}{ending}"
    if not output.exists():
        table = np.zeros(256, np.uint8)
        for value, name in layout.names.items():
            table[value] = scheme.labels[name] if name else 0
        files = CaseFiles(id, {"image": scans[0]}, "image", Path(output.name), scheme.name)
        write_labels(table[labels.array.astype(np.uint8)], files, output.parent)
    kept = [value for value, name in layout.names.items() if name]
    foreground = image.array[np.isin(labels.array, kept)]
    sample = np.random.default_rng(0).permutation(foreground)[:SAMPLE].astype(np.float32)
    return Prepared(id, voxels, labels.array.shape, labels.spacing_mm, sample)


def table_lines(
    found: Sequence[tuple[Layout, RawCase, str]], done: Sequence[Prepared], scheme: Scheme
) -> Iterator[str]:
    """Yield which value of which source became which label, in how many cases and voxels."""
    yield f"{'source':<16}{'value':>6}  {'label':<10}{'value':>6}{'cases':>8}{'share':>9}"
    names = {id(layout): name for name, layout in LAYOUTS.items()}
    for layout in {id(layout): layout for layout, _, _ in found}.values():
        own = [p for (of, _, _), p in zip(found, done, strict=True) if of is layout]
        total = sum(n for p in own for value, n in p.voxels.items() if value)
        for value, name in sorted(layout.names.items()):
            voxels = sum(p.voxels.get(value, 0) for p in own)
            cases = sum(value in p.voxels for p in own)
            yield (
                f"{names[id(layout)]:<16}{value:>6}  {name or '-':<10}"
                f"{scheme.labels[name] if name else 0:>6}{cases:>8}{voxels / max(total, 1):>9.1%}"
            )


def swapped(
    done: Sequence[Prepared], found: Sequence[tuple[Layout, RawCase, str]], scheme: Scheme
) -> Iterator[str]:
    """Yield a sentence for each label whose share is not what cohorts of this challenge have.

    Where a source never holds a label of the whole, its shares tell nothing and are not judged.
    """
    for label, (low, high) in MEDIAN_SHARE.get(scheme.name, {}).items():
        for layout in {id(layout): layout for layout, _, _ in found}.values():
            own = [p for (of, _, _), p in zip(found, done, strict=True) if of is layout]
            held = {layout.names.get(value) for p in own for value in p.voxels}
            share = float(np.median([_share(p, layout, label, scheme) for p in own]))
            if set(scheme.regions[scheme.whole]) <= held and not low <= share <= high:
                yield (
                    f"{layout.told}: {label} is {share:.0%} of the {scheme.whole} in the median "
                    f"case, {low:.0%} to {high:.0%} is usual; are values swapped?"
                )


def _share(case: Prepared, layout: Layout, label: str, scheme: Scheme) -> float:
    of = dict.fromkeys(scheme.regions[scheme.whole], 0)
    for value, name in layout.names.items():
        if name in of:
            of[name] += case.voxels.get(value, 0)
    return of[label] / max(sum(of.values()), 1)


def _copy(source: Path, target: Path) -> None:
    """Copy an image, or write it anew where the format differs; whole or not at all."""
    if not source.is_file():
        raise CaseError(f"{source}: no such file")
    if target.exists():
        return
    partial = target.with_name(f".partial-{target.name}")
    if is_nifti(source) == is_nifti(target):
        shutil.copyfile(source, partial)
    else:
        import SimpleITK

        SimpleITK.WriteImage(SimpleITK.ReadImage(str(source)), str(partial), True)
    partial.replace(target)


def _source(text: str) -> tuple[Layout, Path]:
    name, equals, folder = text.partition("=")
    if not equals or name not in LAYOUTS:
        raise LayoutError(f"--source {text}: LAYOUT=DIR with one of {', '.join(LAYOUTS)}")
    if not Path(folder).is_dir():
        raise LayoutError(f"{folder}: no such folder")
    return LAYOUTS[name], Path(folder)
