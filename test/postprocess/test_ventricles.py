"""The ventricles: cubes of fluid in a head, counted by hand, and real heads."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from challenge.platforms import find_cases
from challenge.volume import read_scan, read_volume
from postprocess.ventricles import find_ventricles

SIDE = 25
TISSUE = {"t1n": 100.0, "t1c": 100.0, "t2w": 50.0, "t2f": 100.0}
FLUID = {"t1n": 20.0, "t1c": 20.0, "t2w": 200.0, "t2f": 10.0}
ISOTROPIC_MM = (1.0, 1.0, 1.0)
MIDDLE = (slice(10, 15), slice(10, 15), slice(10, 15))
NOTHING = np.zeros((SIDE, SIDE, SIDE), bool)


def head(*spots: tuple[slice, slice, slice]) -> dict[str, np.ndarray]:
    """Return a cube of tissue in a margin of one voxel of air, with fluid in some spots."""
    images = {}
    for sequence, tissue in TISSUE.items():
        image = np.zeros((SIDE, SIDE, SIDE), np.float32)
        image[1:-1, 1:-1, 1:-1] = tissue
        for spot in spots:
            image[spot] = FLUID[sequence]
        images[sequence] = image
    return images


def mask_of(*spots: tuple[slice, slice, slice]) -> np.ndarray:
    mask = NOTHING.copy()
    for spot in spots:
        mask[spot] = True
    return mask


def without_edges(mask: np.ndarray, spot: tuple[slice, slice, slice]) -> np.ndarray:
    """Return a cube as opened by a voxel and its six neighbours: its 12 edges are gone."""
    at = np.indices(mask.shape)
    ends = [(a == s.start) | (a == s.stop - 1) for a, s in zip(at, spot, strict=True)]
    return mask & (np.sum(ends, axis=0) < 2)


def test_a_cube_of_fluid_in_the_middle_without_its_edges() -> None:
    """125 voxels less 12 edges of 3 voxels and 8 corners."""
    ventricles = find_ventricles(head(MIDDLE), ISOTROPIC_MM, NOTHING)
    assert ventricles.sum() == 125 - 12 * 3 - 8
    assert np.array_equal(ventricles, without_edges(mask_of(MIDDLE), MIDDLE))


def test_fluid_at_the_edge_and_thin_fluid_are_no_ventricle() -> None:
    sulcus = (slice(10, 15), slice(10, 15), slice(1, 7))  # the middle is 12 deep, this up to 6
    sheet = (slice(5, 20), slice(5, 20), slice(17, 18))
    ventricles = find_ventricles(head(MIDDLE, sulcus, sheet), ISOTROPIC_MM, NOTHING)
    assert np.array_equal(ventricles, without_edges(mask_of(MIDDLE), MIDDLE))


def test_a_labelled_cyst_is_left_out() -> None:
    cyst = (slice(10, 15), slice(10, 15), slice(17, 19))
    ventricles = find_ventricles(head(MIDDLE, cyst), ISOTROPIC_MM, mask_of(cyst))
    assert ventricles.any() and not ventricles[cyst].any()
    assert not find_ventricles(head(MIDDLE), ISOTROPIC_MM, mask_of(MIDDLE)).any()
    assert not find_ventricles(head(MIDDLE), ISOTROPIC_MM, ~NOTHING).any()


@pytest.mark.parametrize("sequences", [("t1n",), ("t2w",), ("t2f", "t1c"), ("t1n", "t2f")])
def test_one_sequence_that_shows_fluid_is_enough(sequences: tuple[str, ...]) -> None:
    images = head(MIDDLE)
    ventricles = find_ventricles({s: images[s] for s in sequences}, ISOTROPIC_MM, NOTHING)
    assert np.array_equal(ventricles, find_ventricles(images, ISOTROPIC_MM, NOTHING))


@pytest.mark.parametrize(
    "make", [dict, lambda i: {"t1c": i["t1c"]}, lambda i: {"t1n": 0 * i["t1n"]}]
)
def test_without_a_sign_of_fluid_there_are_none(
    make: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]],
) -> None:
    """A head of tissue alone, contrast agent alone, and no head at all."""
    assert not find_ventricles(make(head()), ISOTROPIC_MM, NOTHING).any()


def test_what_is_bright_in_flair_is_no_fluid() -> None:
    """An oedema is half as dark in T1 and half as bright in T2 as fluid is."""
    images = head(MIDDLE)
    oedema = (slice(10, 15), slice(10, 15), slice(15, 19))
    for sequence, value in {"t1n": 60, "t2w": 125, "t2f": 150}.items():
        images[sequence][oedema] = value
    ventricles = find_ventricles(images, ISOTROPIC_MM, NOTHING)
    assert np.array_equal(ventricles, find_ventricles(head(MIDDLE), ISOTROPIC_MM, NOTHING))


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 1000),
    st.sampled_from([0.5, 2.0, 4.0]),
    st.floats(0.1, 1000),
    st.sets(st.integers(0, 2)),
)
def test_scale_brightness_and_direction_of_axes_change_nothing(
    seed: int, scale: float, gain: float, axes: set[int]
) -> None:
    rng = np.random.default_rng(seed)
    spots = [tuple(slice(a, a + 5) for a in rng.integers(6, 14, 3)) for _ in range(2)]
    images = head(*spots)  # type: ignore[arg-type]
    for image in images.values():
        image[image > 0] += rng.normal(0, 2, np.count_nonzero(image))
    spacing_mm = (1.25, 1.0, 1.0)
    expected = find_ventricles(images, spacing_mm, NOTHING)
    flipped = {name: np.flip(image, tuple(axes)) * gain for name, image in images.items()}
    again = find_ventricles(
        flipped,
        (spacing_mm[0] * scale, spacing_mm[1] * scale, spacing_mm[2] * scale),
        NOTHING,
    )
    assert np.array_equal(np.flip(again, tuple(axes)), expected)


REAL = {
    "brats-2021-expert/BraTS-GLI-00000-000": "BraTS-GLI-00000-000-seg.nii.gz",
    "tcga-fg-6692/image": "../fusion/simple.nii.gz",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_the_ventricles_of_a_real_head(
    name: str, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two sides, deep, of a volume that adults have; fluid by every sequence; T1 alone agrees."""
    folder = shared_data / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    (files,) = find_cases(folder).cases
    images = {sequence: read_scan(path).array for sequence, path in files.images.items()}
    scan = read_scan(files.images["t1n"])
    labels = read_volume(folder / REAL[name], np.uint8).array
    start = time.process_time()
    mask = find_ventricles(images, scan.spacing_mm, labels > 0)
    seconds = time.process_time() - start
    ml = mask.sum() * float(np.prod(scan.spacing_mm)) / 1000
    t1 = find_ventricles({"t1n": images["t1n"]}, scan.spacing_mm, labels > 0)
    dice = 2 * (mask & t1).sum() / (mask.sum() + t1.sum())
    with capsys.disabled():
        print(f"\n{name}: {ml:.1f} mL in {seconds:.2f} s of processor; T1 alone: Dice {dice:.2f}")
    assert 8 < ml < 60 and dice > 0.5
    head = np.any([image != 0 for image in images.values()], axis=0)
    across = np.flatnonzero(head.any(axis=(0, 1)))
    left_share = np.mean(np.nonzero(mask)[2] > across.mean())
    assert 0.25 < left_share < 0.75
    coarse = (slice(None, None, 3),) * 3
    assert distance_transform_edt(head[coarse], sampling=3)[mask[coarse]].min() > 10
    for sequence, is_dark in {"t1n": True, "t2f": True, "t2w": False}.items():
        brain = images[sequence][head & (labels == 0)]
        middle = np.median(images[sequence][mask])
        assert (brain < middle).mean() < 0.15 if is_dark else (brain < middle).mean() > 0.85
