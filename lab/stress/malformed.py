"""One malformed input: how an intact folder is corrupted, and how the program must answer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CORRUPTED, INTACT = "BraTS-GLI-00001-100", "BraTS-GLI-00002-100"
STEM = "5d3e40cd-scan"
SOCKET = Path("images", "abdominal-t1-mri")
REFUSED, UNUSABLE, ACCEPTED = 1, 2, 0


@dataclass(frozen=True)
class Malformed:
    """A change to an intact folder and the expected exit code.

    kind "brats": two cases, of which `CORRUPTED` is corrupted and the labels of `INTACT` must stay.
    kind "panther": one case.
    """

    name: str
    kind: str
    corrupt: Callable[[Path], None]
    exit_code: int
    message: str = ""  # what the last line of stderr must hold: the file's name, mostly
    same_labels: bool = True  # of an accepted case: whether they are those of the intact one
    id: str = CORRUPTED  # of an accepted case: how its file is named


def scan_of(folder: Path, sequence: str = "t2w") -> Path:
    """Return one scan of the case that is corrupted."""
    return folder / CORRUPTED / f"{CORRUPTED}-{sequence}.nii.gz"


def socket_scan(folder: Path) -> Path:
    """Return the scan of a PANTHER input."""
    return folder / SOCKET / f"{STEM}.mha"
