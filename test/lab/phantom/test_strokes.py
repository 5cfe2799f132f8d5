"""Synthetic strokes: repeatable, in the brain, darker than their surroundings, of all sizes."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label

from challenge.case import read_volume
from lab.phantom import atlas, infarct, isles
from lab.phantom.patient import Patient
from lab.phantom.population import Population, kind_of, scheme_of

COARSE_MM = (4.0, 4.0, 4.0)
SEEDS = range(400)
SAMPLE = Path(__file__).resolve().parents[3] / "test" / "input" / "isles-2026"


def infarcts_of(seed: int) -> list[infarct.Infarct]:
    return infarct.draw_infarcts(np.random.default_rng([seed, 21]))


@pytest.fixture(scope="module")
def strokes() -> list[Patient]:
    return [Population("isles-t1", 3, COARSE_MM).patient(number) for number in range(16)]


def test_same_seed_same_patient_and_other_seed_another(strokes: list[Patient]) -> None:
    again = Population("isles-t1", 3, COARSE_MM).patient(0)
    np.testing.assert_array_equal(strokes[0].pictures["t1w"], again.pictures["t1w"])
    np.testing.assert_array_equal(strokes[0].labels, again.labels)
    assert strokes[0].values == again.values
    other = isles.scan(30_004, strokes[0].grid)[0]
    assert (other["t1w"] != again.pictures["t1w"]).any()


def test_patients_are_cases_of_the_challenge(strokes: list[Patient]) -> None:
    assert scheme_of("isles-t1").name == "isles-2026"
    assert kind_of("isles-2026") == "isles-t1"
    for stroke in strokes:
        assert tuple(stroke.pictures) == scheme_of("isles-t1").sequences
        assert set(stroke.values["stroke-metadata"]) == {"CENTER", "CHRONICITY", "DAYS_POST_STROKE"}
        assert stroke.name.startswith(f"sub-{stroke.values['stroke-metadata']['CENTER'].lower()}s")


def test_head_is_zero_outside_and_holds_its_lesions(strokes: list[Patient]) -> None:
    for stroke in strokes:
        picture = stroke.pictures["t1w"]
        assert picture.dtype == np.int16
        litres = (picture > 0).sum() * np.prod(COARSE_MM) / 1e6
        assert 0.9 < litres < 1.9
        assert picture.min() == 0
        assert not stroke.labels[picture == 0].any()
        assert set(np.unique(stroke.labels)) <= {0, 1}


def test_volume_is_the_same_at_another_spacing() -> None:
    volumes = []
    for mm in (4.0, 2.5):
        stroke = Population("isles-t1", 3, (mm, mm, mm)).patient(16)
        volumes.append((stroke.labels > 0).sum() * mm**3 / 1000)
    assert volumes[1] > 80  # mL
    assert volumes[0] == pytest.approx(volumes[1], rel=0.1)


def test_a_lesion_is_darker_than_what_is_around_it(strokes: list[Patient]) -> None:
    """A cavity by far. Most subacute ones a little: where cortex is bright, some are not."""
    ratios: dict[str, list[float]] = {"chronic": [], "subacute": []}
    for number, stroke in enumerate(strokes):
        mask, picture = stroke.labels > 0, stroke.pictures["t1w"].astype(float)
        around = binary_dilation(mask, iterations=2) & ~mask & (picture > 0)
        if mask.sum() >= 15:
            age = "subacute" if infarcts_of(30_000 + number)[0].age == "subacute" else "chronic"
            ratios[age].append(float(np.median(picture[mask]) / np.median(picture[around])))
    assert len(ratios["chronic"]) >= 5
    assert np.median(ratios["chronic"]) < 0.75
    assert max(ratios["chronic"]) < 1
    assert 0.7 < np.median(ratios["subacute"]) < 1.02


def test_signals_keep_the_order_that_radiologists_know() -> None:
    ratios = []
    for seed in range(200):
        values = isles.signals(np.random.default_rng(seed))
        assert values["csf"] < values["gliosis"] < values["grey"] < values["white"]
        assert values["oedema"] < values["grey"]
        assert values["cavity"] < 1.4 * values["csf"]
        assert values["laminar"] >= values["white"]
        ratios.append(values["grey"] / values["white"])
    assert 0.4 < min(ratios) < 0.75
    assert 0.8 < max(ratios) < 0.95


def test_infarcts_are_as_large_as_those_of_the_challenge() -> None:
    """Participants report a median of 4.3 mL, 5th and 95th percentiles of 0.14 and 136 mL."""
    patients = [infarcts_of(seed) for seed in SEEDS]
    assert 0.01 <= np.mean([not each for each in patients]) <= 0.08
    assert 0.25 < np.mean([len(each) > 1 for each in patients]) < 0.45
    largest = np.array([4 / 3000 * np.pi * each[0].radius_mm ** 3 for each in patients if each])
    assert 0.1 <= largest.min() < 0.15
    assert 130 < largest.max() <= 200
    assert 3 < np.median(largest) < 6.5
    territories = Counter(each[0].territory for each in patients if each)
    assert set(territories) == set(infarct.TERRITORIES)
    ages = Counter(each[0].age for each in patients if each)
    assert ages["cavity"] > ages["subacute"] > 40 < ages["gliosis"]
    bright = Counter(each.territory for few in patients for each in few if each.laminar)
    assert set(bright) == set(infarct.CORTICAL)


def test_lesions_lie_where_their_artery_feeds() -> None:
    """In the average head: on the infarct's side, and on its side of the tentorium."""
    axes = np.meshgrid(*(np.arange(-80.0, 82, 4, np.float32) for _ in range(3)), indexing="ij")
    s, a, left = (axes[0], axes[1], axes[2])
    flat = np.zeros(s.shape, np.float32)
    seen = set()
    for seed in range(150):
        for each in infarcts_of(seed):
            depth = infarct._depth((s, a, left), each, flat, flat)
            inside = depth > 0
            seen.add(each.territory)
            if not inside.any():
                continue
            nearest, farthest = infarct.TERRITORIES[each.territory].reach_mm
            side = left[inside] * each.side
            assert side.min() >= nearest and side.max() <= farthest
            if each.territory == "cerebellar":
                assert s[inside].max() < -8
            elif each.territory == "middle":
                assert a[inside].min() > -62
    assert seen == set(infarct.TERRITORIES)


def test_an_old_infarct_widens_the_ventricle_beside_it() -> None:
    """The left one of a head with a large infarct on the left, against the same head without."""
    old = infarct.Infarct(
        "middle", (16.0, 0.0, 42.0), 30.0, (1.0, 1.0, 1.0), "cavity", 2.0, 1.5, 1.0
    )
    line = np.arange(-84.0, 86, 3, np.float32)
    axes = (line[:, None, None], line[None, :, None], line[None, None, :])
    s, a, left = np.broadcast_arrays(*axes)
    moved = infarct.shrink((s, a, left), [old])
    before, after = (atlas.sample(points)["ventricle_mm"] > 0 for points in ((s, a, left), moved))
    on_left = left > 3
    assert after[on_left].sum() > 1.25 * before[on_left].sum()
    assert after[~on_left].sum() < 1.1 * before[~on_left].sum()
    subacute = infarct.Infarct(**{**vars(old), "age": "subacute"})
    assert infarct.shrink((s, a, left), [subacute])[2] is left


def test_a_lesion_has_no_islands() -> None:
    membership = np.zeros((12, 12, 12), np.float32)
    membership[2:6, 2:6, 2:6] = 1  # 64 voxels
    membership[9:11, 9, 9] = 0.8  # 2
    membership[9, 2, 2] = 0.4  # the border of something
    result = infarct._without_islands(membership)
    assert result[2:6, 2:6, 2:6].all() and result[9, 2, 2] == np.float32(0.4)
    assert not result[9:11, 9, 9].any()
    assert not infarct._without_islands(np.zeros((3, 3, 3), np.float32)).any()


def test_native_grids_are_those_of_scanners() -> None:
    """One of a hospital; four in five of 1 mm, a few of thick slices along z or y."""
    grids = [isles.grid_of(seed) for seed in SEEDS]
    by_centre: dict[str, set[tuple[float, ...]]] = {}
    for seed, grid in zip(SEEDS, grids, strict=True):
        by_centre.setdefault(isles.centre_of(seed), set()).add(grid.step_mm)
        assert all(0.7 < mm <= 6 for mm in grid.spacing_mm)
        extent = np.array(grid.shape) * grid.spacing_mm
        assert (extent >= (165, 195, 155)).all()
    assert len(by_centre) == isles.CENTRES
    assert {len(steps) for steps in by_centre.values()} == {1}
    cubic = np.mean([grid.spacing_mm == (1, 1, 1) for grid in grids])
    assert 0.55 < cubic < 0.9
    assert max(grid.spacing_mm[0] for grid in grids) >= 3
    assert max(grid.spacing_mm[1] for grid in grids) == 3


def test_thick_slices_average_what_lies_in_them() -> None:
    """The same head in slices of 2 mm and of 6 mm has lesions of the same volume."""
    native = isles.grid_of(30_016).respaced((2.0, 2.0, 2.0))
    thick = native.respaced((6.0, 2.0, 2.0))
    assert isles._subslices(thick) == [4, 1, 1]
    fine, coarse = (isles.scan(30_016, grid) for grid in (native, thick))
    volumes = [(labels > 0).sum() * n for (_, labels, _), n in ((fine, 8), (coarse, 24))]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.06)
    assert coarse[0]["t1w"].shape == thick.shape


def test_metadata_is_what_the_challenge_hands_over() -> None:
    rows = [isles.metadata(seed) for seed in SEEDS]
    for seed, row in zip(SEEDS, rows, strict=True):
        infarcts, days = infarcts_of(seed), row["DAYS_POST_STROKE"]
        subacute = bool(infarcts) and infarcts[0].age == "subacute"
        assert row["CHRONICITY"] in (None, int(not subacute))
        if days is not None:
            assert isinstance(days, float)
            assert (days < infarct.CHRONIC_DAYS) == subacute
    for key, least, most in (("CHRONICITY", 0.05, 0.16), ("DAYS_POST_STROKE", 0.09, 0.22)):
        assert least < np.mean([row[key] is None for row in rows]) < most


def test_most_patients_have_one_lesion_and_some_several(strokes: list[Patient]) -> None:
    counts = [label(stroke.labels, np.ones((3, 3, 3)))[1] for stroke in strokes]
    assert np.median(counts) in (1, 1.5, 2)
    assert max(counts) >= 3


def test_the_sample_case_is_patient_0_of_seed_41() -> None:
    """`lab phantom --kind isles-t1 --cases 1 --seed 41 --spacing 1.5,1.5,1.5` wrote it."""
    metadata = json.loads((SAMPLE / "stroke-metadata.json").read_text())
    assert metadata == isles.metadata(410_000)
    (scan,) = (SAMPLE / "images" / "t1-brain-mri").iterdir()
    rows = json.loads((SAMPLE / "inputs.json").read_text())
    assert [row["image"] for row in rows] == [{"name": scan.name}, None]
    assert scan.stat().st_size < 1_000_000
    picture = read_volume(scan, None)
    assert picture.array.shape == isles.grid_of(410_000).respaced((1.5, 1.5, 1.5)).shape
