"""The cases of an input folder, whatever its layout, and what is wrong with single ones."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from challenge.case import CaseFiles
from challenge.challenges import SCHEMES
from challenge.limits import TIME_LIMIT_S
from challenge.refusal import Refusal

# The sequences whose geometry some challenge's outputs take, the first that a case has.
GEOMETRY_FROM = tuple(dict.fromkeys(scheme.geometry_from for scheme in SCHEMES.values()))


class InputError(Refusal):
    """The input folder fits no platform; nothing can be run."""


@dataclass(frozen=True)
class InputCases:
    """What an input folder holds."""

    platform: str
    cases: tuple[CaseFiles, ...]
    failed: Mapping[str, str]  # case id -> what is wrong with it

    @property
    def count(self) -> str:
        """Return the number of cases for a log line, those with faults included."""
        return f"cases={len(self.cases) + len(self.failed)}"

    @property
    def time_limit_s(self) -> float:
        """Seconds for the folder: the least of the challenges that its cases speak of."""
        limits_s = [SCHEMES[case.scheme].time_limit_s for case in self.cases if case.scheme]
        return min(limits_s, default=TIME_LIMIT_S.get(self.platform, TIME_LIMIT_S["brats-folder"]))


def describe_missing(files: CaseFiles) -> str:
    """Say which sequences a case lacks, and which of its files are there."""
    present = ", ".join(sorted(path.name for path in files.images.values()))
    home = files.images[files.geometry_from].parent
    return f"{home}: missing {', '.join(files.missing_sequences)} (found {present})"


def fault_of(scans: list[tuple[str, Path]]) -> str | None:
    """Say why the scans of one case id (sequence, file) do not make one case, or None."""
    folders = sorted({str(path.parent) for _, path in scans})
    if len(folders) > 1:
        return f"two cases with one id, in {' and '.join(folders)}"
    for sequence, count in Counter(sequence for sequence, _ in scans).items():
        if count > 1:
            names = ", ".join(path.name for s, path in scans if s == sequence)
            return f"{folders[0]}: duplicate {sequence} ({names})"
    for _, path in scans:  # there, so not missing: no model may answer as if it were
        if not path.is_file():
            return f"{path}: no file, but a folder, a device, a pipe or a link to nothing"
    return None


def with_sequences(files: CaseFiles, sequences: tuple[str, ...]) -> CaseFiles:
    """Return a case as a network of these input sequences sees it.

    What it lacks of them is named as missing, what it has beside them as unused.
    """
    images = {sequence: path for sequence, path in files.images.items() if sequence in sequences}
    usual = (files.geometry_from, *GEOMETRY_FROM, *sorted(images))
    geometry_from = next(sequence for sequence in usual if sequence in images)
    return replace(
        files,
        images=images,
        geometry_from=geometry_from,
        missing_sequences=tuple(sequence for sequence in sequences if sequence not in images),
        unused=tuple(sequence for sequence in files.images if sequence not in sequences),
    )
