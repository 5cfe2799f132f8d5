"""Reading, checking and writing one case: geometry bit for bit, and errors that name the file."""

import gzip
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import SimpleITK
import stored
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from challenge.case import CaseError, CaseFiles, read_case
from challenge.headers import last_line
from challenge.label_file import write_labels
from challenge.platforms import find_cases
from challenge.volume import read_scan

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
    for name in (
        "qform_code",
        "sform_code",
        "srow_x",
        "srow_y",
        "srow_z",
        "quatern_b",
        "quatern_c",
        "quatern_d",
        "qoffset_x",
        "xyzt_units",
    ):
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


def shifted(x: float, longer: float = 0.0) -> np.ndarray:
    """The sample affine (1 mm), moved by `x` mm, its voxels longer along z by `longer` mm."""
    affine = files.LAS.copy()
    affine[0, 3] += x
    affine[2, 2] += longer
    return affine


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
    "other origin": lambda path: files.write_nifti(path, files.head(), MOVED),
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
        ("other origin", "not on the grid of " + ID + "-t1c.nii.gz"),
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


def test_a_header_that_says_more_than_the_file_holds(tmp_path: Path) -> None:
    files.write_panther_case(tmp_path)
    path = next(tmp_path.rglob("*.mha"))
    content = path.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])
    with pytest.raises(CaseError, match=r"holds \d+ bytes of voxels, its header declares \d+"):
        read_scan(path)


# On either side of a hundredth of a voxel; the sample has 20 voxels along z.
@pytest.mark.parametrize(("x", "longer"), [(0.009, 0), (-0.009, 0), (0, 0.009 / 19)])
def test_less_than_a_hundredth_of_a_voxel_is_one_grid_with_a_warning(
    tmp_path: Path, x: float, longer: float, caplog: pytest.LogCaptureFixture
) -> None:
    case_files = one_case(tmp_path)
    path = files.write_nifti(case_files.images["t2w"], files.head(2), shifted(x, longer))
    case = read_case(case_files)
    assert len(case.remarks) == 1
    assert f"{path}: taken for the grid of {ID}-t1c.nii.gz" in case.remarks[0]
    assert "0.009 of its voxels away" in caplog.text


@pytest.mark.parametrize(("x", "longer"), [(0.011, 0), (0, 0.011 / 19)])
def test_more_is_another_grid(tmp_path: Path, x: float, longer: float) -> None:
    case_files = one_case(tmp_path)
    files.write_nifti(case_files.images["t2w"], files.head(2), shifted(x, longer))
    with pytest.raises(CaseError, match=r"t2w.nii.gz: not on the grid .*0\.011 of its voxels away"):
        read_case(case_files)


def test_an_equal_grid_is_worth_no_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_case(one_case(tmp_path)).remarks == ()
    assert caplog.text == ""


def test_sequences_may_come_in_two_formats(tmp_path: Path) -> None:
    """The same affine, written from right, anterior and from left, posterior."""
    nifti = files.write_nifti(tmp_path / "a.nii.gz", files.head())
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(nifti)), str(tmp_path / "b.mha"))
    images = {"t1c": nifti, "t2f": tmp_path / "b.mha"}
    case = read_case(CaseFiles(ID, images, "t1c", Path("x.nii.gz")))
    np.testing.assert_array_equal(case.images["t1c"], case.images["t2f"])


HALF = np.float32(np.sqrt(0.5)) * np.float32(1.0000004)
ODD: dict[str, dict[str, object]] = {
    "micrometres": {"xyzt_units": 3, "pixdim": [1, 900, 900, 900, 1, 1, 1, 1]},
    "a quaternion longer than 1": {"sform_code": 0, "quatern_b": HALF, "quatern_c": HALF},
    "a sform of zeros": {"srow_x": [0] * 4, "srow_y": [0] * 4, "srow_z": [0] * 4},
    "a fourth axis of one": {"dim": [4, 5, 4, 3, 1, 1, 1, 1]},
    "a slope and a vector's intent": {"scl_slope": 2, "intent_code": 1007},
    "voxels right behind the header": {"vox_offset": 348},
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("fields", ODD.values(), ids=ODD)
def test_labels_lie_where_an_odd_scan_does(
    tmp_path: Path, fields: dict[str, object], order: str
) -> None:
    scan = stored.placed(tmp_path / "scan.nii", stored.nifti(stored.voxels(), order, **fields))
    labels = stored.voxels("u1") % 4
    case_files = CaseFiles(ID, {"t1c": scan}, "t1c", Path(f"{ID}.nii.gz"))
    target = write_labels(labels, case_files, tmp_path)
    image, original = SimpleITK.ReadImage(str(target)), SimpleITK.ReadImage(str(scan))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), labels)
    np.testing.assert_array_equal(stored.itk_affine(image), stored.itk_affine(original))
    headers = (gzip.decompress(target.read_bytes())[:348], scan.read_bytes()[:348])
    # Spacing; units; codes, quaternion, offsets and rows.
    for part in (slice(76, 92), slice(123, 124), slice(252, 328)):
        assert headers[0][part] == headers[1][part]


def test_extensions_of_a_scan_stay(tmp_path: Path) -> None:
    extension = b"\1\0\0\0" + np.array([16, 6], "<i4").tobytes() + b"comment\0"
    content = stored.nifti(stored.voxels(), before=extension)
    case_files = CaseFiles(
        ID, {"t1c": stored.placed(tmp_path / "scan.nii", content)}, "t1c", Path(f"{ID}.nii.gz")
    )
    target = write_labels(stored.voxels("u1") % 4, case_files, tmp_path)
    assert nibabel.load(target).header.extensions[0].get_content() == b"comment"


def test_labels_of_a_metaimage_with_a_fourth_axis_of_one(tmp_path: Path) -> None:
    fields = {
        "NDims": "4",
        "DimSize": "5 4 3 1",
        "ElementSpacing": "1 2 3 4",
        "Offset": "7 8 9 1",
        "CenterOfRotation": "0 0 0 0",
        "TransformMatrix": "0 1 0 0 1 0 0 0 0 0 1 0 0 0 0 1",
    }
    scan = stored.placed(tmp_path / "scan.mha", stored.metaimage(stored.voxels(), fields))
    case_files = CaseFiles("scan", {"t1": scan}, "t1", Path("out.mha"))
    image = SimpleITK.ReadImage(str(write_labels(stored.voxels("u1"), case_files, tmp_path)))
    assert image.GetSize() == (5, 4, 3)
    assert (image.GetSpacing(), image.GetOrigin()) == ((1, 2, 3), (7, 8, 9))
    assert image.GetDirection() == (0, 1, 0, 1, 0, 0, 0, 0, 1)


def test_the_reason_of_a_reader_is_its_last_line_but_for_guesses() -> None:
    damaged = OSError("Expected 8 bytes, got 0 bytes from object\n - could the file be damaged?")
    assert last_line(damaged) == "Expected 8 bytes, got 0 bytes from object"
    assert last_line(OSError("first\nsecond\n")) == "second"
    assert last_line(OSError("- only a guess")) == "- only a guess"
    assert last_line(OSError()) == "OSError"
