"""A case's scans are assigned to their sequences in any layout and spelling."""

import json

import files
import numpy as np
from report_cases import GLI

from lab.report.scans import index_images, radiological_flips, scans_of


def test_axes_in_another_order_are_left_alone():
    class Volume:
        geometry = np.eye(4)[[1, 0, 2, 3]]

    assert radiological_flips(Volume) is None


def test_scans_lie_nested_or_flat_in_any_spelling_of_their_sequence(tmp_path):
    files.write_brats_case(tmp_path / "a", "a")
    files.write_brats_case(tmp_path, "b", "_", ["flair", "t1"])
    images = index_images(tmp_path)
    assert {s: path.name for s, path in scans_of("a", images, GLI).items()} == {
        s: f"a-{s}.nii.gz" for s in ("t1n", "t1c", "t2w", "t2f")
    }
    assert {s: path.name for s, path in scans_of("b", images, GLI).items()} == {
        "t2f": "b_flair.nii.gz",
        "t1n": "b_t1.nii.gz",
    }
    assert scans_of("c", images, GLI) == {}


def test_channel_numbers_are_read_as_dataset_json_names_them(tmp_path):
    for channel in range(4):
        (tmp_path / "imagesTr").mkdir(exist_ok=True)
        (tmp_path / "imagesTr" / f"a_{channel:04}.nii.gz").touch()
    images = index_images(tmp_path / "imagesTr")
    by_scheme = {s: path.name for s, path in scans_of("a", images, GLI).items()}
    assert by_scheme["t2f"] == "a_0003.nii.gz"
    names = {"0": "FLAIR", "1": "T1Gd", "2": "T2", "3": "T1"}
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "imagesTr").rename(other / "imagesTr")
    (other / "dataset.json").write_text(json.dumps({"channel_names": names}))
    for folder in (other, other / "imagesTr"):
        by_name = scans_of("a", index_images(folder), GLI)
        assert {s: path.name for s, path in by_name.items()} == {
            "t2f": "a_0000.nii.gz",
            "t1c": "a_0001.nii.gz",
            "t2w": "a_0002.nii.gz",
            "t1n": "a_0003.nii.gz",
        }
