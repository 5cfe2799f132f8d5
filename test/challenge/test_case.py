"""Reading, checking and writing one case: geometry bit for bit, and errors that name the file."""

import gzip
import os
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from challenge.case import CaseError, CaseFiles, read_case, read_scan, write_labels
from challenge.headers import last_line
from challenge.platforms import find_cases

ID = "BraTS-GLI-00005-100"


def one_case(folder: Path) -> CaseFiles:
    files.write_brats_case(folder, ID)
    return find_cases(folder).cases[0]


def test_axes_are_z_y_x_and_spacing_too(tmp_path: Path) -> None:
    case_files = one_case(tmp_path)
    array = files.head(1)
    affine = np.diag([-0.9, 1.1, 3.0, 1])
    for path in case_files.images.values():
        files.write_nifti(path, array, affine)
    case = read_case(case_files)
    assert case.spacing_mm == pytest.approx((3.0, 1.1, 0.9))
    assert case.voxel_volume_mm3 == pytest.approx(2.97)
    np.testing.assert_array_equal(case.images["t1c"], array.transpose(2, 1, 0))


@settings(max_examples=25)
@given(
    labels=st_numpy.arrays(np.uint8, (3, 5, 4), elements=st.integers(0, 4)),
    numbers=st.lists(st.floats(-200, 200, width=32), min_size=12, max_size=12),
    codes=st.tuples(st.sampled_from([0, 1, 2, 4]), st.sampled_from([1, 2, 4])),
)
def test_nifti_geometry_survives_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory,
    labels: np.ndarray,
    numbers: list[float],
    codes: tuple[int, int],
) -> None:
    folder = tmp_path_factory.mktemp("case")
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(4, 5, 3), None)
    header = image.header
    header["pixdim"][1:4] = np.abs(numbers[:3]) + np.float32(0.1)
    for name, number in zip(("quatern_b", "quatern_c", "quatern_d"), numbers[3:6], strict=True):
        header[name] = number / 1000
    header["qoffset_x"] = numbers[6]
    header["srow_x"] = (1 + abs(numbers[7]), numbers[8] / 999, numbers[9] / 999, numbers[10])
    header["qform_code"], header["sform_code"] = codes
    header["srow_y"], header["srow_z"] = (0, 1.5, 0, 3), (0, 0, 2.5, 4)
    header.set_xyzt_units("mm", "sec")
    source = folder / f"{ID}-t1c.nii"
    source.write_bytes(nibabel.Nifti1Image(image.dataobj, None, header).to_bytes())
    case_files = CaseFiles(ID, {"t1c": source}, "t1c", Path(f"{ID}.nii.gz"))

    written = nibabel.load(write_labels(labels, case_files, folder))
    original = nibabel.load(source).header
    for name in ("qform_code", "sform_code", "srow_x", "srow_y", "srow_z", "quatern_b",
                 "quatern_c", "quatern_d", "qoffset_x", "xyzt_units"):  # fmt: skip
        assert written.header[name].tobytes() == original[name].tobytes(), name
    assert written.header["pixdim"][:4].tobytes() == original["pixdim"][:4].tobytes()
    assert written.header.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(written.dataobj), labels.transpose(2, 1, 0))


def test_metaimage_geometry_survives_bit_for_bit(tmp_path: Path) -> None:
    files.write_panther_case(tmp_path / "in")
    case_files = find_cases(tmp_path / "in").cases[0]
    case = read_case(case_files)
    assert case.spacing_mm == (3.3, 1.1875, 1.1875)
    labels = (case.images["t1"] > 300).astype(np.uint8)
    target = write_labels(labels, case_files, tmp_path)
    assert target == tmp_path / "images/pancreatic-tumor-segmentation/0a1b-scan.mha"
    written, scan = (SimpleITK.ReadImage(str(p)) for p in (target, case_files.images["t1"]))
    assert written.GetSpacing() == scan.GetSpacing()
    assert written.GetOrigin() == scan.GetOrigin()
    assert written.GetDirection() == scan.GetDirection()
    assert written.GetPixelID() == SimpleITK.sitkUInt8
    assert b"CompressedData = True" in target.read_bytes()[:600]
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(written), labels)


def test_only_the_finished_file_is_ever_there(tmp_path: Path) -> None:
    case_files = one_case(tmp_path / "in")
    (tmp_path / "out").mkdir()
    write_labels(np.zeros((20, 22, 18), np.uint8), case_files, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{ID}.nii.gz"]


def test_labels_of_another_shape_are_never_written(tmp_path: Path) -> None:
    case_files = one_case(tmp_path / "in")
    (tmp_path / "out").mkdir()
    with pytest.raises(CaseError, match="geometry is not bit for bit"):
        write_labels(np.zeros((20, 22, 17), np.uint8), case_files, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def changed(value: float) -> np.ndarray:
    array = files.head().astype(np.float32)
    array[3, 4, 5] = value
    return array


def colour(path: Path) -> None:
    array = np.zeros((18, 22, 20), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    path.write_bytes(gzip.compress(nibabel.Nifti1Image(array, files.LAS).to_bytes()))


MOVED = files.LAS + np.diag([0.01, 0, 0, 0])
SPOIL = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-400]),
    "not NIfTI": lambda path: path.write_bytes(gzip.compress(b"this is not an image" * 50)),
    "4-D": lambda path: files.write_nifti(path, np.stack([files.head(), files.head()], 3)),
    "NaN": lambda path: files.write_nifti(path, changed(np.nan)),
    "infinite": lambda path: files.write_nifti(path, changed(np.inf)),
    "constant": lambda path: files.write_nifti(path, np.full_like(files.head(), 7)),
    "label map": lambda path: files.write_nifti(path, (files.head() > 400).astype(np.uint8) * 4),
    "other size": lambda path: files.write_nifti(path, files.head()[:-1]),
    "other place": lambda path: files.write_nifti(path, files.head(), MOVED),
    "colour": colour,
}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "cannot be read as NIfTI"),
        ("not NIfTI", "cannot be read as NIfTI"),
        ("4-D", "4-D image of size (18, 22, 20, 2), not 3-D"),
        ("NaN", "1 voxels are NaN or infinite"),
        ("infinite", "1 voxels are NaN or infinite"),
        ("constant", "constant image, every voxel is 7"),
        ("label map", "looks like a label map, not a scan (values 0, 4)"),
        ("other size", "size (17, 22, 20) differs from (18, 22, 20) of " + ID + "-t1c.nii.gz"),
        ("other place", "not on the grid of " + ID + "-t1c.nii.gz"),
        ("colour", "colour image"),
    ],
)
def test_a_bad_image_is_refused_by_name(tmp_path: Path, how: str, message: str) -> None:
    case_files = one_case(tmp_path)
    SPOIL[how](case_files.images["t2w"])
    with pytest.raises(CaseError) as caught:
        read_case(case_files)
    assert message in str(caught.value)
    assert str(case_files.images["t2w"]) in str(caught.value)


def test_real_modalities_on_different_grids_are_refused(shared_data: Path) -> None:
    folder = shared_data / "tcga-fg-6692" / "native-space"
    with pytest.raises(CaseError, match=r"native-t2[wf].nii.gz.*(differs|not on the grid)"):
        read_case(find_cases(folder).cases[0])


def test_a_metaimage_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.mha"
    path.write_text("ObjectType = Image\n")
    with pytest.raises(CaseError, match=r"x.mha: cannot be read as MetaImage"):
        read_scan(path)


def test_a_metaimage_without_the_size_of_its_voxels_is_refused(tmp_path: Path) -> None:
    """SimpleITK would read what lies in memory: sometimes an error, sometimes an image."""
    files.write_panther_case(tmp_path)
    path = next(tmp_path.rglob("*.mha"))
    lines = path.read_bytes().split(b"\n")
    size = next(line for line in lines if line.startswith(b"CompressedDataSize"))
    path.write_bytes(b"\n".join(line for line in lines if line != size))
    with pytest.raises(CaseError, match="no CompressedDataSize"):
        read_scan(path)
    path.write_bytes(b"\n".join(size + b"9" if line == size else line for line in lines))
    with pytest.raises(CaseError, match=r"holds \d+ bytes of voxels, its header tells \d+9"):
        read_scan(path)


def test_a_metaimage_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    """SimpleITK ends the whole process on such a name, without an exception."""
    source = files.write_panther_case(tmp_path) / "images" / "abdominal-t1-mri" / "0a1b-scan.mha"
    path = source.rename(source.with_name(os.fsdecode(b"scan-\xff.mha")))
    with pytest.raises(CaseError, match="its name is not UTF-8"):
        read_scan(path)


def test_the_reason_of_a_reader_is_its_last_line_but_for_guesses() -> None:
    damaged = OSError("Expected 8 bytes, got 0 bytes from object\n - could the file be damaged?")
    assert last_line(damaged) == "Expected 8 bytes, got 0 bytes from object"
    assert last_line(OSError("first\nsecond\n")) == "second"
    assert last_line(OSError("- only a guess")) == "- only a guess"
    assert last_line(OSError()) == "OSError"
