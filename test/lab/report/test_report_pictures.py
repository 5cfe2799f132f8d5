"""A case's picture shows its largest error, turned and spaced as the patient is."""

import re

import files
import numpy as np
import pytest
from report_cases import GLI, cohort, facts, table

from lab.evaluation.results import Facts
from lab.report.errors import largest_error, most_central
from lab.report.pictures import outline, picture


def test_the_largest_error_is_the_largest_connected_one():
    reference = np.zeros((7, 9, 9), np.uint8)
    prediction = reference.copy()
    prediction[1, 1, 1:3] = 1
    reference[4:7, 4:7, 4:7] = 2
    result = largest_error(prediction, reference, (3.0, 1.0, 1.0), [1, 2])
    assert result.centre == (5, 5, 5)
    assert (result.voxels, result.prediction_label, result.reference_label) == (27, 0, 2)
    assert largest_error(prediction, reference, (3.0, 1.0, 1.0), [1]).voxels == 2
    assert largest_error(reference, reference, (1.0, 1.0, 1.0), [1, 2]).voxels == 0
    assert largest_error(prediction * 0, reference * 0, (1.0, 1.0, 1.0), [1, 2]) is None


def test_the_centre_of_a_shell_lies_in_the_shell():
    shell = np.ones((9, 9, 9), bool)
    shell[2:7, 2:7, 2:7] = False
    assert shell[most_central(shell, (1.0, 1.0, 1.0))]


def test_an_outline_runs_around_its_voxels_in_mm():
    mask = np.zeros((4, 5), bool)
    mask[1, 2] = True
    numbers = np.array(re.findall(r"[\d.]+", outline(mask, (3.0, 2.0))), float).reshape(-1, 2)
    # Voxel (row 1, column 2) of 3 x 2 mm has its centre at x = 5, y = 4.5.
    assert numbers.min(0).tolist() == [4, 3]
    assert numbers.max(0).tolist() == [6, 6]
    assert outline(mask * False, (1.0, 1.0)) == ""


def labelled(folder, side, affine):
    labels = np.zeros((6, 10, 12), np.uint8)  # (x, y, z)
    labels[1:5, 4:8, 4:9] = 2
    if side == "predictions":
        labels[5, 4:8, 4:9] = 2
    return str(files.write_nifti(folder / side / "a.nii.gz", labels, affine))


def test_slices_have_the_shape_of_the_patient(tmp_path):
    affine = np.diag([-2.0, -1.0, 5.0, 1.0])
    paths = [labelled(tmp_path, side, affine) for side in ("predictions", "references")]
    result = picture(Facts(*paths, 10.0, table(), {}), GLI.labels, GLI.labels, None)
    sizes = {p["plane"]: (p["width_mm"], p["height_mm"]) for p in result["panels"]}
    assert sizes == {"axial": (12, 10), "coronal": (12, 60), "sagittal": (10, 60)}
    error = result["largest_error"]
    assert (error["voxels"], error["volume_mm3"]) == (20, 200)
    assert (error["voxel_xyz"][0], error["prediction"], error["reference"]) == (
        5,
        "SNFH",
        "background",
    )
    # Stored from right to left, so the last x lies at the page's right edge.
    axial = result["panels"][0]
    assert axial["cross_mm"][0] == 11
    assert {(path["side"], path["label"]) for path in axial["paths"]} == {
        ("prediction", "SNFH"),
        ("reference", "SNFH"),
    }


def test_a_scan_stored_the_other_way_round_is_turned(tmp_path):
    # x grows towards the right: the last x must land on the page's left, z still points up.
    affine = np.diag([2.0, -1.0, 5.0, 1.0])
    paths = [labelled(tmp_path, side, affine) for side in ("predictions", "references")]
    result = picture(Facts(*paths, 10.0, table(), {}), GLI.labels, GLI.labels, None)
    axial, coronal, _ = result["panels"]
    assert axial["cross_mm"][0] == 1
    z = result["largest_error"]["voxel_xyz"][2]
    assert coronal["cross_mm"] == [1, (12 - z - 0.5) * 5]


def test_the_smallest_tissue_is_drawn_last(tmp_path):
    result = cohort(tmp_path, {"a": 0})
    axial = picture(result.facts["a"], GLI.labels, GLI.labels, None)["panels"][0]
    outlines = [(path["side"], path["label"]) for path in axial["paths"]]
    assert outlines == [(s, n) for s in ("reference", "prediction") for n in ("SNFH", "ET", "NETC")]


def test_labels_that_are_not_evaluated_cannot_be_the_largest_error(tmp_path):
    result = cohort(tmp_path, {"a": 1})
    output = picture(result.facts["a"], GLI.labels, ["NETC"], None)["largest_error"]
    assert (output["voxels"], {output["prediction"], output["reference"]}) == (
        2,
        {"NETC", "ET"},
    )


@pytest.mark.parametrize(
    ("reference", "prediction", "sequence"),
    [(2, 0, "t2f"), (0, 2, "t2f"), (3, 0, "t1c"), (3, 2, "t1c"), (1, 3, "t1c"), (2, 2, "t2f")],
)
def test_the_backdrop_is_the_sequence_that_shows_the_label_in_error(
    tmp_path, reference, prediction, sequence
):
    maps = {"predictions": prediction, "references": reference}
    for side, value in maps.items():
        labels = np.zeros((8, 8, 8), np.uint8)
        labels[2:6, 2:6, 2:6] = value
        files.write_nifti(tmp_path / side / "a.nii.gz", labels)
    paths = [str(tmp_path / side / "a.nii.gz") for side in maps]
    values = np.arange(512, dtype=np.float32).reshape(8, 8, 8)
    scans = {
        name: files.write_nifti(tmp_path / f"a-{name}.nii.gz", values)
        for name in ("t1n", "t1c", "t2w", "t2f")
    }
    result = picture(Facts(*paths, 1.0, table(), {}), GLI.labels, GLI.labels, scans)
    assert (result["sequence"], result["note"]) == (sequence, f"Scan: a-{sequence}.nii.gz")
    without = picture(Facts(*paths, 1.0, table(), {}), GLI.labels, GLI.labels, {})
    assert without["note"] == "No scan of this case"


def test_a_scan_that_does_not_fit_is_named_and_replaced(tmp_path):
    result = cohort(tmp_path, {"a": 1})
    files.write_brats_case(tmp_path, "a")
    output = picture(result.facts["a"], GLI.labels, GLI.labels, {"t1c": tmp_path / "a-t1c.nii.gz"})
    assert "a-t1c.nii.gz has another size" in output["note"]
    assert len(output["panels"]) == 3
    missing = Facts(None, "r", 1.0, table(), {})
    assert (
        picture(missing, GLI.labels, GLI.labels, None)["missing"]
        == "There is no prediction for this case."
    )
    assert (
        facts(table()).prediction
        in picture(facts(table()), GLI.labels, GLI.labels, None)["missing"]
    )
