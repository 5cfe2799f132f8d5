"""grand-challenge's inputs: which sockets make which challenge's case, and what is refused."""

from dataclasses import replace
from pathlib import Path

import files
import numpy as np
import pytest

from challenge.case import CaseError, read_case
from challenge.challenges import SCHEMES
from challenge.description import InputSocket, OutputSocket, Scheme
from challenge.input_cases import InputError
from challenge.input_values import input_numbers
from challenge.platforms import find_cases

# One CT on its own grid, one PET on another, which is brought to the CT's.
PET_CT = replace(
    SCHEMES["isles-2026"],
    name="pet-ct",
    sequences=("ct", "pet"),
    geometry_from="ct",
    inputs=(
        InputSocket("thorax-ct", "ct"),
        InputSocket("thorax-pet", "pet", resampling="linear"),
        InputSocket("age", is_optional=True),
    ),
    outputs=(OutputSocket("lung-lesions"),),
)


@pytest.fixture
def pet_ct(monkeypatch: pytest.MonkeyPatch) -> Scheme:
    monkeypatch.setitem(SCHEMES, PET_CT.name, PET_CT)  # type: ignore[misc]
    return PET_CT


def scan(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1000, (8, 9, 10)).astype(np.int16)


@pytest.mark.parametrize("with_json", [True, False])
def test_an_image_and_a_value_make_a_case(tmp_path: Path, with_json: bool) -> None:
    files.write_isles_case(tmp_path)
    if not with_json:
        (tmp_path / "inputs.json").unlink()
    inputs = find_cases(tmp_path)
    (files_,) = inputs.cases
    assert (files_.id, files_.scheme, inputs.time_limit_s) == ("ab-12", "isles-2026", 420)
    assert files_.output_paths == (
        Path("images", "stroke-lesion-segmentation", "ab-12.mha"),
        Path("images", "lesion-probability-map", "ab-12.mha"),
    )
    case = read_case(files_)
    assert case.values["stroke-metadata"]["CENTER"] == "R001"
    assert input_numbers(case.values, SCHEMES["isles-2026"]) == {
        "stroke-metadata.CHRONICITY": -1.0,
        "stroke-metadata.DAYS_POST_STROKE": 471.0,
    }


def test_a_socket_that_is_missing_or_unknown_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="isles-2026: missing stroke-metadata"):
        find_cases(files.write_isles_case(tmp_path / "a", files.ISLES_SLUGS[:1]))
    with pytest.raises(InputError, match="isles-2026: unknown brain-ct"):
        find_cases(files.write_isles_case(tmp_path / "b", (*files.ISLES_SLUGS, "brain-ct")))
    folder = files.write_isles_case(tmp_path / "c")
    (folder / "stroke-metadata.json").unlink()
    with pytest.raises(InputError, match=r"c/stroke-metadata.json: no such file, though"):
        find_cases(folder)


def test_further_sockets_are_passed_over_where_the_challenge_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    open_to_more = replace(SCHEMES["isles-2026"], ignores_further_inputs=True)
    monkeypatch.setitem(SCHEMES, "isles-2026", open_to_more)  # type: ignore[misc]
    (case,) = find_cases(files.write_isles_case(tmp_path, (*files.ISLES_SLUGS, "brain-ct"))).cases
    assert case.further_inputs == ("brain-ct",)
    assert "inputs.json: not read, unknown to isles-2026: brain-ct" in caplog.text


@pytest.mark.parametrize("text", ["{", "[1, NaN]", "[" * 100_000, ""])
def test_json_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    folder = files.write_isles_case(tmp_path)
    (folder / "stroke-metadata.json").write_text(text)
    (case,) = find_cases(folder).cases
    with pytest.raises(CaseError, match=r"stroke-metadata.json: not JSON \("):
        read_case(case)


def test_an_image_on_another_grid_is_brought_to_the_reference(
    tmp_path: Path, pet_ct: Scheme
) -> None:
    """A ramp of 10 a millimetre along x, sampled 4 mm apart, is the same ramp 2 mm apart."""
    x, z = np.arange(6, dtype=np.float32) * 40, np.arange(5, dtype=np.float32) * 4000
    ramp = np.broadcast_to(x + z[:, None, None], (5, 5, 6))
    files.write_metaimage(tmp_path / "images" / "thorax-ct" / "a.mha", scan())
    files.write_metaimage(tmp_path / "images" / "thorax-pet" / "b.mha", ramp, spacing=4.0)
    (files_,) = find_cases(tmp_path).cases
    assert (files_.id, files_.geometry_from, files_.values) == ("a", "ct", {})
    case = read_case(files_)
    assert case.images["pet"].shape == (8, 9, 10)
    np.testing.assert_allclose(case.images["pet"][4, 4], 8000 + np.arange(10) * 20, atol=1e-2)
    (remark,) = case.remarks
    assert remark.endswith("b.mha: linear resampling to the grid of a.mha")


def test_grids_that_differ_are_refused_where_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ct, pet, age = PET_CT.inputs
    strict = replace(PET_CT, inputs=(ct, replace(pet, resampling=""), age))
    monkeypatch.setitem(SCHEMES, PET_CT.name, strict)  # type: ignore[misc]
    files.write_metaimage(tmp_path / "images" / "thorax-ct" / "a.mha", scan())
    files.write_metaimage(tmp_path / "images" / "thorax-pet" / "b.mha", scan(), origin=1.0)
    (case,) = find_cases(tmp_path).cases
    with pytest.raises(CaseError, match=r"b.mha: not on the grid of a.mha \(up to 0.87"):
        read_case(case)


def test_one_socket_of_two_is_not_a_case(tmp_path: Path, pet_ct: Scheme) -> None:
    files.write_metaimage(tmp_path / "images" / "thorax-ct" / "a.mha", scan())
    with pytest.raises(InputError, match="not the sockets of pet-ct: missing thorax-pet"):
        find_cases(tmp_path)


@pytest.mark.parametrize("ending", [".mha", ".nii.gz", ".tif"])
def test_images_of_every_kind_are_read(tmp_path: Path, ending: str, pet_ct: Scheme) -> None:
    array = scan()
    files.write_metaimage(tmp_path / "images" / "thorax-ct" / f"a{ending}", array)
    files.write_metaimage(tmp_path / "images" / "thorax-pet" / f"b{ending}", scan(1))
    (files_,) = find_cases(tmp_path).cases
    case = read_case(files_)
    np.testing.assert_array_equal(case.images["ct"], array)
    assert files_.output == Path("images", "lung-lesions", "a.mha")


def test_the_models_at_hand_decide_between_challenges_of_the_same_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(SCHEMES["panther-t1"], name="abdomen")
    monkeypatch.setitem(SCHEMES, "abdomen", other)  # type: ignore[misc]
    files.write_panther_case(tmp_path)
    with pytest.raises(InputError, match=r"several challenges \(panther-t1, abdomen\)"):
        find_cases(tmp_path)
    (case,) = find_cases(tmp_path, challenges={"abdomen"}).cases
    assert case.scheme == "abdomen"


def test_a_folder_that_is_not_called_as_its_socket_is_known_without_inputs_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on grand-challenge: the slug ends in -images, the folder does not."""
    slug, home = "stacked-endoscopy-images", Path("images", "stacked-endoscopy")
    scheme = replace(
        SCHEMES["panther-t1"],
        name="endoscopy",
        inputs=(InputSocket(slug, "t1", path=home),),
    )
    monkeypatch.setitem(SCHEMES, "endoscopy", scheme)  # type: ignore[misc]
    files.write_metaimage(tmp_path / home / "a.mha", scan())
    (case,) = find_cases(tmp_path).cases
    assert (case.scheme, case.images["t1"].name) == ("endoscopy", "a.mha")
    files.write_inputs_json(tmp_path, [files.socket(slug, "socket")])
    (case,) = find_cases(tmp_path).cases
    assert (case.scheme, case.images["t1"].name) == ("endoscopy", "a.mha")


def test_a_place_that_inputs_json_states_counts_where_the_descriptions_is_not_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A slug does not always tell its folder: head-ct-angiography lies in images/head-ct-angio."""
    files.write_isles_case(tmp_path)
    (tmp_path / "images" / "t1-brain-mri").rename(tmp_path / "images" / "t1")
    entries = [files.socket(slug, "socket") for slug in files.ISLES_SLUGS]
    entries[0]["socket"]["relative_path"] = "images/t1"
    files.write_inputs_json(tmp_path, entries)
    (case,) = find_cases(tmp_path).cases
    assert case.images["t1w"] == tmp_path / "images" / "t1" / "ab-12.mha"
    said = "t1-brain-mri: at images/t1, as inputs.json says, not at images/t1-brain-mri"
    assert said in caplog.text
    for outside in ("../in", "/etc", ""):
        entries[0]["socket"]["relative_path"] = outside
        files.write_inputs_json(tmp_path, entries)
        with pytest.raises(InputError, match=r"images/t1-brain-mri: exactly one image"):
            find_cases(tmp_path)
