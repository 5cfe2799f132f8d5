"""Probabilities beside label maps let rules apply as in the container; bad ones are refused."""

from pathlib import Path

import files
import numpy as np
import pytest
from cubes import (
    DOUBT,
    GLI,
    ID,
    SPECKS,
    doubtful,
    freeze,
    read_map,
    save_npz,
    softmax_head,
    tumour,
    write_map,
)

from challenge.case import CaseFiles, read_case
from challenge.scheme import MRI_SEQUENCES
from postprocess import refine
from postprocess.artefacts import load_artefacts

SNFH = GLI.labels["SNFH"]


@pytest.mark.parametrize("key", ["probabilities", "softmax"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_probabilities_let_their_rules_apply(home, run, key, dtype):
    files.write_brats_case(home / "scans" / ID, ID)
    save_npz(home / "npz" / f"{ID}.npz", doubtful().astype(dtype), key)
    code, [line], _ = run("--images", "scans", "--probabilities", "npz")
    assert (code, line["skipped"]) == (0, [])
    assert [rule["kind"] for rule in line["rules"]] == ["drop-doubtful", "remove-small"]
    assert line["probabilities"].endswith(f"{ID}.npz")
    assert line["voxels_changed"]["SNFH"] == {"lost": 0, "gained": 1}
    assert read_map(home / "out" / f"{ID}.nii.gz")[7, 7, 7] == SNFH


def test_probability_maps_are_written_as_images_before_rules(home, run):
    save_npz(home / "npz" / f"{ID}.npz", doubtful())
    code, [line], _ = run("--probabilities", "npz", "--probability-maps", str(home / "maps"))
    names = [f"{ID}_{region}.nii.gz" for region in GLI.regions]
    assert (code, line["probability_maps"], files.written(home / "maps")) == (
        0,
        names,
        sorted(names),
    )
    core = read_map(home / "maps" / f"{ID}_TC.nii.gz")
    assert core.dtype == np.float32
    expected = GLI.mask(tumour(), "TC").astype(np.float32)
    expected[7, 7, 7] = 0.4  # NETC 0 and ET 0.4
    np.testing.assert_allclose(core, expected, atol=1e-6)
    code, lines, err = run("--probability-maps", str(home / "maps"))
    assert (code, lines, err) == (2, [], "--probability-maps: needs --probabilities\n")


@pytest.mark.parametrize("names", [("WT", "TC", "ET"), ("WT", "TC", "ET", "RC")])
def test_a_region_head_is_read_in_its_order(home, run, names):
    freeze(home / "frozen", fallback=(DOUBT,))
    labels = tumour()
    regions = [GLI.mask(labels, name) for name in names]
    probabilities = np.stack(regions).astype(np.float32)
    probabilities[2, 7, 7, 7] = 0.4
    save_npz(home / "npz" / f"{ID}.npz", probabilities)
    _, [line], err = run("--probabilities", "npz")
    assert line["voxels_changed"] == {
        "SNFH": {"lost": 0, "gained": 1},
        "ET": {"lost": 1, "gained": 0},
    }
    assert "are channels in order" not in err


def test_a_missing_file_is_named_and_its_rules_are_skipped(home, run):
    freeze(home / "frozen", fallback=(DOUBT, SPECKS))
    write_map(home / "labels" / "another.nii.gz", tumour())
    save_npz(home / "npz" / "another.npz", doubtful())
    code, lines, err = run("--probabilities", "npz")
    (line,) = (line for line in lines if line["id"] == ID)
    assert (code, line["probabilities"]) == (0, None)
    assert f"{ID}: no {ID}.npz in {home / 'npz'}; rules that require it are skipped" in err
    assert [rule["skipped"] for rule in line["skipped"]] == ["no probabilities"]
    assert line["voxels_changed"] == {"NETC": {"lost": 4, "gained": 0}}


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (np.zeros((5, 18, 22, 20), np.float32), r"shape (5, 18, 22, 20), not (channel, z, y, x)"),
        (np.zeros((20, 22, 18), np.float32), "shape (20, 22, 18), not (channel, z, y, x)"),
        (
            np.zeros((6, 20, 22, 18), np.float32),
            "shape (6, 20, 22, 18): 6 channels, where brats-gli has 5 (background and labels) or "
            "3 (WT, TC, ET) or 4 (WT, TC, ET, RC)",
        ),
        (np.zeros((5, 20, 22, 18), np.uint8), "of type uint8, not floating point"),
        (np.full((5, 20, 22, 18), 1.5, np.float32), "values from 1.5 to 1.5 are no probabilities"),
        (np.full((5, 20, 22, 18), np.nan), "values from nan to nan are no probabilities"),
        (np.full((5, 20, 22, 18), 0.5), "channels add up to 2.5, so they are no softmax"),
        (np.full((5, 20, 22, 18), None), "cannot be read as npz (Object arrays"),
    ],
)
def test_probabilities_that_cannot_be_are_refused_by_name(home, run, probabilities, message):
    save_npz(home / "npz" / f"{ID}.npz", probabilities)
    code, [line], _ = run("--probabilities", "npz")
    assert code == 1
    assert f"{ID}.npz: " in line["error"]
    assert message in line["error"]


def test_archives_that_are_none_are_refused_by_name(home, run):
    save_npz(home / "npz" / f"{ID}.npz", doubtful(), "logits")
    assert (
        "holds logits, neither probabilities nor softmax"
        in (run("--probabilities", "npz")[1][0]["error"])
    )
    archive = home / "npz" / f"{ID}.npz"
    for content in (b"", b"PK\x03\x04 cut", b"text"):
        archive.write_bytes(content)
        assert f"{archive}: cannot be read as npz" in run("--probabilities", "npz")[1][0]["error"]
    with archive.open("wb") as file:
        np.save(file, doubtful())
    assert f"{archive}: cannot be read as npz" in run("--probabilities", "npz")[1][0]["error"]


def test_channels_in_another_order_are_suspected_with_a_warning(home, run):
    save_npz(home / "npz" / f"{ID}.npz", doubtful()[[0, 3, 1, 2, 4]])
    code, _, err = run("--probabilities", "npz")
    assert code == 0
    assert f"{ID}: 100% of the labelled voxels have another label by" in err


def test_the_answer_is_that_of_the_container(home, run):
    """The same rules on the same case, through the other door's function."""
    files.write_brats_case(home / "scans" / ID, ID)
    save_npz(home / "npz" / f"{ID}.npz", doubtful())
    _, [line], _ = run("--images", "scans", "--probabilities", "npz")
    images = {s: home / "scans" / ID / f"{ID}-{s}.nii.gz" for s in MRI_SEQUENCES}
    case = read_case(CaseFiles(ID, images, "t1c", Path("x.nii.gz")))
    artefacts = load_artefacts(home / "frozen", GLI)
    expected = refine(case, doubtful(), softmax_head(GLI), artefacts)
    np.testing.assert_array_equal(read_map(home / "out" / f"{ID}.nii.gz"), expected.labels)
    record = expected.record
    assert line["rules"] == record["rules"]
    for key in ("cluster", "distance", "voxels_changed", "volumes_mm3", "recovered_by"):
        assert line[key] == record[key]
