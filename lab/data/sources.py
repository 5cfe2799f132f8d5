"""How challenges hand out training data: one row a layout, from a folder to cases.

Values are mapped by label name, so that MSD's pancreas and tumour, which are numbered the other way
round than PANTHER's, end where they belong, and so does the ET that was 4 before BraTS 2023.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from challenge.scheme import SCHEMES
from lab.data.raw_folders import (
    LayoutError,
    Lister,
    Listing,
    brats_cases,
    mixed_cases,
    paired_cases,
)

BACKGROUND = ""  # values that are no label of the scheme


@dataclass(frozen=True)
class Layout:
    """One way in which cases are handed out."""

    lister: Lister
    scheme: str
    names: Mapping[int, str]  # value in the files -> label of the scheme, "" is background
    told: str

    def find(self, folder: Path) -> Listing:
        """List the cases of a folder.

        Raises:
            LayoutError: cases of several challenges, or a folder that is closed.
        """
        try:
            return self.lister(folder, SCHEMES[self.scheme].sequences)
        except OSError as error:
            raise LayoutError(f"{error.filename or folder}: {error.strerror}") from error

    @property
    def values(self) -> str:
        """Return which value is which label, in words."""
        named = (f"{value} {name or '-'}" for value, name in sorted(self.names.items()))
        return f"{self.told}: {', '.join(named)}"


_GLIOMA = {1: "NETC", 2: "SNFH", 3: "ET"}
_POST = _GLIOMA | {4: "RC"}
_BEFORE_2023 = {1: "NETC", 2: "SNFH", 4: "ET"}
_PANTHER = {1: "tumour", 2: "pancreas"}
_PANTHER_FOLDERS = paired_cases("ImagesTr", "LabelsTr")
LAYOUTS: Mapping[str, Layout] = {
    "brats-gli": Layout(brats_cases, "brats-gli", _POST, "BraTS 2024 and later"),
    "brats-gli-2023": Layout(brats_cases, "brats-gli-2023", _GLIOMA, "BraTS 2023"),
    "brats-2021": Layout(brats_cases, "brats-gli-2023", _BEFORE_2023, "BraTS 2017 to 2021"),
    "brats-ssa": Layout(brats_cases, "brats-ssa", _GLIOMA, "BraTS-Africa"),
    "brats-met": Layout(brats_cases, "brats-met", _GLIOMA, "BraTS metastases 2023"),
    "brats-met-2025": Layout(brats_cases, "brats-met-2025", _POST, "BraTS metastases 2025, 2026"),
    "brats-men": Layout(brats_cases, "brats-men", _GLIOMA, "BraTS meningioma"),
    "brats-men-rt": Layout(
        brats_cases, "brats-men-rt", {1: "GTV"}, "BraTS meningioma for radiotherapy"
    ),
    # Its cases have the names of the cohorts that they were taken from.
    "brats-goat": Layout(mixed_cases, "brats-goat", _GLIOMA, "BraTS generalisability"),
    "brats-ped": Layout(
        brats_cases, "brats-ped", {1: "ET", 2: "NETC", 3: "CC", 4: "ED"}, "BraTS pediatrics"
    ),
    "panther-t1": Layout(_PANTHER_FOLDERS, "panther-t1", _PANTHER, "PANTHER Task 1"),
    "panther-t2": Layout(_PANTHER_FOLDERS, "panther-t2", _PANTHER, "PANTHER Task 2"),
    "msd-pancreas": Layout(
        paired_cases("imagesTr", "labelsTr"), "panther-t1",
        {1: "pancreas", 2: "tumour"}, "MSD Task07, CT",
    ),
    # 1 PDAC, 2 veins, 3 arteries, 4 parenchyma, 5 duct, 6 common bile duct; where both kinds of
    # labels exist the manual ones count.
    "panorama": Layout(
        paired_cases("images", ("automatic_labels", "manual_labels", "labels")), "panther-t1",
        {1: "tumour", 2: BACKGROUND, 3: BACKGROUND, 4: "pancreas", 5: "pancreas", 6: BACKGROUND},
        "PANORAMA, CT",
    ),
}  # fmt: skip
# What a cohort's labels look like unless values are swapped: the median share of the whole.
MEDIAN_SHARE: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "panther-t1": {"tumour": (0.0, 0.5)},
    "panther-t2": {"tumour": (0.0, 0.5)},
}
