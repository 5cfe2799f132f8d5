"""TIFF files: SimpleITK's values and spacing, and what is damaged is refused, never a crash."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tifffile

from challenge.headers import CaseError
from challenge.volume import read_volume

VOXELS = np.random.default_rng(0).integers(0, 1000, (8, 9, 10))  # z, y, x


def write(path: Path, dtype: type = np.int16, compressor: str = "", spacing: float = 0.5) -> Path:
    image = SimpleITK.GetImageFromArray(VOXELS.astype(dtype))
    image.SetSpacing((spacing, 2 * spacing, 1.0))
    writer = SimpleITK.ImageFileWriter()
    writer.SetFileName(str(path))
    writer.SetUseCompression(bool(compressor))
    writer.SetCompressor(compressor)
    writer.Execute(image)
    return path


def assert_equals_simpleitk(path: Path) -> None:
    image = SimpleITK.ReadImage(str(path))
    volume = read_volume(path, None)
    np.testing.assert_array_equal(volume.array, SimpleITK.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.spacing_mm[::-1], image.GetSpacing(), rtol=1e-6)
    assert volume.orientation == "LPS"
    assert volume.remarks == (
        f"{path}: axes are taken for LPS, "
        f"{' x '.join(f'{mm:g}' for mm in volume.spacing_mm[::-1])} mm apart",
    )


@pytest.mark.parametrize("compressor", ["", "PackBits", "Deflate", "LZW"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_values_and_spacing_are_those_of_simpleitk(
    tmp_path: Path, dtype: type, compressor: str
) -> None:
    assert_equals_simpleitk(write(tmp_path / "a.tif", dtype, compressor))


@pytest.mark.parametrize("unit", ["CENTIMETER", "INCH", "NONE"])
def test_resolution_in_every_unit_and_without_one(tmp_path: Path, unit: str) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", VOXELS.astype(np.int16), resolution=(20, 10), resolutionunit=unit
    )
    assert_equals_simpleitk(tmp_path / "a.tif")


def test_a_single_page_is_one_slice(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOXELS[0].astype(np.int16))
    assert read_volume(tmp_path / "a.tif", None).array.shape == (1, 9, 10)


def test_colours_are_no_scan(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 9, 10, 3), np.uint8), photometric="rgb")
    with pytest.raises(CaseError, match=r"a.tif: colour or vector image, not a scan"):
        read_volume(tmp_path / "a.tif", None)


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("compressor", ["", "Deflate"])
def test_a_file_cut_short_is_refused(tmp_path: Path, share: float, compressor: str) -> None:
    path = write(tmp_path / "a.tif", compressor=compressor)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CaseError, match=r"a.tif: (cannot be read as TIFF|size)"):
        read_volume(path, None)


def test_a_damaged_file_is_read_or_refused_and_never_ends_the_program(tmp_path: Path) -> None:
    """SimpleITK's reader ends the process on some of these."""
    rng = np.random.default_rng(0)
    path = write(tmp_path / "a.tif", compressor="PackBits")
    content = path.read_bytes()
    outcomes = {"read": 0, "refused": 0}
    for _ in range(300):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            read_volume(path, np.float32)
            outcomes["read"] += 1
        except CaseError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10
