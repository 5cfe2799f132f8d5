"""Synthetic patients: repeatable, on the grids of the challenges, and anatomically in order."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import binary_dilation

from challenge.scheme import SCHEMES
from lab import __main__ as lab
from lab.phantom import brats, cohort, panther
from lab.phantom.cohort import Population
from lab.phantom.fields import Grid, SmoothField, curve, ellipsoid, onto, tube

COARSE_MM = (5.0, 4.0, 4.0)


@pytest.fixture(scope="module")
def heads() -> list[cohort.Patient]:
    return [Population("brats-gli", 5, COARSE_MM).patient(number) for number in range(12)]


@pytest.fixture(scope="module", params=["panther-t1", "panther-t2"])
def belly(request: pytest.FixtureRequest) -> cohort.Patient:
    return Population(request.param, 5, COARSE_MM).patient(1)


def test_field_has_unit_spread_and_agrees_between_grid_and_points() -> None:
    field = SmoothField(np.random.default_rng(3), 12.0, 60.0)
    grid = Grid.centred((20, 22, 24), (5.0, -4.5, 4.0), (1.0, -2.0, 3.0))
    sampled = field.on(grid.axes())
    assert sampled.shape == grid.shape
    assert abs(sampled.std() - 1) < 0.1
    scattered = field.at(tuple(np.broadcast_arrays(*grid.axes())))
    np.testing.assert_allclose(sampled, scattered, atol=2e-4)


def test_shapes_give_depths_in_mm() -> None:
    axes = Grid.centred((41, 41, 41), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)).axes()
    ball = ellipsoid(axes, (0.0, 0.0, 0.0), (15.0, 15.0, 15.0))
    rod = tube(axes, curve([(-10.0, 0.0, 0.0), (10.0, 0.0, 0.0)], 3), np.full(3, 4.0))
    assert ball[20, 20, 20] == pytest.approx(15, abs=1e-4)
    assert ball[20, 20, 5] == pytest.approx(0, abs=1e-3)
    assert rod[20, 20, 20] == pytest.approx(4, abs=1e-4)
    assert rod[20, 26, 20] == pytest.approx(-2, abs=1e-4)
    assert rod[34, 20, 20] == pytest.approx(0, abs=1e-4)


def test_respaced_grid_keeps_the_field_of_view_and_onto_is_linear() -> None:
    grid = Grid.centred((10, 12, 14), (2.0, -1.0, 1.0), (5.0, 0.0, -3.0))
    coarse = grid.respaced((4.0, 2.0, 2.0))
    assert coarse.shape == (5, 6, 7)
    assert coarse.step_mm == (4.0, -2.0, 2.0)
    for line, fine in zip(coarse.axes(), grid.axes(), strict=True):
        assert line.mean() == pytest.approx(fine.mean())
    ramp = sum(w * axis for w, axis in zip((1.0, 2.0, -3.0), coarse.axes(), strict=True))
    expected = sum(w * axis for w, axis in zip((1.0, 2.0, -3.0), grid.axes(), strict=True))
    inner = (slice(1, -1), slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(onto(coarse.axes(), ramp, grid)[inner], expected[inner], atol=1e-4)


def test_same_seed_same_patient_and_other_seed_another(heads: list[cohort.Patient]) -> None:
    again = Population("brats-gli", 5, COARSE_MM).patient(0)
    for sequence, picture in heads[0].pictures.items():
        np.testing.assert_array_equal(picture, again.pictures[sequence])
    np.testing.assert_array_equal(heads[0].labels, again.labels)
    other = brats.scan(50_003, heads[0].grid)[0]  # the same grid, so that only the patient differs
    assert all((other[s] != p).any() for s, p in heads[0].pictures.items())


def test_patient_is_the_same_at_another_spacing() -> None:
    native = brats.grid_of(1)
    coarse_pictures, coarse_labels = brats.scan(1, native.respaced((5.0, 5.0, 5.0)))
    pictures, labels = brats.scan(1, native.respaced((3.0, 3.0, 3.0)))
    volumes = [(m > 0).sum() * v for m, v in ((coarse_labels, 125), (labels, 27))]
    assert volumes[1] > 3000
    assert volumes[0] == pytest.approx(volumes[1], rel=0.15)
    assert {s: p.max() for s, p in coarse_pictures.items()} == pytest.approx(
        {s: p.max() for s, p in pictures.items()}, abs=1
    )


def test_head_is_exactly_zero_outside_and_holds_its_labels(heads: list[cohort.Patient]) -> None:
    for head in heads:
        brain = head.pictures["t1n"] > 0
        litres = brain.sum() * np.prod(COARSE_MM) / 1e6
        assert 1.0 < litres < 1.9
        for picture in head.pictures.values():
            assert picture.dtype == np.int16
            np.testing.assert_array_equal(picture != 0, brain)
        assert not head.labels[~brain].any()
        assert set(np.unique(head.labels)) <= {0, *SCHEMES["brats-gli"].labels.values()}


def test_intensity_scales_run_from_92_to_12000(heads: list[cohort.Patient]) -> None:
    tops = [int(p.max()) for head in heads for p in head.pictures.values()]
    assert min(tops) >= 92
    assert max(tops) <= 12_000
    assert max(tops) > 10 * min(tops)


def test_parts_of_a_glioma_look_as_they_should(heads: list[cohort.Patient]) -> None:
    """In most patients: contrasts are left to chance, and thick slices mix neighbours."""
    scheme = SCHEMES["brats-gli"]
    seen: dict[tuple[str, str], list[bool]] = {}
    for head in heads:
        brain = head.pictures["t1n"] > 0
        middle = {s: np.median(p[brain & (head.labels == 0)]) for s, p in head.pictures.items()}
        for part, sequence, brighter in (
            ("SNFH", "t2f", True), ("ET", "t1c", True), ("NETC", "t1c", False),
            ("RC", "t2w", True), ("RC", "t2f", False),
        ):  # fmt: skip
            mask = scheme.mask(head.labels, part)
            if mask.sum() >= 20:
                value = np.median(head.pictures[sequence][mask])
                seen.setdefault((part, sequence), []).append((value > middle[sequence]) == brighter)
    assert {("SNFH", "t2f"), ("ET", "t1c"), ("NETC", "t1c"), ("RC", "t2f")} <= set(seen)
    for what, right in seen.items():
        assert np.mean(right) >= 0.6, (what, right)


def test_cavity_is_not_tumour_but_touches_it(heads: list[cohort.Patient]) -> None:
    scheme = SCHEMES["brats-gli"]
    operated = [h.labels for h in heads if scheme.mask(h.labels, "RC").any()]
    assert operated
    for labels in operated:
        cavity, tumour = scheme.mask(labels, "RC"), scheme.mask(labels, "WT")
        assert not (cavity & tumour).any()
        assert (binary_dilation(cavity) & tumour).any()


def test_native_grids_are_those_of_the_challenges() -> None:
    shapes = {brats.grid_of(seed).shape for seed in range(3)}
    assert shapes == {(182, 218, 182), (155, 240, 240)}
    for seed in range(12):
        t1 = panther.grid_of("panther-t1", seed)
        assert 3.0 <= t1.spacing_mm[0] <= 3.5
        assert 0.69 <= t1.spacing_mm[1] == t1.spacing_mm[2] <= 1.3125
        assert 64 <= t1.shape[0] <= 88
        assert 190 <= t1.shape[1] <= 466
        assert 260 <= t1.shape[2] <= 570
        assert panther.grid_of("panther-t2", seed).spacing_mm == (2.0, 1.0, 1.0)


def test_tumour_lies_in_or_at_the_pancreas(belly: cohort.Patient) -> None:
    tumour, pancreas = belly.labels == 1, belly.labels == 2
    assert set(np.unique(belly.labels)) == {0, 1, 2}
    assert 1.0 < tumour.sum() * np.prod(COARSE_MM) / 1000 < 60
    assert (binary_dilation(tumour) & pancreas).any()
    picture = next(iter(belly.pictures.values()))
    inside, around = np.median(picture[tumour]), np.median(picture[pancreas])
    assert (inside > around) == (next(iter(belly.pictures)) == "t2")
    assert (picture[:, 0, :] > 0).any()  # air is noisy in a scan that nobody stripped
    assert 92 <= picture.max() <= 12_000


def test_nnunet_layout_and_affine(tmp_path: Path) -> None:
    out = tmp_path / "Dataset900_Heads"
    arguments = ["phantom", "--kind", "brats-gli", "--cases", "3", "--seed", "5"]
    arguments += ["--spacing", "8,8,8", "--layout", "nnunet", "--out", str(out)]
    assert lab.main(arguments) == 0
    described = json.loads((out / "dataset.json").read_text())
    assert described["channel_names"] == {"0": "t1n", "1": "t1c", "2": "t2w", "3": "t2f"}
    assert described["labels"]["RC"] == 4
    assert len(list((out / "imagesTr").iterdir())) == 12
    assert len(list((out / "labelsTr").iterdir())) == 3


def test_native_origin_and_axes_of_brats_files(tmp_path: Path) -> None:
    for seed, origin, direction_y in ((0, (-90, 126, -72), -1), (2, (0, -239, 0), 1)):
        grid = brats.grid_of(seed)
        empty = np.zeros(grid.shape, np.uint8)
        made = cohort.Patient("empty", grid, {}, empty, brats.world_shift_mm(grid))
        cohort.save(tmp_path / "empty.nii.gz", empty, made)
        image = sitk.ReadImage(str(tmp_path / "empty.nii.gz"))
        assert image.GetOrigin() == pytest.approx(origin)
        assert image.GetDirection() == pytest.approx((1, 0, 0, 0, direction_y, 0, 0, 0, 1))
        assert image.GetSpacing() == pytest.approx((1, 1, 1))


def test_challenge_layout_of_panther(tmp_path: Path) -> None:
    out = tmp_path / "bellies"
    cohort.write(Population("panther-t1", 5, (8.0, 8.0, 8.0)), 1, (out, "challenge"))
    (scan,) = out.glob("*/images/abdominal-t1-mri/*.mha")
    reference = tmp_path / "bellies-labels" / scan.name
    picture, labels = (sitk.ReadImage(str(p)) for p in (scan, reference))
    assert picture.GetSize() == labels.GetSize()
    assert picture.GetSpacing() == pytest.approx((8, 8, 8))
    assert picture.GetPixelID() == sitk.sitkInt16
    assert set(np.unique(sitk.GetArrayFromImage(labels))) <= {0, 1, 2}


def test_a_gallery_shows_every_patient_and_refers_to_nothing(tmp_path: Path) -> None:
    arguments = ["phantom", "--kind", "brats-gli", "--cases", "3", "--seed", "5"]
    lab.main([*arguments, "--spacing", "6,6,6", "--out", str(tmp_path / "real")])
    page = tmp_path / "gallery.html"
    flags = ["--spacing", "6,6,6", "--gallery", str(page), "--beside", str(tmp_path / "real")]
    assert lab.main([*arguments, *flags]) == 0
    text = page.read_text()
    assert text.count("<img") == 3 * 4 + 3 * 5  # beside: four sequences; made: and the labels
    assert text.count("a real patient") == 3
    assert "http" not in text
    assert not (tmp_path / "imagesTr").exists()


def test_abdomens_of_any_scanner_are_others_than_those_of_panther(tmp_path: Path) -> None:
    shown = []
    for word in ("", "--anywhere"):
        page = tmp_path / f"gallery{word}.html"
        arguments = ["--cases", "1", "--seed", "5", "--spacing", "8,8,8", "--gallery", str(page)]
        assert lab.main(["phantom", "--kind", "panther-t1", *arguments, *word.split()]) == 0
        shown.append(page.read_text())
    assert shown[0] != shown[1]
    assert [text.count("<img") for text in shown] == [2, 2]
