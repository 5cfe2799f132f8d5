"""Axes by letters, and volumes turned without loss, as SimpleITK and nibabel do it."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from challenge.headers import CaseError
from challenge.orientation import AXIS_CODES
from lab.data.itk_images import axes_of, on_grid_of, read_image, read_itk_grid, turned

OPPOSITE = dict(zip("RLAPIS", "LRPASI", strict=True))


def oblique(seed: int = 0) -> SimpleITK.Image:
    """A volume of 4 x 5 x 6 voxels (x, y, z), turned by 0.1 about one axis of the scanner."""
    array = np.random.default_rng(seed).integers(-99, 999, (6, 5, 4), dtype=np.int16)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing((0.75, 1.25, 3.0))
    image.SetOrigin((-90.5, 31.25, 7.0))
    cos, sin = np.cos(0.1), np.sin(0.1)
    image.SetDirection((1, 0, 0, 0, cos, -sin, 0, sin, cos))
    return image


def test_there_are_48_orders_of_axes() -> None:
    assert len(set(AXIS_CODES)) == 48
    for code in AXIS_CODES:
        assert len({letter for each in code for letter in (each, OPPOSITE[each])}) == 6


@pytest.mark.parametrize("code", AXIS_CODES)
@pytest.mark.parametrize("ending", ["nii.gz", "mha"])
def test_axes_are_those_of_simpleitk_and_nibabel(code: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"scan.{ending}"
    SimpleITK.WriteImage(SimpleITK.DICOMOrient(oblique(), code), str(path))
    stored = read_image(path)
    assert axes_of(stored) == code
    if ending == "nii.gz":  # nibabel's letters mean the same: where an axis increases to
        assert "".join(nibabel.aff2axcodes(nibabel.load(path).affine)) == code
        canonical = nibabel.as_closest_canonical(nibabel.load(path))
        ras = SimpleITK.GetArrayFromImage(turned(stored, "RAS")).transpose(2, 1, 0)
        np.testing.assert_array_equal(ras, np.asanyarray(canonical.dataobj))
    back = turned(stored, axes_of(oblique()))
    np.testing.assert_array_equal(*map(SimpleITK.GetArrayFromImage, (back, oblique())))
    for name in ("GetOrigin", "GetSpacing", "GetDirection"):
        assert getattr(back, name)() == pytest.approx(getattr(oblique(), name)(), abs=1e-5)


def test_without_a_code_nothing_is_turned() -> None:
    image = oblique()
    assert turned(image, None) is image


def test_a_fourth_axis_of_one_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4, 1)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-1.0, -1, 2, 1])), path)
    image = read_image(path)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), array[..., 0].T)
    assert axes_of(image) == "LPS"
    nibabel.save(nibabel.Nifti1Image(np.repeat(array, 2, axis=3), np.eye(4)), path)
    with pytest.raises(CaseError, match=r"scan.nii.gz: 4-D image of size \(2, 3, 4, 2\)"):
        read_image(path)


def test_what_simpleitk_does_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(b"no image")
    for read in (read_image, read_itk_grid):
        with pytest.raises(CaseError, match=r"scan\.nii\.gz: SimpleITK does not read it"):
            read(path)


def test_places_are_alike_where_nnunet_takes_them_for_one(tmp_path: Path) -> None:
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    alike = SimpleITKIO._check_all_same
    for number, off_mm in enumerate((0.0, 1e-6, 1e-4, 1e-2, 1.0)):
        paths = [tmp_path / f"{number}{name}.mha" for name in "ab"]
        other = on_grid_of(np.zeros((6, 5, 4), np.uint8), oblique())
        other.SetSpacing([mm + off_mm for mm in oblique().GetSpacing()])
        for path, image in zip(paths, (oblique(), other), strict=True):
            SimpleITK.WriteImage(image, str(path))
        ours = read_itk_grid(paths[0]).is_alike(read_itk_grid(paths[1]))
        assert ours == alike([SimpleITK.ReadImage(str(path)).GetSpacing() for path in paths])
        assert ours == (off_mm < 1e-5)
