"""What a picture is drawn on: a case's scan, its grey levels, and which way the patient lies."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from challenge.case import CaseError, Volume, read_scan
from challenge.challenges import folder_sequences
from challenge.file_names import IMAGE_ENDINGS
from challenge.folders import files_below
from challenge.headers import last_line

PREFERRED = ("t1c", "t2f")  # of the sequences of a case, the first ones that are shown


def index_images(folder: Path | None) -> dict[str, Path]:
    """Return every scan below a folder by its name without the ending."""
    scans = {}
    for ending in IMAGE_ENDINGS:
        for path in files_below(folder, (ending,)) if folder else ():
            scans[path.name.removesuffix(ending)] = path
    return scans


def image_of(id: str, images: Mapping[str, Path]) -> Path | None:
    """Return a case's scan: t1c, else t2f, else another sequence, else a file of its own name."""
    sequences = dict.fromkeys((*PREFERRED, *folder_sequences()))
    names = [f"{id}{between}{sequence}" for sequence in sequences for between in "-_"]
    return next((images[n] for n in (*names, f"{id}_0000", id) if n in images), None)


def radiological_flips(volume: Volume) -> tuple[bool, bool, bool] | None:
    """Return which axes (z, y, x) to turn for up = superior or anterior, left = patient's right.

    None where the axes are not stored in the order x, y, z of the patient.
    """
    towards_lps = volume.geometry[:3, :3]
    main = np.abs(towards_lps).argmax(0)
    if main.tolist() != [0, 1, 2]:
        return None
    x, y, z = (np.diag(towards_lps) < 0).tolist()
    return z, y, x


def backdrop(
    image: Path | None, reference: Volume, labels: np.ndarray, values: list[int]
) -> tuple[np.ndarray, str]:
    """Return a grey backdrop: the scan, or the reference's labels where there is none."""
    grey_of_label = np.zeros(256, np.uint8)
    grey_of_label[values] = np.linspace(85, 150, len(values)).astype(np.uint8)
    if image is None:
        return grey_of_label[labels], ""
    try:
        scan = read_scan(image)
    except CaseError as error:
        return grey_of_label[labels], f"Scan not shown: {error}"
    except Exception as error:  # noqa: BLE001 - one file never ends a report
        reason = f"{type(error).__name__}: {last_line(error)}"
        return grey_of_label[labels], f"Scan not shown: {image} ({reason})"
    if scan.array.shape != reference.array.shape:
        return grey_of_label[labels], f"Scan not shown: {image} has another size"
    inside = scan.array[scan.array != 0]
    low, high = np.percentile(inside, (0.5, 99.7)) if inside.size else (0.0, 1.0)
    grey = (scan.array - low) / max(float(high - low), 1e-6)
    return (grey.clip(0, 1) * 235).astype(np.uint8), f"Scan: {image.name}"
