"""Compare a folder of labels with the expected one.

    python compare_labels.py EXPECTED OUTPUT [--tolerance 0.001]

Both must hold the same files and folders and nothing else; every label image must have the same
type and the same geometry, bit for bit; and no more voxels may differ than `tolerance` times the
expected foreground. Exit code 0: all the same; 1: not.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk

NIFTI_GEOMETRY = (
    *("dim", "pixdim", "xyzt_units", "qform_code", "sform_code"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)


@dataclass(frozen=True)
class LabelImage:
    voxels: np.ndarray
    geometry: dict[str, bytes]


def read(path: Path) -> LabelImage:
    """A label image with its geometry as bytes, so that equal means equal to the last bit."""
    if path.name.endswith(".nii.gz"):
        image = nibabel.load(path)
        geometry = {key: image.header[key].tobytes() for key in NIFTI_GEOMETRY}
        return LabelImage(np.asanyarray(image.dataobj), geometry)
    image = sitk.ReadImage(str(path))
    parts = {
        "size": image.GetSize(),
        "spacing": image.GetSpacing(),
        "origin": image.GetOrigin(),
        "direction": image.GetDirection(),
    }
    geometry = {key: np.asarray(value, np.float64).tobytes() for key, value in parts.items()}
    return LabelImage(sitk.GetArrayFromImage(image), geometry)


def complaint(expected: LabelImage, output: LabelImage, allowed: int) -> str:
    """What is wrong with the output, or nothing."""
    if output.voxels.dtype != expected.voxels.dtype:
        return f"type {output.voxels.dtype}, expected {expected.voxels.dtype}"
    if output.voxels.shape != expected.voxels.shape:
        return f"shape {output.voxels.shape}, expected {expected.voxels.shape}"
    changed = [key for key in expected.geometry if output.geometry[key] != expected.geometry[key]]
    if changed:
        return f"geometry differs in {', '.join(changed)}"
    differing = int(np.count_nonzero(output.voxels != expected.voxels))
    return f"{differing} voxels differ, {allowed} allowed" if differing > allowed else ""


def compare_file(expected_path: Path, output_path: Path, tolerance: float) -> bool:
    expected = read(expected_path)
    foreground = int(np.count_nonzero(expected.voxels))
    allowed = int(tolerance * foreground)
    try:
        wrong = complaint(expected, read(output_path), allowed)
    except (OSError, RuntimeError, nibabel.filebasedimages.ImageFileError) as error:
        wrong = f"cannot be read: {error}"
    print(f"{'DIFFERS' if wrong else 'same'}: {output_path}: {wrong or f'{foreground} voxels'}")
    return not wrong


def compare_folders(expected: Path, output: Path, tolerance: float) -> bool:
    wanted = {path.relative_to(expected) for path in expected.rglob("*")}
    written = {path.relative_to(output) for path in output.rglob("*")}
    for name in sorted(wanted - written):
        print(f"MISSING: {output / name}")
    for name in sorted(written - wanted):
        print(f"UNEXPECTED: {output / name}")
    files = [name for name in sorted(wanted & written) if (expected / name).is_file()]
    if not files:
        print(f"NOTHING to compare in {expected}")
    same = [compare_file(expected / name, output / name, tolerance) for name in files]
    return bool(files) and wanted == written and all(same)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("expected", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--tolerance", type=float, default=0.001, help="share of the foreground")
    args = parser.parse_args()
    return 0 if compare_folders(args.expected, args.output, args.tolerance) else 1


if __name__ == "__main__":
    sys.exit(main())
