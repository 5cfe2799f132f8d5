"""`python -m postprocess` from folder to folder: any model's label maps, and what lies beside."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import SimpleITK
from cubes import GLI, PANTHER, box, certain, make_artefacts, softmax_head

from challenge.case import CaseFiles, read_case
from challenge.case_hashes import hash_cases
from challenge.headers import declared_geometry
from challenge.provenance import (
    NAME,
    Provenance,
    content_sha256,
    read_provenance,
    write_provenance,
)
from challenge.scheme import MRI_SEQUENCES, SCHEMES
from postprocess import __main__ as program
from postprocess import refine
from postprocess.__main__ import main
from postprocess.artefact_schema import Cluster, Fallback
from postprocess.artefacts import load_artefacts, save_artefacts
from postprocess.rules_by_probability import DropDoubtful
from postprocess.rules_by_size import RemoveSmall

NETC, SNFH, ET, RC = (GLI.labels[name] for name in ("NETC", "SNFH", "ET", "RC"))
ID = "BraTS-GLI-00001-100"
SPECKS = RemoveSmall("NETC", min_voxels=5)
DOUBT = DropDoubtful("ET", "SNFH", min_probability=0.5)
REPOSITORY = Path(__file__).resolve().parents[2]


def freeze(folder, scheme=GLI, rules=(SPECKS, DOUBT), fallback=(SPECKS,)):
    """Write artefacts whose clusters all have the same rules."""
    artefacts = make_artefacts(scheme)
    clusters = tuple(Cluster(9, 1e9, tuple(rules)) for _ in artefacts.clusters)
    folder.mkdir(exist_ok=True)
    changed = replace(artefacts, clusters=clusters, fallback=Fallback("pooled", tuple(fallback)))
    save_artefacts(folder, changed)
    return folder


def tumour(shape=(20, 22, 18)):
    """A tumour (z, y, x) with an enhancing part, and four voxels of NETC by themselves."""
    labels = np.zeros(shape, np.uint8)
    box(labels, SNFH, (5, 5, 5), (6, 7, 8))
    box(labels, ET, (7, 7, 7), (2, 2, 2))
    box(labels, NETC, (14, 14, 10), (1, 2, 2))
    return labels


def write_map(path, labels, dtype=np.uint8):
    return files.write_nifti(path, labels.transpose(2, 1, 0).astype(dtype))


def read(path):
    return np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)


@pytest.fixture
def home(tmp_path):
    """A folder with artefacts and one label map."""
    freeze(tmp_path / "frozen")
    write_map(tmp_path / "labels" / f"{ID}.nii.gz", tumour())
    return tmp_path


@pytest.fixture
def run(home, capsys):
    """Run the program; return its exit code, its lines and its stderr."""

    def run(*flags, artefact="frozen"):
        folders = ("--labels", "labels", "--artefact", artefact, "--output", "out")
        paths = [flag if flag.startswith("--") else str(home / flag) for flag in folders]
        paths += [str(home / f) if f and (home / f).is_dir() else f for f in flags]
        code = main(paths)
        captured = capsys.readouterr()
        return code, [json.loads(line) for line in captured.out.splitlines()], captured.err

    return run


# Labels alone


def test_labels_alone_take_the_fallback_and_keep_their_geometry(home, run):
    code, [line], err = run()
    output = home / "out" / f"{ID}.nii.gz"
    after = read(output)
    assert (code, line["id"], line["output"]) == (0, ID, str(output))
    assert ((after == NETC).sum(), (after == ET).sum()) == (0, 8)
    assert line["fallback"] == {
        "name": "pooled",
        "reason": "no image of sequence t1c, t1n, t2f, t2w",
    }
    assert (line["cluster"], line["distance"], line["images"], line["probabilities"]) == (
        None,
        None,
        [],
        None,
    )
    assert [rule["kind"] for rule in line["rules"]] == ["remove-small"]
    assert line["voxels_changed"] == {"NETC": {"lost": 4, "gained": 0}}
    assert line["volumes_mm3"]["before"] == {"NETC": 4.0, "SNFH": 328.0, "ET": 8.0, "RC": 0.0}
    assert line["volumes_mm3"]["after"]["NETC"] == 0.0
    assert "post-processing falls back to pooled" in err
    assert declared_geometry(output) == declared_geometry(home / "labels" / f"{ID}.nii.gz")
    assert nibabel.load(output).get_data_dtype() == np.uint8


def test_a_swapped_label_map_is_warned_of_also_of_cases_before_all_labels_were_seen(home, run):
    swapped = tumour()
    swapped[swapped == SNFH] = ET  # 336 of 340 voxels
    write_map(home / "labels" / "a.nii.gz", swapped)
    code, _, err = run()
    assert code == 0
    assert "a: unusual: ET is 99% of WT, usually 0% to 75%; is the label map swapped?" in err
    assert f"{ID}: unusual" not in err
    (home / "labels" / f"{ID}.nii.gz").unlink()
    code, _, err = run()
    assert (code, "unusual" in err) == (0, False)
    assert "shares of WT not judged: no SNFH in the label map" in err


def test_tumours_alone_are_no_swapped_label_map(home, run):
    freeze(home / "abdomen", PANTHER, rules=(), fallback=())
    labels = (tumour() > 0).astype(np.uint8)
    for id in (ID, "another"):
        write_map(home / "labels" / f"{id}.nii.gz", labels)
    code, _, err = run("--foreign", artefact="abdomen")
    assert (code, "unusual" in err) == (0, False)
    assert "shares of pancreas not judged: no pancreas in any of 2 label maps" in err
    (home / "npz").mkdir()
    sure = np.stack([labels == 0, labels, 0 * labels], dtype=np.float32)
    np.savez(home / "npz" / f"{ID}.npz", probabilities=sure)
    code, _, err = run("--foreign", "--probabilities", "npz", artefact="abdomen")
    assert f"{ID}: unusual: tumour is 100% of pancreas" in err  # a head that knows the pancreas


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64, np.int32])
def test_whatever_type_the_labels_have_they_come_out_as_bytes(home, run, dtype):
    write_map(home / "labels" / f"{ID}.nii.gz", tumour(), dtype)
    assert run()[0] == 0
    assert nibabel.load(home / "out" / f"{ID}.nii.gz").get_data_dtype() == np.uint8
    assert read(home / "out" / f"{ID}.nii.gz").sum() == tumour().sum() - 4 * NETC


def test_an_uncompressed_map_comes_out_compressed(home, run):
    (home / "labels" / f"{ID}.nii.gz").unlink()
    write_map(home / "labels" / f"{ID}.nii", tumour())
    code, [line], _ = run()
    assert (code, line["output"]) == (0, str(home / "out" / f"{ID}.nii.gz"))
    assert (read(home / "out" / f"{ID}.nii.gz") == ET).sum() == 8


def test_a_header_extension_and_a_second_version_of_nifti_do_no_harm(home, run):
    path = home / "labels" / f"{ID}.nii.gz"
    image = nibabel.Nifti2Image(tumour().transpose(2, 1, 0), files.LAS)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"by another model"))
    nibabel.save(image, path)
    assert run()[0] == 0
    assert isinstance(nibabel.load(home / "out" / f"{ID}.nii.gz"), nibabel.Nifti2Image)


def test_an_earlier_answer_does_not_survive_and_other_files_do(home, run):
    (home / "out").mkdir()
    write_map(home / "out" / f"{ID}.nii.gz", tumour())
    (home / "out" / "notes.txt").write_text("keep")
    write_map(home / "labels" / f"{ID}.nii.gz", tumour() + 9)
    assert run()[0] == 1
    assert {path.name for path in (home / "out").iterdir()} == {"notes.txt", NAME}


# Labels that cannot be


def spoilt(labels, value):
    labels = labels.astype(np.float64)
    labels[0, 0, 0] = value
    return labels


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "7.0"),
        (1.5, "1.5"),
        (-1, "-1.0"),
        (256 + ET, "259.0"),
        (np.nan, "nan"),
        (1e9, "1000000"),
    ],
)
def test_a_value_that_is_no_label_costs_its_case_only(home, run, value, message):
    write_map(home / "labels" / "b.nii.gz", spoilt(tumour(), value), np.float64)
    code, lines, err = run()
    assert code == 1
    by_id = {line["id"]: line for line in lines}
    assert set(by_id) == {ID, "b"}
    assert f"b.nii.gz: value {message}" in by_id["b"]["error"]
    assert "is no label of brats-gli (0, 1 NETC, 2 SNFH, 3 ET, 4 RC)" in by_id["b"]["error"]
    assert set(by_id["b"]) == {"id", "error"}
    assert (home / "out" / f"{ID}.nii.gz").is_file()
    assert not (home / "out" / "b.nii.gz").exists()
    assert err.splitlines()[-1].startswith("1 of 2 cases failed; b: ")


@pytest.mark.parametrize("value", [-1, 255 + 1, 256 + ET, 5])
def test_whole_numbers_do_not_wrap_into_labels(home, run, value):
    labels = tumour().astype(np.int16)
    labels[0, 0, 0] = value
    write_map(home / "labels" / f"{ID}.nii.gz", labels, np.int16)
    assert f"value {value} is no label" in run()[1][0]["error"]


def test_maps_that_cannot_be_read_are_named(home, run):
    (home / "labels" / "a.nii.gz").write_bytes(b"not gzip")
    (home / "labels" / "b.mha").write_bytes(b"not MetaImage")
    files.write_nifti(home / "labels" / "c.nii.gz", np.zeros((4, 4, 4, 2), np.uint8))
    write_map(home / "labels" / "d.nii.gz", tumour())
    write_map(home / "labels" / "d.nii", tumour())
    code, lines, _ = run()
    errors = {line["id"]: line.get("error") for line in lines}
    assert code == 1
    assert "a.nii.gz: cannot be read as NIfTI" in errors["a"]
    assert "b.mha: cannot be read as MetaImage" in errors["b"]
    assert "c.nii.gz: 4-D image" in errors["c"]
    assert "two label maps of one case, d.nii, d.nii.gz" in errors["d"]
    assert errors[ID] is None


# With images


def test_images_decide_the_cluster(home, run):
    files.write_brats_case(home / "scans" / ID, ID)
    code, [line], _ = run("--images", "scans")
    assert (code, line["fallback"], sorted(line["images"])) == (0, None, sorted(MRI_SEQUENCES))
    assert line["cluster"] in (0, 1) and line["distance"] > 0
    assert [rule["skipped"] for rule in line["skipped"]] == ["no probabilities"]
    assert [rule["kind"] for rule in line["rules"]] == ["remove-small"]


@pytest.mark.parametrize("layout", ["nested", "flat", "nnU-Net", "nnU-Net, another order"])
def test_every_way_to_name_images_gives_the_same_answer(home, run, layout):
    files.write_brats_case(home / "scans" / ID, ID)
    expected = run("--images", "scans")[1][0]
    other, flags = home / "other", []
    if layout == "nested":
        files.write_brats_case(other / "a folder", ID, separator="_")
    elif layout == "flat":
        files.write_brats_case(other, ID)
    else:
        names = MRI_SEQUENCES if layout == "nnU-Net" else MRI_SEQUENCES[::-1]
        flags = [] if layout == "nnU-Net" else ["--channels", ",".join(names)]
        for number, name in enumerate(names):
            scan = files.head(MRI_SEQUENCES.index(name))
            files.write_nifti(other / f"{ID}_{number:04}.nii.gz", scan)
    line = run("--images", "other", *flags)[1][0]
    assert line["distance"] == pytest.approx(expected["distance"])


def test_the_name_of_a_reference_finds_its_images(home, run):
    files.write_brats_case(home / "scans" / ID, ID)
    files.write_nifti(home / "scans" / ID / f"{ID}-seg.nii.gz", files.head())
    (home / "labels" / f"{ID}.nii.gz").rename(home / "labels" / f"{ID}-seg.nii.gz")
    code, [line], _ = run("--images", "scans")
    assert (code, line["id"], line["fallback"]) == (0, f"{ID}-seg", None)
    assert (home / "out" / f"{ID}-seg.nii.gz").is_file()


def test_a_case_without_some_or_all_images_falls_back_by_name(home, run):
    files.write_brats_case(home / "scans" / ID, ID, sequences=("t1n", "t2w", "t2f"))
    write_map(home / "labels" / "another.nii.gz", tumour())
    code, lines, err = run("--images", "scans")
    reasons = {line["id"]: line["fallback"]["reason"] for line in lines}
    assert code == 0
    assert reasons == {
        ID: "no image of sequence t1c",
        "another": "no image of sequence t1c, t1n, t2f, t2w",
    }
    assert f"another: no image of the case in {home / 'scans'}" in err


def test_images_on_another_grid_are_refused_by_name(home, run):
    files.write_brats_case(home / "scans" / ID, ID)
    moved = files.LAS.copy()
    moved[0, 3] += 1
    files.write_nifti(home / "scans" / ID / f"{ID}-t2f.nii.gz", files.head(), moved)
    code, [line], _ = run("--images", "scans")
    assert code == 1
    assert f"{ID}-t2f.nii.gz: not on the grid of {ID}.nii.gz" in line["error"]
    files.write_nifti(home / "scans" / ID / f"{ID}-t2f.nii.gz", files.head(shape=(18, 22, 21)))
    assert "(18, 22, 21) differs from (18, 22, 20)" in run("--images", "scans")[1][0]["error"]


def test_doubled_and_unknown_images_are_refused_by_name(home, run):
    files.write_brats_case(home / "scans" / ID, ID)
    files.write_brats_case(home / "scans", ID, sequences=("t1c",))
    assert "duplicate t1c" in run("--images", "scans")[1][0]["error"]
    files.write_nifti(home / "numbered" / f"{ID}_0004.nii.gz", files.head())
    error = run("--images", "numbered")[1][0]["error"]
    assert error.endswith(
        f"{ID}_0004.nii.gz: no sequence is known for channel 4; name it in --channels"
    )


# With probabilities


def save_npz(path, probabilities, key="probabilities"):
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **{key: probabilities})


def doubtful(labels=None):
    """Probabilities that doubt one voxel of the enhancing part."""
    probabilities = certain(tumour() if labels is None else labels, GLI)
    probabilities[:, 7, 7, 7] = 0.3, 0, 0.3, 0.4, 0
    return probabilities


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
    assert read(home / "out" / f"{ID}.nii.gz")[7, 7, 7] == SNFH


def test_probability_maps_are_written_as_images_before_rules(home, run):
    save_npz(home / "npz" / f"{ID}.npz", doubtful())
    code, [line], _ = run("--probabilities", "npz", "--probability-maps", str(home / "maps"))
    names = [f"{ID}_{region}.nii.gz" for region in GLI.regions]
    assert (code, line["probability_maps"], files.written(home / "maps")) == (
        0,
        names,
        sorted(names),
    )
    core = read(home / "maps" / f"{ID}_TC.nii.gz")
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
    np.testing.assert_array_equal(read(home / "out" / f"{ID}.nii.gz"), expected.labels)
    record = expected.record
    assert line["rules"] == record["rules"]
    for key in ("cluster", "distance", "voxels_changed", "volumes_mm3", "recovered_by"):
        assert line[key] == record[key]


# PANTHER: anisotropic MetaImage, one sequence, never empty


@pytest.fixture
def abdomen(home):
    """One PANTHER case whose label map lies on the grid of its scan."""
    files.write_panther_case(home / "gc")
    scan = next((home / "gc").rglob("*.mha"))
    (home / "scans").mkdir()
    scan.rename(home / "scans" / "0a1b-scan.mha")
    (home / "labels" / f"{ID}.nii.gz").unlink()
    labels = np.zeros((20, 22, 18), np.uint8)
    box(labels, 2, (5, 5, 5), (8, 8, 8))
    box(labels, 1, (7, 7, 7), (3, 3, 3))
    image = SimpleITK.GetImageFromArray(labels.astype(np.int16))
    image.CopyInformation(SimpleITK.ReadImage(str(home / "scans" / "0a1b-scan.mha")))
    SimpleITK.WriteImage(image, str(home / "labels" / "0a1b-scan.mha"))
    removal = RemoveSmall("tumour", "pancreas", min_volume_mm3=100.0)  # 27 voxels are 125.6 mm3
    freeze(home / "panther", PANTHER, (removal,), (replace(removal, min_volume_mm3=1e6),))
    return labels


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


# What cannot work at all


def test_an_artefact_that_does_not_verify(home, run):
    path = home / "frozen" / "postprocess.json"
    document = json.loads(path.read_text())
    for change, message in (
        ({"scheme": "brats-xyz"}, "scheme 'brats-xyz' is not one of brats-gli"),
        ({"scheme": ["brats-gli"]}, "is not one of brats-gli"),
        ({"scheme": "brats-ped"}, "labels"),
        ({"clusters_sha256": "0" * 64}, "sha256"),
        ({"schema": 99}, "schema 99 is newer"),
    ):
        path.write_text(json.dumps(document | change))
        code, lines, err = run()
        assert (code, lines) == (2, [])
        assert message in err.splitlines()[-1]
        assert str(home / "frozen") in err.splitlines()[-1]
    for content in (b"{", b"[]", b"{}", b"\xff"):
        path.write_bytes(content)
        assert run()[0] == 2
    path.unlink()
    code, _, err = run()
    assert (code, err) == (2, f"{path}: cannot be read (No such file or directory)\n")
    assert not (home / "out").exists()


def test_what_is_read_is_never_written_over(home, run, capsys):
    before = (home / "labels" / f"{ID}.nii.gz").read_bytes()
    frozen, labels = str(home / "frozen"), str(home / "labels")
    for output in (home / "labels", home / "elsewhere"):
        if output.name == "elsewhere":
            output.symlink_to(home / "labels")
        flags = ["--artefact", frozen, "--labels", labels, "--output", str(output)]
        assert main(flags) == 2
        assert "--output is the folder of --labels" in capsys.readouterr().err
    assert (home / "labels" / f"{ID}.nii.gz").read_bytes() == before


def test_an_image_beneath_the_images_is_not_written_over(home, abdomen, capsys):
    (home / "scans" / "out").mkdir()
    scan = (home / "scans" / "0a1b-scan.mha").rename(home / "scans" / "out" / "0a1b-scan.mha")
    folders = {"labels": "labels", "images": "scans", "artefact": "panther", "output": "scans/out"}
    assert main([f"--{name}={home / folder}" for name, folder in folders.items()]) == 2
    assert capsys.readouterr().err == f"{scan}: would be written over, and is read\n"


def test_usage_that_cannot_work(home, run, capsys):
    code, _, err = run("--images", "nowhere")
    assert (code, err) == (2, "nowhere: no such folder\n")
    for channels in ("t1n,t1c,t9", "t1c,t1c", ""):
        code, _, err = run("--channels", channels)
        assert code == 2
        assert f"--channels {channels}: not different sequences of brats-gli" in err
    (home / "labels" / f"{ID}.nii.gz").unlink()
    code, _, err = run()
    assert (code, err) == (
        2,
        f"{home / 'labels'}: no label map found (.nii.gz, .nii, .mha), here or one folder deeper; "
        "it holds nothing\n",
    )
    with pytest.raises(SystemExit) as usage:
        main(["--labels", "x"])
    assert usage.value.code == 2


def test_numbered_images_are_what_dataset_json_says(home, run):
    for number in range(4):
        files.write_nifti(home / "scans" / f"{ID}_{number:04d}.nii.gz", files.head(number))
    names = {"0": "FLAIR", "1": "T1", "2": "T1ce", "3": "T2"}
    (home / "scans" / "dataset.json").write_text(json.dumps({"channel_names": names}))
    code, [line], err = run("--images", "scans")
    assert (code, sorted(line["images"])) == (0, ["t1c", "t1n", "t2f", "t2w"])
    assert f"channels t2f, t1n, t1c, t2w, by {home / 'scans' / 'dataset.json'}" in err
    code, [line], err = run("--images", "scans", "--channels", "t1n,t1c,t2w,t2f")
    assert (code, "dataset.json" in err) == (0, False)


@pytest.mark.parametrize("option", ["images", "probabilities"])
def test_a_folder_of_other_cases_is_refused(home, run, option):
    save_npz(home / "else" / "another.npz", doubtful())
    code, lines, err = run(f"--{option}", "else")
    assert (code, lines, err.splitlines()[-1]) == (
        2,
        [],
        f"{home / 'else'}: no {option} of any case, of 1: {ID}; it holds 1 file (another.npz)",
    )


def test_label_maps_may_lie_one_folder_deeper(home, run):
    (home / "labels" / "fold_0").mkdir()
    (home / "labels" / f"{ID}.nii.gz").rename(home / "labels" / "fold_0" / f"{ID}.nii.gz")
    code, [line], _ = run()
    assert (code, line["id"]) == (0, ID)


def test_ctrl_c_is_one_line(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "main", interrupted)
    assert program.run_program() == 130
    assert capsys.readouterr().err == (
        "interrupted; label maps that are there are whole; the same command runs again from the "
        "first case\n"
    )


# The program by itself


def test_the_program_needs_neither_torch_nor_sklearn(home):
    files.write_brats_case(home / "scans" / ID, ID)
    save_npz(home / "npz" / f"{ID}.npz", doubtful())
    names = ("labels", "images", "probabilities", "artefact", "output")
    folders = ("labels", "scans", "npz", "frozen", "out")
    flags = [f"--{n}={home / f}" for n, f in zip(names, folders, strict=True)]
    code = (
        "import runpy, sys\n"
        "try:\n    runpy.run_module('postprocess', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end:\n    print(end.code, file=sys.stderr)\n"
        "heavy = {'torch', 'nnunetv2', 'sklearn', 'pandas', 'joblib'} & set(sys.modules)\n"
        "print('heavy', sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *flags], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.stderr.splitlines()[-2:] == ["0", "heavy []"]
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [ID]


@pytest.mark.slow
def test_a_real_glioma_by_other_models(shared_data: Path, tmp_path: Path):
    """Five published models' maps of one patient, refined by the artefact that ships."""
    folder = shared_data / "tcga-fg-6692"
    to_3 = np.array([0, 1, 2, 0, 3], np.uint8)  # before 2023 enhancement was 4
    sources = sorted((folder / "segmentations").glob("*.nii.gz"))
    for path in sources:
        image = nibabel.load(path)
        labels = to_3[np.asarray(image.dataobj)]
        (tmp_path / "labels").mkdir(exist_ok=True)
        target = tmp_path / "labels" / f"{path.name.split('-')[0]}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(labels, None, image.header), target)
        for sequence in MRI_SEQUENCES:
            scan = folder / "image" / f"TCGA-FG-6692-{sequence}.nii.gz"
            link = tmp_path / "scans" / f"{target.name.split('.')[0]}-{sequence}.nii.gz"
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(scan)
    flags = ["--artefact", REPOSITORY / "weights" / "brats-gli", "--images", tmp_path / "scans"]
    flags += ["--labels", tmp_path / "labels", "--output", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-m", "postprocess", *map(str, flags)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(sources) == 5
    for line in lines:
        before, after = line["volumes_mm3"].values()
        source = tmp_path / "labels" / f"{line['id']}.nii.gz"
        assert declared_geometry(Path(line["output"])) == declared_geometry(source)
        assert set(np.unique(read(line["output"]))) <= {0, *SCHEMES["brats-gli"].labels.values()}
        for name, change in line["voxels_changed"].items():
            assert after[name] - before[name] == change["gained"] - change["lost"]


def test_a_case_named_as_of_a_challenge_of_other_label_values_fails_by_name(home, run):
    """PED's 1 is ET, GLI's is NETC."""
    write_map(home / "labels" / "BraTS-PED-00001-000.nii.gz", tumour())
    code, lines, err = run()
    assert code == 1
    assert {line["id"]: "error" in line for line in lines} == {
        "BraTS-PED-00001-000": True,
        ID: False,
    }
    assert err.splitlines()[-1] == (
        "1 of 2 cases failed; BraTS-PED-00001-000: named as of brats-ped, whose label values are "
        "not those of brats-gli; --foreign refines it all the same"
    )
    code, lines, err = run("--foreign")
    assert (code, len(lines)) == (0, 2)
    assert "1 cases named as of another challenge: --foreign" in err
    (home / "labels" / f"{ID}.nii.gz").unlink()
    assert run()[0] == 2


# Rules that were fitted on the cases that they refine


def list_training_cases(folder, *ids):
    """Write into frozen artefacts which cases they were fitted on."""
    artefacts = load_artefacts(folder, GLI)
    fit = dict(artefacts.fit) | {"training_case_sha256": hash_cases(ids)}
    save_artefacts(folder, replace(artefacts, fit=fit))


def test_rules_say_on_how_many_of_the_cases_they_were_fitted(home, run):
    write_map(home / "labels" / "other.nii.gz", tumour())
    list_training_cases(home / "frozen", ID, "never seen")
    code, lines, err = run()
    assert code == 0
    assert {line["id"]: line["fitted_on_case"] for line in lines} == {ID: True, "other": False}
    said = "frozen: 1 of 2 cases were used to fit these rules; their gain here is not held out"
    assert err.count(said) == 1
    record = read_provenance(home / "out")
    assert (record.verb, record.product, record.held_out) == (
        "postprocess",
        "label maps",
        "in-sample",
    )
    assert record.facts == {"cases": 2, "training_cases": 1, "held_out": "in-sample"}
    assert record.sha256 == content_sha256(home / "out")
    assert set(record.inputs) == {"labels", "rules"}
    assert ID not in (home / "out" / NAME).read_text()
    assert ID not in (home / "frozen" / "postprocess.json").read_text()


@pytest.mark.parametrize(
    ("maps", "training", "expected"),
    [
        ("held-out", ["other"], "held-out"),
        ("held-out", None, "unknown"),
        ("in-sample", ["other"], "in-sample"),
        (None, ["other"], "unknown"),
        (None, [f"{ID}"], "in-sample"),
    ],
)
def test_refined_maps_are_held_out_where_networks_and_rules_are(
    home, run, maps, training, expected
):
    if maps:
        sha256, facts = content_sha256(home / "labels"), {"held_out": maps}
        record = Provenance("label maps", "labels", sha256, verb="out-of-fold", facts=facts)
        write_provenance(home / "labels", record)
    if training:
        list_training_cases(home / "frozen", *training)
    code, _, err = run()
    assert (code, read_provenance(home / "out").held_out) == (0, expected)
    assert ("does not list the cases that chose its rules" in err) == (training is None)


def test_no_rule_is_fitted_on_no_case(home, run):
    freeze(home / "none", rules=(), fallback=())
    list_training_cases(home / "none", ID)
    code, [line], err = run(artefact="none")
    assert (code, line["fitted_on_case"]) == (0, False)
    assert "not held out" not in err


def test_label_maps_of_an_earlier_run_beside_the_new_ones_are_an_input(home, run):
    list_training_cases(home / "frozen", ID)
    assert run()[0] == 0
    (home / "labels" / f"{ID}.nii.gz").rename(home / "labels" / "other.nii.gz")
    code, _, err = run()
    assert code == 0
    assert "holds 1 label maps of an earlier run" in err
    record = read_provenance(home / "out")
    assert record.inputs["earlier label maps"].held_out == "in-sample"
    assert (record.held_out, record.facts["training_cases"]) == ("in-sample", 0)


def test_label_maps_changed_since_their_record_are_refused(home, run):
    record = Provenance("label maps", "labels", "0" * 64, verb="out-of-fold")
    write_provenance(home / "labels", record)
    code, lines, err = run()
    assert (code, lines) == (2, [])
    assert "files were changed, added or removed after `lab out-of-fold` wrote them" in err
