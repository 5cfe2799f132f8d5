"""How challenges hand out training data: one row a layout, from a folder to cases.

Values are mapped by label name, so that MSD's pancreas and tumour, which are numbered the other way
round than PANTHER's, end where they belong.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from challenge.platforms import BRATS_ID, SCHEME_OF_TASK
from challenge.refusal import Refusal

SEQUENCES = ("t1n", "t1c", "t2w", "t2f")
BACKGROUND = ""  # values that are no label of the scheme


class LayoutError(Refusal):
    """A folder is not laid out as it is said to be; the message names it."""


@dataclass(frozen=True)
class RawCase:
    """One training case as it was handed out."""

    id: str
    images: tuple[Path, ...]  # in the order of the scheme's sequences
    labels: Path


@dataclass(frozen=True)
class Layout:
    """One way in which cases are handed out."""

    find: Callable[[Path], Iterator[RawCase]]
    scheme: str
    names: Mapping[int, str]  # value in the files -> label of the scheme, "" is background
    told: str


def brats_cases(folder: Path) -> Iterator[RawCase]:
    """Yield <ID>/<ID>-t1n.nii.gz, -t1c, -t2w, -t2f and -seg, of one challenge.

    Raises:
        LayoutError: cases of several challenges, whose labels mean different things.
    """
    tasks = set()
    for labels in sorted(folder.glob("*/*-seg.nii.gz")):
        id = labels.name.removesuffix("-seg.nii.gz")
        if match := BRATS_ID.match(id):
            tasks.add(match["task"])
        images = tuple(labels.with_name(f"{id}-{sequence}.nii.gz") for sequence in SEQUENCES)
        yield RawCase(id, images, labels)
    if len(schemes := {SCHEME_OF_TASK[task] for task in tasks}) > 1:
        raise LayoutError(f"{folder}: cases of {', '.join(sorted(schemes))} mixed")


def nnunet_cases(images: str, labels: str, ending: str) -> Callable[[Path], Iterator[RawCase]]:
    """Return what yields <labels>/<case><ending> with <images>/<case>[_0000]<ending>."""

    def find(folder: Path) -> Iterator[RawCase]:
        for path in sorted((folder / labels).glob(f"*{ending}")):
            if path.name.startswith("."):  # what other systems leave behind
                continue
            id = path.name.removesuffix(ending)
            named = [folder / images / f"{id}{tail}{ending}" for tail in ("_0000", "")]
            yield RawCase(id, (next((p for p in named if p.is_file()), named[0]),), path)

    return find


def panorama_cases(folder: Path) -> Iterator[RawCase]:
    """Yield images/<case>_0000.nii.gz with automatic_labels or manual_labels/<case>.nii.gz.

    Where both kinds of labels exist the manual ones count.
    """
    found: dict[str, Path] = {}
    for kind in ("automatic_labels", "manual_labels", "labels"):
        for path in sorted((folder / kind).glob("*.nii.gz")):
            found[path.name.removesuffix(".nii.gz")] = path
    for id, labels in sorted(found.items()):
        images = sorted((folder / "images").glob(f"{id}_0000.nii.gz"))
        yield RawCase(id, tuple(images or [folder / "images" / f"{id}_0000.nii.gz"]), labels)


_GLIOMA = {1: "NETC", 2: "SNFH", 3: "ET"}
_PANTHER = {1: "tumour", 2: "pancreas"}
LAYOUTS: Mapping[str, Layout] = {
    "brats-gli": Layout(brats_cases, "brats-gli", _GLIOMA | {4: "RC"}, "BraTS 2024 and later"),
    "brats-gli-2023": Layout(brats_cases, "brats-gli-2023", _GLIOMA, "BraTS 2023"),
    "brats-ssa": Layout(brats_cases, "brats-ssa", _GLIOMA, "BraTS-Africa"),
    "brats-met": Layout(brats_cases, "brats-met", _GLIOMA, "BraTS metastases"),
    "brats-men": Layout(brats_cases, "brats-men", _GLIOMA, "BraTS meningioma"),
    "brats-goat": Layout(brats_cases, "brats-goat", _GLIOMA, "BraTS generalisability"),
    "brats-ped": Layout(
        brats_cases, "brats-ped", {1: "ET", 2: "NETC", 3: "CC", 4: "ED"}, "BraTS pediatrics"
    ),
    "panther-t1": Layout(
        nnunet_cases("ImagesTr", "LabelsTr", ".mha"), "panther-t1", _PANTHER, "PANTHER Task 1"
    ),
    "panther-t2": Layout(
        nnunet_cases("ImagesTr", "LabelsTr", ".mha"), "panther-t2", _PANTHER, "PANTHER Task 2"
    ),
    "msd-pancreas": Layout(
        nnunet_cases("imagesTr", "labelsTr", ".nii.gz"), "panther-t1",
        {1: "pancreas", 2: "tumour"}, "MSD Task07, CT",
    ),
    "panorama": Layout(
        panorama_cases, "panther-t1",
        {1: "tumour", 2: BACKGROUND, 3: BACKGROUND, 4: "pancreas", 5: "pancreas", 6: BACKGROUND},
        "PANORAMA, CT: 1 PDAC, 2 veins, 3 arteries, 4 parenchyma, 5 duct, 6 common bile duct",
    ),
}  # fmt: skip
# What a cohort's labels look like unless values are swapped: the median share of the whole.
MEDIAN_SHARE: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "panther-t1": {"tumour": (0.0, 0.5)},
    "panther-t2": {"tumour": (0.0, 0.5)},
}
UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def safe_id(id: str) -> str:
    """Return an id that nnU-Net's file names can hold.

    Raises:
        LayoutError: it holds other signs than letters, digits, dot, dash and underscore.
    """
    if UNSAFE.search(id) or id.endswith("_0000"):
        raise LayoutError(f"case {id!r}: nnU-Net's names hold letters, digits, . - _ alone")
    return id
