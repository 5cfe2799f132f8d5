"""The acceptance rules of each platform for an output folder, from what the platforms publish.

    python test/platform_rules.py PLATFORM INPUT OUTPUT

Written without a line of the program, so that a mistake in the one is not a mistake in the other.
Prints a fault a line; exit code 1 on any.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK

# The last two groups of digits of a case, as Synapse's validators of 2025 and 2026 find it. GoAT's
# hidden folders end in three digits: no number of digits is asked for.
SYNAPSE_NAME = re.compile(r"(\d+(?:-\d+)?)\.nii\.gz$")
SCAN = re.compile(r"(.+)[-_](?:t1c|t1n|t2f|t2w)(\.nii\.gz)$")
SEGMENT_TYPES = {SimpleITK.sitkUInt8, SimpleITK.sitkInt8}
SEGMENTS, PROBABILITIES = {0, 1}, (0.0, 1.0)
# What each challenge's sockets hold, by the folder of its (first) image.
PANTHER = {"pancreatic-tumor-segmentation": SEGMENTS}
SOCKETS = {
    "abdominal-t1-mri": PANTHER,
    "abdominal-t2-mri": PANTHER,
    "t1-brain-mri": {
        "stroke-lesion-segmentation": SEGMENTS,
        "lesion-probability-map": PROBABILITIES,
    },
}


def grand_challenge(source: Path, output: Path) -> Iterator[str]:
    """One importable image in each socket's folder, on the grid of the input, and nothing else."""
    scan_path = next(source.glob("images/*/*.mha"))
    scan = SimpleITK.ReadImage(str(scan_path))
    sockets = SOCKETS[scan_path.parent.name]
    for name, declared in sockets.items():
        folder = output / "images" / name
        if not folder.is_dir() or not any(folder.iterdir()):
            yield f"Output directory images/{name} is empty"
            continue
        files = [path for path in folder.rglob("*") if path.is_file()]
        if len(files) != 1:
            names = sorted(path.name for path in files)
            yield f"Only 1 image should be produced, found {names}"
        elif files[0].suffix not in (".mha", ".mhd", ".tif", ".tiff"):
            yield f"{files[0].name}: no output images could be imported"
        else:
            image = SimpleITK.ReadImage(str(files[0]))
            rules = _segments if declared == SEGMENTS else _probabilities
            yield from rules(image)
            yield from _elsewhere(
                files[0].name, image, scan
            )  # the organisers' evaluator fails on it


def _segments(image: SimpleITK.Image) -> Iterator[str]:
    """One channel, 8 bits, declared values."""
    if image.GetPixelID() not in SEGMENT_TYPES or image.GetNumberOfComponentsPerPixel() != 1:
        yield f"segments could not be determined: {image.GetPixelIDTypeAsString()}"
        return
    values = set(np.unique(SimpleITK.GetArrayFromImage(image)).tolist())
    if not values <= SEGMENTS:
        yield f"values {sorted(values)}, declared are {sorted(SEGMENTS)}"


def _probabilities(image: SimpleITK.Image) -> Iterator[str]:
    values = SimpleITK.GetArrayFromImage(image)
    low, high = PROBABILITIES
    if values.dtype != np.float32 or not (values.min() >= low and values.max() <= high):
        yield f"no probabilities: {values.dtype}, {values.min()} to {values.max()}"


def synapse(source: Path, output: Path) -> Iterator[str]:
    """Flat NIfTI files, one a known case, 3-D, whole numbers, on the grid of the case's scan."""
    known: dict[str, Path] = {}
    for path in sorted(source.rglob("*.nii.gz")):  # t1c first, but a case may lack it
        scan = SCAN.match(path.name)
        if scan and (match := SYNAPSE_NAME.search(scan[1] + scan[2])):
            known.setdefault(match[1], path)
    accepted: dict[str, str] = {}
    for path in sorted(output.rglob("*")):
        match = SYNAPSE_NAME.search(path.name)
        if not path.is_file() or path.parent != output or not match:
            yield f"{path.relative_to(output)}: not a .nii.gz named by its case"
            continue
        if match[1] not in known or match[1] in accepted:
            yield f"{path.name}: case {match[1]} is unknown, or there twice"
            continue
        accepted[match[1]] = path.name
        yield from _brats_file(path, known[match[1]])
    yield from (f"case {id} is missing" for id in sorted(known.keys() - accepted.keys()))


def orchestrator(source: Path, output: Path) -> Iterator[str]:
    """What BrainLesion/BraTS asks of a folder: as many entries as cases, each opened by nibabel."""
    cases = [path for path in source.iterdir() if path.name.startswith("BraTS")]
    entries = list(output.iterdir())
    if len(entries) < len(cases):
        yield f"Not enough output files: {len(entries)} of {len(cases)}"
    for entry in entries:
        try:
            content = nibabel.load(entry).get_fdata()
        except (OSError, ValueError, EOFError, nibabel.filebasedimages.ImageFileError) as error:
            yield f"{entry.name}: {error}"
            continue
        if not content.any():
            yield f"{entry.name}: contains only zeros"


def _brats_file(path: Path, scan: Path) -> Iterator[str]:
    image = SimpleITK.ReadImage(str(path))
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        yield f"{path.name}: not 3-D"
        return
    if "float" in image.GetPixelIDTypeAsString():
        yield f"{path.name}: {image.GetPixelIDTypeAsString()}, whole numbers expected"
    yield from _elsewhere(path.name, image, SimpleITK.ReadImage(str(scan)))


def _elsewhere(name: str, image: SimpleITK.Image, scan: SimpleITK.Image) -> Iterator[str]:
    for what in ("Size", "Spacing", "Origin", "Direction"):
        value, expected = (getattr(each, f"Get{what}")() for each in (image, scan))
        if value != expected:
            yield f"{name}: {what.lower()} {value}, the scan has {expected}"


RULES: dict[str, Callable[[Path, Path], Iterator[str]]] = {
    "grand-challenge": grand_challenge,
    "synapse": synapse,
    "orchestrator": orchestrator,
}

if __name__ == "__main__":
    faults = list(RULES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3])))
    for fault in faults:
        print(fault)
    sys.exit(bool(faults))
