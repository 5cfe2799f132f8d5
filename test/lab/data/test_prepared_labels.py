"""Labels of `lab prepare` are mapped by name, without gaps, and nnU-Net paints each region back."""

from pathlib import Path

import files
import numpy as np
import pytest
from brats_sources import (
    AFTER,
    BEFORE,
    HOME,
    Integrity,
    dataset,
    head_labels,
    label_map,
    prepare,
    write_case,
)


def test_values_are_numbered_from_one_and_mapped_by_name(
    tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    """BraTS before 2023 (1, 2, 4) beside 2023 (1, 2, 3), into the challenge that has RC at 4."""
    write_case(tmp_path / "old" / "BraTS20_Training_001", "BraTS20_Training_001", BEFORE, "_")
    write_case(tmp_path / "new" / "BraTS-GLI-00001-000", "BraTS-GLI-00001-000", AFTER)
    sources = [f"brats-2021={tmp_path / 'old'}", f"brats-gli-2023={tmp_path / 'new'}"]
    flags = [word for source in sources for word in ("--source", source)]
    assert prepare(tmp_path, *flags, "--scheme", "brats-gli") == 0
    message = capsys.readouterr().err
    assert "RC: no source has it, so dataset.json does not name it" in message
    assert dataset(tmp_path)["labels"] == {"background": 0, **AFTER}
    for id in ("brats-2021_BraTS20_Training_001", "brats-gli-2023_BraTS-GLI-00001-000"):
        np.testing.assert_array_equal(label_map(tmp_path, id), head_labels(AFTER))
    integrity(tmp_path / HOME)


def test_a_label_that_one_source_lacks_is_said(
    tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    write_case(tmp_path / "a" / "BraTS-MET-00001-000", "BraTS-MET-00001-000", AFTER)
    write_case(tmp_path / "b" / "BraTS-MET-00002-000", "BraTS-MET-00002-000", AFTER | {"RC": 4})
    sources = (f"brats-met={tmp_path / 'a'}", f"brats-met-2025={tmp_path / 'b'}")
    flags = [word for source in sources for word in ("--source", source)]
    assert prepare(tmp_path, *flags) == 2  # three labels alone: the first source's challenge
    assert "labels ['RC'] are none of brats-met" in capsys.readouterr().err
    assert prepare(tmp_path, *flags, "--scheme", "brats-met-2025") == 0
    assert "RC: brats-met has no such label; what 1 cases show" in capsys.readouterr().err
    assert dataset(tmp_path)["labels"] == {"background": 0, **AFTER, "RC": 4}
    integrity(tmp_path / HOME)


def test_a_label_in_the_middle_that_no_source_has_leaves_no_gap(
    tmp_path: Path, integrity: Integrity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A challenge whose values are 1, 4 and 9, and a source that has the outer two."""
    from dataclasses import replace

    import lab.data.prepare as verb
    from challenge.description import TrainingLayout
    from challenge.scheme import SCHEMES

    layout = TrainingLayout("files of 7 and 5", {7: "NETC", 5: "ET"})
    wide = replace(
        SCHEMES["brats-gli-2023"],
        name="wide",
        labels={"ET": 9, "SNFH": 4, "NETC": 1},
        layouts={"wide": layout},
    )
    monkeypatch.setitem(SCHEMES, "wide", wide)  # type: ignore[misc]
    assert verb.SCHEMES is SCHEMES
    write_case(tmp_path / "in" / "A-1", "A-1", {"NETC": 7, "ET": 5})
    assert prepare(tmp_path, "--source", f"wide={tmp_path / 'in'}") == 0
    assert dataset(tmp_path)["labels"] == {"background": 0, "NETC": 1, "ET": 2}
    np.testing.assert_array_equal(label_map(tmp_path, "A-1"), head_labels({"NETC": 1, "ET": 2}))
    integrity(tmp_path / HOME)


@pytest.mark.parametrize(
    ("layout", "values", "labels", "order"),
    [
        ("brats-gli-2023", AFTER, {"WT": [1, 2, 3], "TC": [1, 3], "ET": [3]}, [2, 1, 3]),
        ("brats-2021", BEFORE, {"WT": [1, 2, 3], "TC": [1, 3], "ET": [3]}, [2, 1, 3]),
        (
            "brats-met-2025",
            AFTER | {"RC": 4},
            {"WT": [1, 2, 3], "TC": [1, 3], "ET": [3], "RC": [4]},
            [2, 1, 3, 4],
        ),
        (
            "brats-ped",
            {"ET": 1, "NETC": 2, "CC": 3, "ED": 4},
            {"WT": [1, 2, 3, 4], "TC": [1, 2, 3], "ET": [1], "CC": [3]},
            [4, 2, 1, 3],
        ),
    ],
)
def test_regions_are_such_that_nnunet_paints_every_label_back(
    layout: str,
    values: dict[str, int],
    labels: dict[str, list[int]],
    order: list[int],
    tmp_path: Path,
    integrity: Integrity,
) -> None:
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    write_case(tmp_path / "in" / "A-1", "A-1", values)
    assert prepare(tmp_path, "--source", f"{layout}={tmp_path / 'in'}", "--regions") == 0
    content = dataset(tmp_path)
    regions = {name: sorted(value) for name, value in content["labels"].items() if value}
    assert regions == labels
    assert content["regions_class_order"] == order
    integrity(tmp_path / HOME)
    truth = label_map(tmp_path, "A-1")
    manager = LabelManager(content["labels"], content["regions_class_order"])
    channels = [np.isin(truth, region) for region in manager.foreground_regions]
    painted = manager.convert_probabilities_to_segmentation(np.stack(channels).astype(np.float32))
    np.testing.assert_array_equal(painted, truth)


def test_regions_are_refused_where_there_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write_nifti(tmp_path / "in" / "A-1_t1c.nii.gz", files.head())
    files.write_nifti(tmp_path / "in" / "A-1_gtv.nii.gz", head_labels({"GTV": 1}))
    assert prepare(tmp_path, "--source", f"brats-men-rt={tmp_path / 'in'}", "--regions") == 2
    assert capsys.readouterr().err == "--regions: GTV make no nested regions\n"
    assert prepare(tmp_path, "--source", f"brats-men-rt={tmp_path / 'in'}") == 0


def test_labels_that_went_through_floats_are_whole_again(
    tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_case(tmp_path / "in", "A-1", AFTER)
    truth = head_labels(AFTER)
    files.write_nifti(path, np.where(truth == 3, 2.9999998, truth).astype(np.float32))
    assert prepare(tmp_path, "--source", f"brats-gli-2023={tmp_path / 'in'}") == 0
    assert "A-1-seg.nii.gz: 2.9999998 taken for 3" in capsys.readouterr().err
    np.testing.assert_array_equal(label_map(tmp_path, "A-1"), truth)
    integrity(tmp_path / HOME)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2.5, "values 2.5 are"),
        (np.nan, "values nan are"),
        (-1, "values -1 are"),
        (300, "values 300 are"),
        (np.inf, "values inf are"),
        (4, "values 4 are"),
    ],
)
def test_values_that_are_no_label_are_refused_by_name(
    value: float, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_case(tmp_path / "in", "A-1", AFTER)
    labels = head_labels(AFTER).astype(np.float32)
    labels[0, 0, 0] = value
    files.write_nifti(path, labels)
    assert prepare(tmp_path, "--source", f"brats-gli-2023={tmp_path / 'in'}") == 2
    line = capsys.readouterr().err
    assert f"{path}: {message} not named by BraTS 2023: 1 NETC, 2 SNFH, 3 ET" in line
    assert len(line.splitlines()) == 1
