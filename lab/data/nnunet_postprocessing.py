"""nnU-Net's own post-processing, as its `postprocessing.json` says it.

nnU-Net 2 (`nnUNetv2_find_best_configuration`, `nnUNetv2_determine_postprocessing`) lists steps,
each of which removes all but the largest component of one set of labels; nnU-Net 1 lists the sets.
Of equally large components both keep every one. Components are 26-connected in nnU-Net 2
(`acvl_utils`), 6-connected in nnU-Net 1 (`scipy.ndimage.label`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from challenge.refusal import Refusal

FILE = "postprocessing.json"
VERSION_2, VERSION_1 = "postprocessing_fns", "for_which_classes"
KEEP_LARGEST = "remove_all_but_largest_component_from_segmentation"


@dataclass(frozen=True)
class KeepLargestSteps:
    """What a file lists, in its order."""

    label_sets: tuple[tuple[int, ...], ...]  # each one's largest component stays
    connectivity: Literal[6, 26]


def is_nnunet_postprocessing(content: Any) -> bool:
    """Return whether a JSON file's content is post-processing of nnU-Net 1 or 2."""
    return isinstance(content, Mapping) and bool({VERSION_1, VERSION_2} & content.keys())


def keep_largest_steps(content: Mapping[str, Any]) -> KeepLargestSteps:
    """Read what nnU-Net decided.

    Raises:
        Refusal: the content is malformed, or asks for more than largest components; the message
            names the key and the value.
    """
    if VERSION_2 in content:
        return KeepLargestSteps(tuple(_steps_of_version_2(content)), 26)
    # Written as the text "None" where there are none.
    if (sizes := content.get("min_valid_object_sizes")) not in (None, "None"):
        raise Refusal(f"min_valid_object_sizes: {sizes!r}; no rule keeps the largest and those")
    classes = content[VERSION_1]
    if not isinstance(classes, list):
        raise Refusal(f"{VERSION_1}: {classes!r} is not a list of labels")
    return KeepLargestSteps(tuple(_label_set(VERSION_1, entry) for entry in classes), 6)


def postprocessing_files(trained: Path) -> list[Path]:
    """Return the files in which nnU-Net wrote post-processing of a trained folder.

    They lie in the folder, in its cross-validation results, and in the ensembles beside it that
    name it.
    """
    ensembles = trained.resolve().parent.glob(f"ensembles/*{trained.resolve().name}*/{FILE}")
    return [*sorted(trained.glob(FILE)), *sorted(trained.glob(f"*/{FILE}")), *sorted(ensembles)]


def _steps_of_version_2(content: Mapping[str, Any]) -> Iterator[tuple[int, ...]]:
    names, kwargs = content[VERSION_2], content.get("postprocessing_kwargs")
    if not isinstance(names, list) or not isinstance(kwargs, list) or len(names) != len(kwargs):
        raise Refusal(f"{VERSION_2} and postprocessing_kwargs are not two lists of one length")
    for i, (name, options) in enumerate(zip(names, kwargs, strict=True)):
        step = f"step {i}"
        if name != KEEP_LARGEST:
            raise Refusal(f"{step}: {name!r} is not {KEEP_LARGEST}, the only one of nnU-Net 2")
        if not isinstance(options, Mapping) or "labels_or_regions" not in options:
            raise Refusal(f"{step}: {options!r} has no labels_or_regions")
        if unknown := sorted(options.keys() - {"labels_or_regions", "background_label"}):
            raise Refusal(f"{step}: {unknown[0]!r} is no option of {KEEP_LARGEST}")
        if (background := options.get("background_label", 0)) != 0:
            raise Refusal(f"{step}: background_label: {background!r} is not 0")
        yield _label_set(f"{step}: labels_or_regions", options["labels_or_regions"])


def _label_set(key: str, entry: Any) -> tuple[int, ...]:
    """Return the labels of one step: a value, a list of values, or a list of such lists."""
    values = sorted(set(_flat(key, entry)))
    if not values:
        raise Refusal(f"{key}: {entry!r} names no label")
    return tuple(values)


def _flat(key: str, entry: Any) -> Iterator[int]:
    if isinstance(entry, list):
        for part in entry:
            yield from _flat(key, part)
    elif isinstance(entry, bool) or not isinstance(entry, int) or entry <= 0:
        raise Refusal(f"{key}: {entry!r} is no label value")
    else:
        yield entry
