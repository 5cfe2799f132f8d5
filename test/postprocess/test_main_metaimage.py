"""PANTHER's anisotropic MetaImage keeps its grid, and its tumour is never removed entirely."""

import files
import numpy as np
import pytest
import SimpleITK
from cubes import save_npz

from challenge.headers import declared_geometry


@pytest.mark.parametrize("name", ["0a1b-scan.mha", "0a1b-scan_0000.mha"])
def test_an_anisotropic_metaimage(home, run, abdomen, name):
    (home / "scans" / "0a1b-scan.mha").rename(home / "scans" / name)
    code, [line], _ = run("--images", "scans", artefact="panther")
    output = home / "out" / "0a1b-scan.mha"
    assert (code, line["fallback"], line["images"]) == (0, None, ["t1"])
    assert line["volumes_mm3"]["after"]["tumour"] == pytest.approx(27 * 1.1875**2 * 3.3)
    assert declared_geometry(output) == declared_geometry(home / "labels" / "0a1b-scan.mha")
    image = SimpleITK.ReadImage(str(output))
    assert image.GetPixelID() == SimpleITK.sitkUInt8
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), abdomen)


def test_a_tumour_that_the_rules_removed_comes_back_from_labels_alone(home, run, abdomen):
    code, [line], _ = run(artefact="panther")
    assert (code, line["recovered_by"]) == (0, "before-rules")
    assert line["voxels_changed"] == {}


def test_an_empty_answer_stays_empty_without_probabilities(home, run, abdomen):
    path = home / "labels" / "0a1b-scan.mha"
    image = SimpleITK.ReadImage(str(path))
    SimpleITK.WriteImage(image * 0, str(path))
    code, [line], err = run(artefact="panther")
    assert (code, line["recovered_by"], line["fallback"]["reason"]) == (
        0,
        None,
        "the tumour is empty",
    )
    assert "tumour empty after rules; not recovered: no probabilities" in err
    probabilities = np.zeros((3, 20, 22, 18), np.float32)
    probabilities[0] = 1
    probabilities[:2, 5:8, 5:8, 5:8] = np.array([0.7, 0.3]).reshape(2, 1, 1, 1)
    save_npz(home / "npz" / "0a1b-scan.npz", probabilities)
    _, [line], _ = run("--probabilities", "npz", artefact="panther")
    assert line["recovered_by"] == "half-of-maximum"
    assert line["voxels_changed"] == {"tumour": {"lost": 0, "gained": 27}}


def test_grids_of_two_formats_are_compared(home, run, abdomen):
    scan, elsewhere = (
        home / "scans" / "0a1b-scan.mha",
        home / "scans" / "0a1b-scan.nii.gz",
    )
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(scan)), str(elsewhere))
    scan.unlink()
    code, [line], _ = run("--images", "scans", artefact="panther")
    assert (code, line["images"]) == (0, ["t1"])
    assert len(line["remarks"]) == 1  # NIfTI holds an origin in single precision
    assert "0a1b-scan.nii.gz: taken for the grid of 0a1b-scan.mha" in line["remarks"][0]
    files.write_nifti(elsewhere, files.head())
    code, [line], _ = run("--images", "scans", artefact="panther")
    assert code == 1
    assert "0a1b-scan.nii.gz: not on the grid of 0a1b-scan.mha" in line["error"]
