"""Compressed voxels of a MetaImage are read by what they hold, not by the size that is declared."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import stored
from stored import agree

from challenge.case import CaseError
from challenge.headers import Because
from challenge.volume import read_volume

ARRAY = stored.voxels()
PACKED = zlib.compress(ARRAY.tobytes())
BYTES = len(PACKED)
# CompressedDataSize and what lies behind the voxels -> what SimpleITK does. Of a size that is
# missing, 0 or half it returns what lies in memory: sometimes an error, sometimes an image.
WRONG_SIZES: dict[str, tuple[str | None, bytes, str]] = {
    "missing": (None, b"", "makes up"),
    "zero": ("0", b"", "makes up"),
    "half": (str(BYTES // 2), b"", "makes up"),
    "without the checksum": (str(BYTES - 4), b"", "reads"),
    "one too large": (str(BYTES + 1), b"", "fails"),
    "a thousand too large": (str(BYTES + 1000), b"", "fails"),
    "terabytes": (str(10**13), b"", "fails"),
    "negative": ("-5", b"", "fails"),
    "right, and more behind": (str(BYTES), b"more", "reads"),
}


@pytest.mark.parametrize(("size", "behind", "simpleitk"), WRONG_SIZES.values(), ids=WRONG_SIZES)
def test_complete_voxels_are_read_whatever_their_size_is_called(
    tmp_path: Path,
    size: str | None,
    behind: bytes,
    simpleitk: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = stored.metaimage(ARRAY, {"CompressedDataSize": size}, packed=True) + behind
    path = stored.placed(tmp_path / "a.mha", content)
    if simpleitk == "reads":
        assert agree(path)
    if simpleitk == "fails":
        with pytest.raises(RuntimeError):
            SimpleITK.ReadImage(str(path))
    volume = read_volume(path, None)
    np.testing.assert_array_equal(volume.array, ARRAY)
    remark = (
        f"{path}: CompressedDataSize is {size or 'missing'}, {BYTES + len(behind)} bytes follow"
    )
    assert remark in "".join(volume.remarks)
    assert remark in caplog.text


def test_a_right_size_is_no_remark(tmp_path: Path) -> None:
    path = stored.placed(tmp_path / "a.mha", stored.metaimage(ARRAY, packed=True))
    assert agree(path)
    assert read_volume(path, None).remarks == ()


def test_voxels_whose_checksum_alone_is_cut_off_are_complete(tmp_path: Path) -> None:
    """SimpleITK fails, since the file ends before CompressedDataSize."""
    path = stored.placed(tmp_path / "a.mha", stored.metaimage(ARRAY, packed=True)[:-4])
    with pytest.raises(RuntimeError):
        SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(read_volume(path, None).array, ARRAY)


@pytest.mark.parametrize("size", [None, "0", str(BYTES - 40), str(BYTES), str(BYTES + 40)])
def test_voxels_that_are_cut_off_are_refused_whatever_their_size_is_called(
    tmp_path: Path, size: str | None
) -> None:
    content = stored.metaimage(ARRAY, {"CompressedDataSize": size}, packed=True)[:-40]
    path = stored.placed(tmp_path / "a.mha", content)
    with pytest.raises(
        CaseError, match=r"a\.mha: .*holds \d+ bytes of voxels, its .* 120"
    ) as caught:
        read_volume(path, None)
    assert caught.value.because is Because.FEW_VOXELS


def test_a_compressed_size_that_is_no_number_is_refused_by_name(tmp_path: Path) -> None:
    content = stored.metaimage(ARRAY, {"CompressedDataSize": "many"}, packed=True)
    path = stored.placed(tmp_path / "a.mha", content)
    with pytest.raises(RuntimeError):
        SimpleITK.ReadImage(str(path))
    with pytest.raises(CaseError, match="CompressedDataSize is 'many'") as caught:
        read_volume(path, None)
    assert caught.value.because is Because.NO_NUMBER
