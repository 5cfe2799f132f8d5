"""What a header declares is checked before a voxel is read."""

from pathlib import Path

import numpy as np
import pytest
import stored

from challenge.case import CaseError
from challenge.headers import MOST_BYTES, Because, check_header
from challenge.volume import read_volume

REFUSED = {
    "two volumes": ({"dim": [4, 5, 4, 3, 2, 1, 1, 1]}, Because.NOT_3D),
    "a slice": ({"dim": [2, 20, 3, 1, 1, 1, 1, 1]}, Because.NOT_3D),
    "no voxel": ({"dim": [3, 5, 0, 3, 1, 1, 1, 1]}, Because.NO_VOXELS),
    "colours": ({"datatype": 128}, Because.NOT_GREY),
    "complex": ({"datatype": 32}, Because.NOT_GREY),
    "displacements": ({"intent_code": 1006}, Because.NOT_GREY),
    "a spacing of 0": ({"pixdim": [1, 1, 0, 3, 1, 1, 1, 1]}, Because.NO_SPACING),
    "a spacing of NaN": ({"pixdim": [1, 1, np.nan, 3, 1, 1, 1, 1]}, Because.NO_SPACING),
    "a micrometre": ({"xyzt_units": 3, "pixdim": [1, 0.5, 1, 1, 1, 1, 1, 1]}, Because.SPACING),
    "voxels at the header's end": ({"vox_offset": 0}, Because.IN_HEADER),
    "voxels far away": ({"vox_offset": 2.0**30}, Because.LONG_HEADER),
    "Analyze": ({"magic": b""}, Because.NO_MAGIC),
    "a gigabyte": ({"dim": [3, 900, 900, 900, 1, 1, 1, 1]}, Because.TOO_LARGE),
    "more voxels than there are": ({"dim": [3, 6, 4, 3, 1, 1, 1, 1]}, Because.FEW_VOXELS),
    "axes that are no numbers": ({"srow_x": [np.nan, 0, 0, 10]}, Because.DEGENERATE_AFFINE),
}


@pytest.mark.parametrize(("fields", "because"), REFUSED.values(), ids=REFUSED)
def test_what_itk_reads_is_refused_for_a_reason(
    tmp_path: Path, fields: dict[str, object], because: Because
) -> None:
    path = stored.placed(tmp_path / "a.nii", stored.nifti(stored.voxels(), **fields))
    with pytest.raises(CaseError, match=r"a\.nii") as caught:
        read_volume(path, None)
    assert caught.value.because is because


def test_a_header_costs_no_memory(tmp_path: Path) -> None:
    header = check_header(stored.placed(tmp_path / "a.nii", stored.nifti(stored.voxels())))
    assert header.total_bytes == 60 * (2 + 4) < MOST_BYTES
