"""The program on a folder of label maps and artefacts, for the tests of `python -m postprocess`."""

import json
from dataclasses import replace

import files
import numpy as np
import pytest
import SimpleITK
from cubes import ID, PANTHER, box, freeze, tumour, write_map

from postprocess.__main__ import main
from postprocess.rules_by_size import RemoveSmall


@pytest.fixture
def home(tmp_path):
    """A folder with artefacts and one label map."""
    freeze(tmp_path / "frozen")
    write_map(tmp_path / "labels" / f"{ID}.nii.gz", tumour())
    return tmp_path


@pytest.fixture
def run(home, capsys):
    """Run the program; return its exit code, its lines and its stderr."""

    def run(*flags, artefact="frozen"):
        folders = ("--labels", "labels", "--artefact", artefact, "--output", "out")
        paths = [flag if flag.startswith("--") else str(home / flag) for flag in folders]
        paths += [str(home / f) if f and (home / f).is_dir() else f for f in flags]
        code = main(paths)
        captured = capsys.readouterr()
        return code, [json.loads(line) for line in captured.out.splitlines()], captured.err

    return run


@pytest.fixture
def abdomen(home):
    """One PANTHER case whose label map lies on the grid of its scan."""
    files.write_panther_case(home / "gc")
    scan = next((home / "gc").rglob("*.mha"))
    (home / "scans").mkdir()
    scan.rename(home / "scans" / "0a1b-scan.mha")
    (home / "labels" / f"{ID}.nii.gz").unlink()
    labels = np.zeros((20, 22, 18), np.uint8)
    box(labels, 2, (5, 5, 5), (8, 8, 8))
    box(labels, 1, (7, 7, 7), (3, 3, 3))
    image = SimpleITK.GetImageFromArray(labels.astype(np.int16))
    image.CopyInformation(SimpleITK.ReadImage(str(home / "scans" / "0a1b-scan.mha")))
    SimpleITK.WriteImage(image, str(home / "labels" / "0a1b-scan.mha"))
    removal = RemoveSmall("tumour", "pancreas", min_volume_mm3=100.0)  # 27 voxels are 125.6 mm3
    freeze(home / "panther", PANTHER, (removal,), (replace(removal, min_volume_mm3=1e6),))
    return labels
