"""A file is read to its last byte, and its type, scale and values are reported."""

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from outputs import FILE, FIRST, SOCKET_FOLDER, Say, only, patch_header, put, rewrite, rewrite_image


@pytest.mark.parametrize(
    ("cut", "fragment"),
    [
        (lambda content: content[:-4], "as gzip"),
        (lambda content: content[:60], "as gzip"),
        (lambda content: content[:-8] + b"\0\0\0\0" + content[-4:], "CRC"),
        (lambda content: gzip.compress(gzip.decompress(content)[:-1]), "to the end as NIfTI"),
        (lambda content: gzip.decompress(content), "Not a gzipped file"),
        (lambda content: gzip.compress(b"text" * 100), "no NIfTI-1 single file"),
    ],
)
def test_a_file_that_does_not_reach_its_end(
    brats: Path, say: Say, cut: Callable[[bytes], bytes], fragment: str
) -> None:
    path = brats / "output" / FILE
    path.write_bytes(cut(path.read_bytes()))
    only(say(brats), FIRST, fragment)


def test_nifti_of_another_kind_or_dimension(brats: Path, say: Say) -> None:
    path = brats / "output" / FILE
    image = nibabel.load(path)
    second = nibabel.Nifti2Image(np.asarray(image.dataobj), image.affine)
    path.write_bytes(gzip.compress(second.to_bytes()))
    only(say(brats), FIRST, "no NIfTI-1 single file")
    fourth = nibabel.Nifti1Image(np.asarray(image.dataobj)[..., None], image.affine)
    path.write_bytes(gzip.compress(fourth.to_bytes()))
    only(say(brats), FIRST, "4-D image of size (18, 22, 20, 1), 3-D expected")


@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_metaimage(panther: Path, say: Say, compressed: bool) -> None:
    (path,) = (panther / "output" / SOCKET_FOLDER).iterdir()
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(path)), str(path), compressed)
    path.write_bytes(path.read_bytes()[:-3])
    fragment = "cut after" if compressed else "7917 data bytes"  # of 18 * 22 * 20
    level = only(say(panther, "grand-challenge"), "0a1b-scan", "as MetaImage", fragment)
    assert level == "FAULT"


def test_a_metaimage_with_more_bytes_than_voxels(panther: Path, say: Say) -> None:
    (path,) = (panther / "output" / SOCKET_FOLDER).iterdir()
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(path)), str(path), False)
    path.write_bytes(path.read_bytes() + b"rest")
    only(say(panther, "grand-challenge"), "0a1b-scan", "7924 data bytes, 7920 expected")


def test_a_metaimage_whose_bytes_changed_on_the_way(panther: Path, say: Say) -> None:
    (path,) = (panther / "output" / SOCKET_FOLDER).iterdir()
    content = bytearray(path.read_bytes())
    content[-2] ^= 1  # within the checksum
    path.write_bytes(bytes(content))
    only(say(panther, "grand-challenge"), "0a1b-scan", "not readable", "incorrect data check")


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda image: image[:, :, 3], "2-D image of size (18, 22), 3-D expected"),
        (lambda image: SimpleITK.Compose(image, image), "2 numbers a voxel"),
        (lambda image: SimpleITK.Cast(image, SimpleITK.sitkInt16), "int16, uint8 expected"),
        (lambda image: SimpleITK.Cast(image, SimpleITK.sitkFloat32), "float32, an integer type"),
        (lambda image: image * 0, "every voxel is 0: panther-t1 gives it the worst"),
        (lambda image: image * 0 + 1, "every voxel is 1"),
        (lambda image: image * 2, "0, 1 (panther-t1): 2 in 64 voxels; 2 is pancreas"),
        (lambda image: image * 255, "255 in 64 voxels\n"),
    ],
)
def test_what_panther_refuses(
    panther: Path,
    say: Say,
    change: Callable[[SimpleITK.Image], SimpleITK.Image],
    fragment: str,
) -> None:
    rewrite_image(panther, change)
    assert only(say(panther, "grand-challenge"), "0a1b-scan", fragment) == "FAULT"


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda labels: labels.astype(np.int16), "stored as int16, uint8 expected"),
        (lambda labels: labels.astype(np.float32), "stored as float32, an integer type"),
        (lambda labels: put(labels, 255, 255), "0, 1, 2, 3, 4 (brats-gli): 255 in 2 voxels"),
        (lambda labels: put(labels, 9, 7, 9), "9 in 2 voxels, 7 in 1 voxel"),
    ],
)
def test_one_wrong_thing_about_the_values(
    brats: Path, say: Say, change: Callable[[np.ndarray], np.ndarray], fragment: str
) -> None:
    rewrite(brats / "output" / FILE, change)
    assert only(say(brats), FIRST, fragment) == "FAULT"


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (-1, np.int16, "-1 in 1 voxel"),
        (2.9999, np.float32, "2.9999 in 1 voxel"),
        (2.9999999, np.float64, "2.9999999 in 1 voxel"),
        (np.nan, np.float32, "nan in 1 voxel"),
    ],
)
def test_values_that_only_another_type_can_hold(
    brats: Path, say: Say, value: float, dtype: type, message: str
) -> None:
    rewrite(brats / "output" / FILE, lambda labels: put(labels, value, dtype=dtype))
    code, lines = say(brats)
    assert code == 1
    assert [line.split(": ")[1].split(" ")[0] for line in lines] == ["stored", "values"]
    assert lines[1].endswith(message)


def test_a_probability_map_is_not_listed_value_by_value(brats: Path, say: Say) -> None:
    noise = np.random.default_rng(0).random((20, 22, 18), np.float32)
    rewrite(brats / "output" / FILE, lambda labels: noise)
    lines = say(brats)[1]
    assert " more values" in lines[1]
    assert len(lines[1]) < 400


def test_a_scaled_file_tells_the_scale_and_the_values_that_come_of_it(
    brats: Path, say: Say
) -> None:
    patch_header(brats / "output" / FILE, scl_slope=0.5, scl_inter=0)
    code, lines = say(brats)
    assert code == 1
    assert lines[0] == f"FAULT {FIRST}: scl_slope 0.5 and scl_inter 0, 1 and 0 expected"
    assert "1.5 in 100 voxels" in lines[1]
    assert len(lines) == 2


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_no_scale_is_as_good_as_one(brats: Path, say: Say, slope: float) -> None:
    patch_header(brats / "output" / FILE, scl_slope=slope, scl_inter=0)
    assert say(brats)[0] == 0
