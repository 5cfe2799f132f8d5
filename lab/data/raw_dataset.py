"""nnU-Net's dataset.json of a prepared cohort: labels numbered from 1 on, or nested regions."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from challenge.scheme import Scheme
from lab.data.label_aliases import PREPARED
from lab.data.prepared_case import Prepared, Target
from lab.data.raw_folders import Failure, LayoutError
from lab.data.sources import Layout

NAME = re.compile(r"Dataset\d{3}_[A-Za-z0-9_.-]+\Z")
SKIPPED = "skipped_cases.json"
RESAMPLED = "resampled_masks"  # key of dataset.json: ids whose masks lay on another grid
# What makes a dataset another one; the rest of dataset.json is counted from its cases.
IDENTITY = (
    "channel_names",
    "labels",
    "regions_class_order",
    "file_ending",
    PREPARED,
    "orientation",
)


@dataclass(frozen=True)
class FailedCase:
    """A case that cannot be trained on, and the `--source` that it came from."""

    source: str
    failure: Failure

    @property
    def reason(self) -> str:
        """Return why; it names a file or folder."""
        return self.failure.reason


def training_values(layouts: Sequence[Layout], scheme: Scheme) -> dict[str, int]:
    """Return label -> value to train on: 1, 2, ... in the order of the scheme's values.

    nnU-Net demands that no value is left out, so a label that no layout has gets none. `pack` maps
    the values back to the scheme's by the names in dataset.json.

    Raises:
        LayoutError: a layout has a label, or sequences, that are none of the scheme's.
    """
    for layout in layouts:
        if unknown := set(layout.labels.values()) - {*scheme.labels, ""}:
            raise LayoutError(f"{layout.title}: labels {sorted(unknown)} are none of {scheme.name}")
    present = {name for layout in layouts for name in layout.labels.values()}
    names = sorted(present & set(scheme.labels), key=lambda name: scheme.labels[name])
    return {name: value for value, name in enumerate(names, 1)}


def nested_regions(values: Mapping[str, int], scheme: Scheme) -> dict[str, Any]:
    """Return `labels` and `regions_class_order` of dataset.json, to train on nested regions.

    Raises:
        LayoutError: the scheme's labels make no nested regions.
    """
    rows = [
        (region, [values[n] for n in scheme.regions.get(region, (region,)) if n in values], painted)
        for region, painted in scheme.training_regions
        if painted in values
    ]
    painted = sorted(label for *_, label in rows)
    if painted != sorted(values) or all(len(inside) == 1 for _, inside, _ in rows):
        raise LayoutError(f"--regions: {', '.join(values)} make no nested regions")
    return {
        "labels": {"background": 0} | {region: inside for region, inside, _ in rows},
        "regions_class_order": [values[label] for *_, label in rows],
    }


def channel_of(layouts: Sequence[Layout], scheme: Scheme) -> dict[str, str]:
    """Return nnU-Net's `channel_names`: those that decide a normalisation, else the sequences."""
    decisive = {layout.row.channel for layout in layouts}
    names = tuple(decisive) if len(decisive) == 1 and decisive != {""} else scheme.sequences
    return {str(number): name for number, name in enumerate(names)}


def channel_lines(layouts: Sequence[Layout], scheme: Scheme) -> Iterator[str]:
    """Yield a sentence where the sources' images need different normalisations."""
    named = {layout.row.channel or scheme.sequences[0]: layout.name for layout in layouts}
    if len(named) > 1:
        listed = ", ".join(f"{name} of {source}" for name, source in named.items())
        yield (
            f"one channel holds {listed}: it is named {scheme.sequences[0]}, and nnU-Net "
            "normalises every image by its own mean and deviation"
        )


def describe(
    scheme: Scheme, target: Target, layouts: Sequence[Layout], regions: bool
) -> dict[str, Any]:
    """Return what of dataset.json is known before any case is read."""
    plain = {"labels": {"background": 0, **target.values}}
    return {
        "channel_names": channel_of(layouts, scheme),
        **(nested_regions(target.values, scheme) if regions else plain),
        "file_ending": target.ending,
        **({"orientation": target.orientation} if target.orientation else {}),
        "licence": "of the sources",
    }


def start(target: Target, description: Mapping[str, Any], ids: Sequence[str]) -> None:
    """Make the dataset's folders, or go on in those that an earlier run of the same made.

    Until `finish` dataset.json counts all cases, so that nnU-Net refuses what is not finished.

    Raises:
        LayoutError: something else is there, which is never written over.
    """
    path = target.folder / "dataset.json"
    if path.exists():
        _check_identity(path, description)
    elif target.folder.exists() and (
        not target.folder.is_dir()
        or any(not path.name.startswith(".") for path in target.folder.iterdir())
    ):
        raise LayoutError(f"{target.folder}: exists and was not made by this; move it away first")
    for name in ("imagesTr", "labelsTr"):
        (target.folder / name).mkdir(parents=True, exist_ok=True)
    names = {p.name.removesuffix(target.ending) for p in (target.folder / "labelsTr").iterdir()}
    if foreign := sorted(name for name in names - set(ids) if not name.startswith(".")):
        raise LayoutError(
            f"{target.folder}: holds {len(foreign)} cases that the sources do not "
            f"({', '.join(foreign[:5])}); move it away first"
        )
    _write(path, {**description, "numTraining": len(ids)})


def finish(
    target: Target,
    description: Mapping[str, Any],
    done: Sequence[Prepared],
    failed: Sequence[FailedCase],
) -> None:
    """Write dataset.json with what was counted, and the list of cases that are not in it.

    Its `axes` counts cases by the code of their axes: {"LPS": 92}; its `resampled_masks` lists
    those whose masks were brought onto their image's grid.
    """
    axes = dict(sorted(Counter(case.axes for case in done).items()))
    resampled = sorted(case.id for case in done if case.is_resampled)
    whole = {**description, "numTraining": len(done), "axes": axes}
    whole |= {RESAMPLED: resampled} if resampled else {}
    rows = [{"source": f.source, "case": f.failure.id, "reason": f.reason} for f in failed]
    _write(target.folder / SKIPPED, rows)
    _write(target.folder / "dataset.json", whole)


def _check_identity(path: Path, description: Mapping[str, Any]) -> None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        theirs = {key: content.get(key) for key in IDENTITY}
    except (ValueError, AttributeError, RecursionError) as error:
        raise LayoutError(f"{path}: not a dataset.json ({error})") from error
    for key in IDENTITY:
        if theirs[key] != description.get(key):
            how = "from other sources" if key == PREPARED else f"with {key} {theirs[key]}"
            raise LayoutError(f"{path.parent}: made {how}; move it away first")


def _write(path: Path, content: object) -> None:
    partial = path.with_name(f".partial-{path.name}")
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
