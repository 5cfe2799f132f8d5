"""What `python -m postprocess` cannot use is named; a bad label map fails its own case alone."""

import json

import files
import numpy as np
import pytest
from cubes import GLI, ID, doubtful, save_npz, tumour, write_map

from postprocess.__main__ import main

ET = GLI.labels["ET"]


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


@pytest.mark.parametrize("option", ["images", "probabilities"])
def test_a_folder_of_other_cases_is_refused(home, run, option):
    save_npz(home / "else" / "another.npz", doubtful())
    code, lines, err = run(f"--{option}", "else")
    assert (code, lines, err.splitlines()[-1]) == (
        2,
        [],
        f"{home / 'else'}: no {option} of any case, of 1: {ID}; it holds 1 file (another.npz)",
    )
