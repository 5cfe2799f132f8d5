"""How challenges hand out training data: from a layout of a challenge's row to cases in a folder.

Values are mapped by label name, so that MSD's pancreas and tumour, which are numbered the other way
round than PANTHER's, end where they belong, and so does the ET that was 4 before BraTS 2023.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from challenge.challenges import SCHEMES
from challenge.description import ANY, Scheme, TrainingLayout
from lab.data.bids_folders import bids_cases
from lab.data.paired_folders import paired_cases
from lab.data.raw_folders import Finder, LayoutError, RawCases, brats_cases


@dataclass(frozen=True)
class Layout:
    """One training layout of a challenge, by the name under which `--source` takes it."""

    name: str
    scheme: Scheme
    row: TrainingLayout

    @property
    def title(self) -> str:
        """Return what messages call it."""
        return self.row.title

    @property
    def labels(self) -> Mapping[int, str]:
        """Return value in the files -> label of the scheme; "" is background."""
        return self.row.labels

    @property
    def case_names(self) -> str | None:
        """Return the regular expression of its cases' ids; None where they may have any name."""
        if self.row.case_names:
            return self.row.case_names
        prefixes = [p for p in (self.scheme.case_prefix, *self.scheme.shared_prefixes) if p]
        if not prefixes or ANY in prefixes:
            return None
        return rf"({'|'.join(map(re.escape, prefixes))})-\d+(-\d+)?"

    def find(self, folder: Path) -> RawCases:
        """List the cases of a folder.

        Raises:
            LayoutError: a folder that cannot be read.
        """
        try:
            return _finder(self.row)(folder, self.scheme.sequences)
        except OSError as error:
            raise LayoutError(f"{error.filename or folder}: {error.strerror}") from error

    def describe_values(self) -> str:
        """Return which value is which label, in words."""
        pairs = (f"{value} {name or '-'}" for value, name in sorted(self.labels.items()))
        return f"{self.title}: {', '.join(pairs)}"


def all_layouts() -> dict[str, Layout]:
    """Return every layout of every challenge, by name."""
    return {
        name: Layout(name, scheme, row)
        for scheme in SCHEMES.values()
        for name, row in scheme.layouts.items()
    }


def _finder(row: TrainingLayout) -> Finder:
    if row.finder == "paired":
        return paired_cases(row.images_folder, row.labels_folders)
    if row.finder == "bids":
        return bids_cases(row.image_ending, row.mask_ending)
    return brats_cases
