"""`python -m lab check` ends in findings, never in a traceback, whatever a file is."""

from pathlib import Path

import bad_files
import pytest
from outputs import FILE, FIRST, SECOND, SOCKET_FOLDER, Say


@pytest.mark.parametrize("make", bad_files.ALL, ids=lambda make: make.__name__)
def test_whatever_an_output_is(make: bad_files.Make, brats: Path, say: Say) -> None:
    (brats / "output" / FILE).unlink()
    make(brats / "output" / FILE)
    code, lines = say(brats)
    assert code == 1
    assert any(FIRST in line and line.startswith("FAULT") for line in lines), lines
    assert not any(line.split()[1] == f"{SECOND}:" for line in lines), lines


@pytest.mark.parametrize("make", bad_files.ALL, ids=lambda make: make.__name__)
def test_whatever_a_scan_is(make: bad_files.Make, brats: Path, say: Say) -> None:
    scan = brats / "input" / FIRST / f"{FIRST}-t1c.nii.gz"
    scan.unlink()
    make(scan)
    code, lines = say(brats)
    assert code == 1
    assert any(FIRST in line for line in lines), lines
    assert not any(line.split()[1] == f"{SECOND}:" for line in lines), lines


METAIMAGES = tuple(make for make in bad_files.ALL if "metaimage" in make.__name__)
PLAIN = (
    bad_files.zero_bytes,
    bad_files.text,
    bad_files.dangling_link,
    bad_files.pipe,
    bad_files.empty_folder,
    bad_files.zipped_text,
)


@pytest.mark.parametrize("make", (*METAIMAGES, *PLAIN), ids=lambda make: make.__name__)
@pytest.mark.parametrize("what", ["scan", "mask"])
def test_whatever_a_metaimage_is(make: bad_files.Make, what: str, panther: Path, say: Say) -> None:
    folder = panther / "output" / SOCKET_FOLDER
    if what == "scan":
        folder = panther / "input" / "images" / "abdominal-t1-mri"
    (path,) = folder.iterdir()
    path.unlink()
    make(path)
    code, lines = say(panther, "grand-challenge")
    if what == "scan" and not lines:  # a link or a folder: the input folder fits no platform
        assert code == 2
    else:
        assert code == 1 and lines
