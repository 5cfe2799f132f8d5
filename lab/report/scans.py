"""What a picture is drawn on: a case's scan, its grey levels, and which way the patient lies."""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from challenge.case import CaseError
from challenge.channels import sequence_of
from challenge.description import Scheme
from challenge.file_names import IMAGE_ENDINGS
from challenge.folders import files_below
from challenge.headers import last_line
from challenge.volume import Volume, read_scan
from ensemble.dataset import channel_names
from lab.json_files import read_json

CHANNEL = re.compile(r"\d{4}")  # nnU-Net's numbers of input channels
NO_SEQUENCE = ""  # of a file that has the case's name alone


def index_images(folder: Path | None) -> dict[str, Path]:
    """Return every scan below a folder by its name without the ending."""
    scans = {}
    for ending in IMAGE_ENDINGS:
        for path in files_below(folder, (ending,)) if folder else ():
            scans[path.name.removesuffix(ending)] = path
    return scans


def scans_of(id: str, images: Mapping[str, Path], scheme: Scheme) -> dict[str, Path]:
    """Return a case's scans by sequence.

    A file is named <id>-<sequence> or <id>_<sequence>, in the spelling of any year, or <id>_0000
    with nnU-Net's number of the channel: the dataset.json beside the file or above its folder says
    which sequence that is, else the scheme's order.
    """
    scans: dict[str, Path] = {}
    for stem, path in images.items():
        ending = stem.removeprefix(id)
        if ending == stem or (ending and ending[0] not in "-_"):
            continue
        if not ending:
            scans.setdefault(NO_SEQUENCE, path)
        elif CHANNEL.fullmatch(ending[1:]):
            scans[_channel(path, int(ending[1:]), scheme)] = path
        elif sequence := sequence_of(ending[1:], scheme):
            scans[sequence] = path
    return scans


def _channel(path: Path, number: int, scheme: Scheme) -> str:
    """Name a channel by dataset.json, else by its position in the scheme, else by its number."""
    folders = path.absolute().parents[:2]  # not where a link leads to
    names = next(filter(None, map(_channels_in, folders)), scheme.sequences)
    if number >= len(names):
        return f"channel {number}"
    return sequence_of(names[number], scheme) or names[number]


@lru_cache
def _channels_in(folder: Path) -> tuple[str, ...]:
    """Return the channels that a folder's dataset.json names; none where there is none.

    Raises:
        Refusal: it is no JSON, or its channels are not numbered.
    """
    file = folder / "dataset.json"
    return tuple(channel_names(read_json(file))) if file.is_file() else ()


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
    """Return a grey backdrop and what it is: the scan, or the reference's labels without one."""
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
