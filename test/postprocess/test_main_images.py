"""Images choose a case's rules whatever their layout; without one of them the fallback is named."""

import json

import files
import pytest
from cubes import ID, tumour, write_map

from challenge.scheme import MRI_SEQUENCES


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
    assert line["fallback"] is None  # without images both distances would be null
    assert line["distance"] == pytest.approx(expected["distance"])


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
