"""Several outputs of a case: label maps, probability maps, values; all of them, or none."""

import json
from dataclasses import replace
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import SimpleITK

from challenge.case import Case, CaseError, CaseFiles, read_case
from challenge.case_outputs import Answer, OutputFolders, WrittenCase, write_case_outputs
from challenge.challenges import SCHEMES
from challenge.description import OutputSocket, Scheme
from challenge.platforms import find_cases
from challenge.scheme import Head

LESION = Head("softmax", ((), ("lesion",)), ("", "lesion"))
MASK = "images/stroke-lesion-segmentation/ab-12.mha"
MAP = "images/lesion-probability-map/ab-12.mha"


def answer() -> Answer:
    """A lesion of 2 x 2 x 2 voxels with 0.75 and of one voxel with 0.5625, 0.125 elsewhere."""
    lesion = np.full((8, 9, 10), 0.125, np.float32)
    lesion[1:3, 1:3, 1:3] = 0.75
    lesion[6, 6, 6] = 0.5625
    labels = (lesion > 0.5).astype(np.uint8)
    return Answer(labels, SCHEMES["isles-2026"], np.stack([1 - lesion, lesion]), LESION)


def isles_case(folder: Path) -> tuple[Case, CaseFiles]:
    (case_files,) = find_cases(files.write_isles_case(folder)).cases
    return read_case(case_files), case_files


def write(folder: Path, scheme: Scheme, maps: Path | None = None) -> WrittenCase:
    case, case_files = isles_case(folder / "in")
    outputs = tuple(
        replace(each, socket=socket, path=socket.location / "ab-12.mha")
        if socket.kind != "value"
        else replace(each, socket=socket, path=socket.location)
        for each, socket in zip(case_files.outputs * 3, scheme.outputs, strict=False)
    )
    case_files = replace(case_files, outputs=outputs)
    return write_case_outputs(
        answer(), case, case_files, scheme, OutputFolders(folder / "out", maps)
    )


def test_a_mask_and_a_probability_map_lie_on_the_scans_grid(tmp_path: Path) -> None:
    write(tmp_path, SCHEMES["isles-2026"])
    scan = SimpleITK.ReadImage(str(tmp_path / "in/images/t1-brain-mri/ab-12.mha"))
    mask, chance = (SimpleITK.ReadImage(str(tmp_path / "out" / name)) for name in (MASK, MAP))
    for image in (mask, chance):
        assert image.GetSpacing() == scan.GetSpacing() and image.GetOrigin() == scan.GetOrigin()
    assert (mask.GetPixelIDTypeAsString(), chance.GetPixelIDTypeAsString()) == (
        "8-bit unsigned integer",
        "32-bit float",
    )
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(mask), answer().labels)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(chance), answer().probabilities[1])


def test_values_are_of_the_written_labels(tmp_path: Path) -> None:
    """Nine voxels of 2 x 2 x 2 mm are 0.072 mL."""
    sockets = {
        "volume": "volume-ml",
        "each": "component-volumes-ml",
        "chance": "highest-probability",
    }
    further = [OutputSocket(s, "value", region="lesion", value=v) for s, v in sockets.items()]
    scheme = replace(SCHEMES["isles-2026"], outputs=(SCHEMES["isles-2026"].outputs[0], *further))
    written = write(tmp_path, scheme)
    assert written.values == {
        "volume": pytest.approx(0.072),
        "each": [pytest.approx(0.064), pytest.approx(0.008)],
        "chance": 0.75,
    }
    for name in sockets:
        assert json.loads((tmp_path / "out" / f"{name}.json").read_text()) == written.values[name]


def test_a_mask_of_some_labels_has_the_values_that_its_socket_says(tmp_path: Path) -> None:
    mask = OutputSocket("mask", labels={"lesion": 7})
    write(tmp_path, replace(SCHEMES["isles-2026"], outputs=(mask,)))
    image = SimpleITK.ReadImage(str(tmp_path / "out/images/mask/ab-12.mha"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), answer().labels * 7)


def test_probability_maps_of_all_regions_go_into_another_folder(tmp_path: Path) -> None:
    written = write(tmp_path, SCHEMES["isles-2026"], tmp_path / "maps")
    assert written.maps == ("ab-12_lesion.mha",)
    image = SimpleITK.ReadImage(str(tmp_path / "maps" / "ab-12_lesion.mha"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), answer().probabilities[1])


@pytest.mark.parametrize("blocked", [MASK, MAP])
def test_where_one_file_cannot_be_written_none_is_left(tmp_path: Path, blocked: str) -> None:
    (tmp_path / "out" / blocked).mkdir(parents=True)  # a folder where a file should be
    with pytest.raises(CaseError, match="cannot be written"):
        write(tmp_path, SCHEMES["isles-2026"])
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_a_region_that_the_model_cannot_tell_is_named_and_nothing_written(tmp_path: Path) -> None:
    case, case_files = isles_case(tmp_path / "in")
    blind = replace(answer(), probabilities=None)
    with pytest.raises(CaseError, match="lesion-probability-map: probability of lesion: there are"):
        write_case_outputs(
            blind, case, case_files, SCHEMES["isles-2026"], OutputFolders(tmp_path / "out")
        )
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_maps_of_nifti_cases_have_the_scans_affine_to_the_bit(tmp_path: Path) -> None:
    scan = files.write_nifti(tmp_path / "x-t1c.nii.gz", files.head())
    case_files = CaseFiles("x", {"t1c": scan}, "t1c", Path("x.nii.gz"))
    case = read_case(case_files, "RAS")
    gtv = np.random.default_rng(0).random(case.shape, np.float32)
    head = Head("softmax", ((), ("GTV",)), ("", "GTV"))
    labels = (gtv > 0.5).astype(np.uint8)
    of_model = Answer(labels, SCHEMES["brats-men-rt"], np.stack([1 - gtv, gtv]), head)
    folders = OutputFolders(tmp_path / "out", tmp_path / "maps")
    write_case_outputs(of_model, case, case_files, SCHEMES["brats-men-rt"], folders)
    image, chance = nibabel.load(scan), nibabel.load(tmp_path / "maps" / "x_GTV.nii.gz")
    assert chance.get_data_dtype() == np.float32
    np.testing.assert_array_equal(chance.affine, image.affine)
    written = np.asanyarray(nibabel.load(tmp_path / "out" / "x.nii.gz").dataobj)
    np.testing.assert_array_equal(np.asanyarray(chance.dataobj) > 0.5, written == 1)
    np.testing.assert_array_equal(case.oriented("LAS").images["t1c"].T, image.get_fdata())
