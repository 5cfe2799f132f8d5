"""A NIfTI file is read as SimpleITK reads it, with its size, spacing, affine and values."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import stored
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import agree

from challenge.volume import read_volume

CODES = st.sampled_from([0, 0, 1, 1, 2, 3, 4, 5, -1, 99])
COARSE = st.floats(0.25, 6, width=32)
SLOPES = st.sampled_from([1, 1, 0, 2, -1.5, 0.001, np.nan, np.inf, 1e-30])
INTERS = st.sampled_from([0, 0, 5, -1024, 1e-20, np.nan])
UNITS = st.sampled_from([0, 1, 2, 2, 2, 3, 4, 8, 9, 10, 11, 24, 255])
INTENTS = st.sampled_from([0, 0, 0, 2, 1001, 1002, 1004, 1005, 1006, 1007, 1011, 2003, -5])


@st.composite
def quaternions(draw: st.DrawFn) -> list[float]:
    """b, c, d: any, axes only, or of length 1 but for rounding."""
    kind = draw(st.sampled_from(["any", "axis", "half a turn"]))
    if kind == "axis":
        return draw(st.permutations([draw(st.sampled_from([0, 1, -1, 0.70710677])), 0, 0]))
    b, c, d = (draw(st.floats(-1, 1, width=32)) for _ in range(3))
    length = float(np.linalg.norm([b, c, d])) or 1.0
    longer = draw(st.sampled_from([1, 1 + 4e-7, 1 - 4e-7, 1.01]))
    scale = longer / length if kind == "half a turn" else 0.57
    return [b * scale, c * scale, d * scale]


def rotation(quaternion: list[float]) -> np.ndarray:
    b, c, d = quaternion
    a = np.sqrt(max(0.0, 1 - b * b - c * c - d * d))
    w = np.array([[0, -d, c], [d, 0, -b], [-c, b, 0]])
    return np.eye(3) + 2 * a * w + 2 * w @ w


@st.composite
def sforms(draw: st.DrawFn, like: np.ndarray) -> np.ndarray:
    """A (3, 4) sform: the qform's, nearly so, of another origin, sheared, empty, or no number."""
    kind = draw(
        st.sampled_from(
            ["same", "same", "nearly", "mirrored", "moved", "scaled", "sheared", "zeros", "NaN"]
        )
    )
    sform = like.copy()
    if kind == "nearly":
        sform += draw(st.sampled_from([1e-7, 1e-6, 1e-5, 1e-4, 1e-3])) * np.ones((3, 4))
    elif kind == "mirrored":
        sform[:, 0] *= -1
    elif kind == "moved":
        sform[:, 3] += draw(st.floats(-50, 50, width=32))
    elif kind == "scaled":
        sform[:, :3] *= draw(COARSE)
    elif kind == "sheared":
        sform[0, 1] += draw(st.sampled_from([1e-5, 1e-3, 0.5]))
    elif kind == "zeros":
        sform[:] = 0
    elif kind == "NaN":
        sform[1, 1] = np.nan
    return sform


@st.composite
def nifti_files(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(sorted(stored.CODES)))
    array = stored.voxels(kind)
    spacing = np.array([draw(COARSE) for _ in range(3)])
    qfac = draw(st.sampled_from([1, 1, -1, 0, 7, np.nan]))
    quaternion, offset = draw(quaternions()), [draw(st.floats(-300, 300, width=32))] * 3
    turned = rotation(quaternion) * spacing * (1, 1, -1 if qfac < 0 else 1)
    sform = draw(sforms(np.column_stack([turned, offset])))
    odd = draw(st.sampled_from([None] * 6 + [-1, 0, np.nan, np.inf]))
    pixdim = [qfac, *spacing, 1, 1, 1, 1]
    if odd is not None:
        pixdim[2] = pixdim[2] * odd
    further = draw(st.sampled_from([[], [], [1], [1, 1], [0], [1, 1, 1, 1], [2]]))
    dim = [3 + len(further), 5, 4, 3, *further]
    dim += draw(st.sampled_from([[1] * 8, [0] * 8, [-7, 99, 3, 2, 1, 1, 1, 1]]))
    before = draw(st.sampled_from([b"", b"", bytes(20), b"\1\0\0\0\x10\0\0\0\6\0\0\0comment\0"]))
    content = stored.nifti(
        array,
        draw(st.sampled_from("<<>")),
        before=before,
        dim=dim[:8],
        pixdim=pixdim,
        quatern_b=quaternion[0],
        quatern_c=quaternion[1],
        quatern_d=quaternion[2],
        qoffset_x=offset[0],
        qoffset_y=offset[1],
        qoffset_z=offset[2],
        srow_x=sform[0],
        srow_y=sform[1],
        srow_z=sform[2],
        qform_code=draw(CODES),
        sform_code=draw(CODES),
        xyzt_units=draw(UNITS),
        scl_slope=draw(SLOPES),
        scl_inter=draw(INTERS),
        intent_code=draw(INTENTS),
        toffset=draw(st.sampled_from([0, 7])),
        bitpix=draw(st.sampled_from([16, 3])),
        magic=draw(st.sampled_from([b"n+1"] * 8 + [b"ni1", b""])),
    )
    return gzip.compress(content, mtime=0) if draw(st.booleans()) else content


@settings(max_examples=200)
@given(content=nifti_files())
def test_any_nifti_header_is_read_as_simpleitk_reads_it(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    # Not one stem: of x.nii.gz ITK reads the header, and the voxels of an x.nii beside it.
    name = "packed.nii.gz" if content[:2] == b"\x1f\x8b" else "plain.nii"
    agree(stored.placed(tmp_path_factory.getbasetemp() / name, content))


HALF = float(np.float32(np.sqrt(0.5)))
ZEROS = {"srow_x": [0] * 4, "srow_y": [0] * 4, "srow_z": [0] * 4}
MIRRORED = {"srow_x": [-1, 0, 0, 50]}
READ = {
    "micrometres": {"xyzt_units": 3, "pixdim": [1, 900, 900, 900, 1, 1, 1, 1]},
    "metres and seconds": {"xyzt_units": 9, "pixdim": [1, 9e-4, 9e-4, 9e-4, 1, 1, 1, 1]},
    "a quaternion longer than 1": {
        "sform_code": 0,
        "quatern_b": HALF * 1.0000004,
        "quatern_c": HALF,
    },
    "sform of zeros beside a qform": ZEROS,
    "sform of zeros, a template's": {**ZEROS, "sform_code": 4},
    "neither form": {"qform_code": 0, "sform_code": 0},
    "sform elsewhere, the scanner's": MIRRORED,
    "sform elsewhere, a template's": {**MIRRORED, "sform_code": 4},
    "sform alone": {"qform_code": 0, **MIRRORED},
    "a negative code": {"qform_code": -3, "sform_code": 2, **MIRRORED},
    "sheared sform beside a qform": {"srow_x": [1, 0.5, 0, 10]},
    "no handedness": {"sform_code": 0, "pixdim": [0, 1, 2, 3, 1, 1, 1, 1]},
    "left-handed": {"sform_code": 0, "pixdim": [-1, 1, 2, 3, 1, 1, 1, 1]},
    "a negative spacing": {"pixdim": [1, 1, -2, 3, 1, 1, 1, 1]},
    "a fourth axis of one": {"dim": [4, 5, 4, 3, 1, 1, 1, 1]},
    "seven axes": {"dim": [7, 5, 4, 3, 1, 1, 1, 1]},
    "a fourth axis of none": {"dim": [4, 5, 4, 3, 0, 0, 0, 0]},
    "no scale": {"scl_slope": np.nan, "scl_inter": np.nan},
    "an offset without slope": {"scl_slope": 0, "scl_inter": 5},
    "a slope": {"scl_slope": 0.1, "scl_inter": -3},
    "a pair's magic": {"magic": b"ni1"},
    "vectors of one": {"intent_code": 1007, "dim": [5, 5, 4, 3, 1, 1, 1, 1]},
    "another header size": {"sizeof_hdr": 7},
    "voxels at a byte and a half": {"vox_offset": 352.5},
}


@pytest.mark.parametrize("fields", READ.values(), ids=READ)
def test_odd_nifti_headers_are_read(tmp_path: Path, fields: dict[str, object]) -> None:
    assert agree(stored.placed(tmp_path / "a.nii", stored.nifti(stored.voxels(), **fields)))


def test_nine_hundred_micrometres_are_not_nine_hundred_millimetres(tmp_path: Path) -> None:
    content = stored.nifti(stored.voxels(), **READ["micrometres"])
    assert read_volume(stored.placed(tmp_path / "a.nii", content), None).spacing_mm == (0.9,) * 3


def test_a_plain_file_whose_name_says_gzip_is_read(tmp_path: Path) -> None:
    assert agree(stored.placed(tmp_path / "a.nii.gz", stored.nifti(stored.voxels())))


@pytest.mark.parametrize("kind", sorted(stored.CODES))
@pytest.mark.parametrize("order", "<>")
def test_every_type_in_both_byte_orders(tmp_path: Path, kind: str, order: str) -> None:
    assert agree(stored.placed(tmp_path / "a.nii", stored.nifti(stored.voxels(kind), order)))


@pytest.mark.parametrize("name", ["micrometres", "a slope", "a fourth axis of one", "neither form"])
def test_stock_nnunet_takes_the_same_values_and_spacing(tmp_path: Path, name: str) -> None:
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    path = stored.placed(tmp_path / "a.nii.gz", stored.nifti(stored.voxels(), **READ[name]))
    images, properties = SimpleITKIO().read_images((str(path),))
    volume = read_volume(path, np.float32)
    np.testing.assert_array_equal(volume.array, images[0])
    assert list(volume.spacing_mm) == list(properties["spacing"])


ITK_REFUSES = {
    "NIfTI-2": {"second": True},
    "sheared axes alone": {"qform_code": 0, "srow_x": [1, 0.25, 0, 10]},
    "a matrix's intent": {"intent_code": 1004},
}


@pytest.mark.parametrize("fields", ITK_REFUSES.values(), ids=ITK_REFUSES)
def test_what_only_nibabel_reads_is_read_with_a_warning(
    tmp_path: Path, fields: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    path = stored.placed(tmp_path / "a.nii", stored.nifti(stored.voxels(), **fields))
    assert not agree(path)
    caplog.clear()
    volume = read_volume(path, None)
    np.testing.assert_array_equal(volume.array, stored.voxels())
    assert volume.spacing_mm == (3, 2, 1)
    np.testing.assert_allclose(volume.geometry[:3, 3], (-10, -20, 30))
    assert len(volume.remarks) == 1
    assert f"{path}: its affine is read as nibabel does" in caplog.text
