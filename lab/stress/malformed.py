"""One malformed input: what is done to a sound folder, and what the program must answer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SPOILT, SOUND = "BraTS-GLI-00001-100", "BraTS-GLI-00002-100"
STEM = "5d3e40cd-scan"
SOCKET = Path("images", "abdominal-t1-mri")
REFUSED, UNUSABLE, TAKEN = 1, 2, 0


@dataclass(frozen=True)
class Malformed:
    """A change to a sound folder and the declared exit code.

    kind "brats": two cases, of which `SPOILT` is spoilt and `SOUND` must come out as ever.
    kind "panther": one case.
    """

    name: str
    kind: str
    spoil: Callable[[Path], None]
    exit_code: int
    told: str = ""  # what the last line must hold: the file's name, mostly
    same: bool = True  # where the case is taken, whether its labels are those of the sound one
    id: str = SPOILT  # where the case is taken, what its file is called


def scan_of(folder: Path, sequence: str = "t2w") -> Path:
    """Return one scan of the case that is spoilt."""
    return folder / SPOILT / f"{SPOILT}-{sequence}.nii.gz"


def socket_scan(folder: Path) -> Path:
    """Return the scan of a PANTHER input."""
    return folder / SOCKET / f"{STEM}.mha"
