"""Every scheme of nnU-Net gives nnU-Net's values, to the last bit."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nnunetv2.preprocessing.normalization import default_normalization_schemes as stock

from ensemble.normalisation import NORMALISATIONS, NormalisationError, normalise, why_not

SCHEMES = [
    "ZScoreNormalization",
    "CTNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
]
PERCENTILES = {"percentile_00_5": 12.5, "percentile_99_5": 240.0}


def stock_answer(name: str, image: np.ndarray, inside: np.ndarray | None, intensities: dict):
    """What nnU-Net's class makes of an image; outside of the mask its `seg` is -1."""
    seg = None if inside is None else np.where(inside, 0, -1)
    scheme = getattr(stock, name)(inside is not None, intensities)
    # DefaultPreprocessor turns every image into float32 before.
    return scheme.run(image.astype(np.float32), seg)


def test_nnunets_schemes_are_all_here() -> None:
    shipped = {
        name
        for name, value in vars(stock).items()
        if isinstance(value, type) and issubclass(value, stock.ImageNormalization)
    }
    assert shipped - {"ImageNormalization"} == set(SCHEMES)
    assert set(NORMALISATIONS) == {*SCHEMES, "ClippedZScoreNormalization"}


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "float32", "float64"])
@settings(max_examples=12)
@given(
    seed=st.integers(0, 999),
    masked=st.booleans(),
    flat=st.booleans(),
    spread=st.tuples(
        st.one_of(st.integers(1, 200), st.floats(0.1, 200)), st.sampled_from([0, 1e-12, 3, 41.7])
    ),
)
def test_equal_to_nnunets_classes(
    name: str, kind: str, seed: int, masked: bool, flat: bool, spread: tuple[float, float]
) -> None:
    rng = np.random.default_rng(seed)
    shape = (5, 6, 7)
    image = np.full(shape, 7) if flat else rng.integers(0, 256, shape)
    image = image.astype(kind)
    inside = rng.random(shape) > 0.3 if masked else None
    intensities = {"mean": spread[0], "std": spread[1], **PERCENTILES}
    expected = stock_answer(name, image, inside, intensities)
    ours = normalise(name, image.astype(np.float32), inside, intensities)
    assert ours.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("value", [-1.0, 255.5])
def test_a_picture_of_no_bytes_is_refused_as_in_nnunet(value: float) -> None:
    image = np.full((2, 2, 2), 9, np.float32)
    image[0, 0, 0] = value
    with pytest.raises(AssertionError):
        stock_answer("RGBTo01Normalization", image, None, {})
    with pytest.raises(NormalisationError, match=r"takes 0 to 255, the image has"):
        normalise("RGBTo01Normalization", image, None, {})


def test_by_hand() -> None:
    image = np.array([[[0, 51], [102, 255]]], np.float32)
    ours = normalise("RGBTo01Normalization", image.copy(), None, {})
    np.testing.assert_allclose(ours, [[[0, 0.2], [0.4, 1]]], rtol=1e-6)
    intensities = {"mean": 50, "std": 10, "percentile_00_5": 40, "percentile_99_5": 90}
    ours = normalise("CTNormalization", image.copy(), None, intensities)
    np.testing.assert_allclose(ours, [[[-1, 0.1], [4, 4]]], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "intensities", "message"),
    [
        ("Nyul", {}, "normalisation 'Nyul' is not one of"),
        ("CTNormalization", {"mean": 1.0, "std": 1.0}, "needs percentile_00_5, percentile_99_5"),
        ("RGBTo01Normalization", {"mean": 300.0}, "takes 0 to 255, but .* had mean 300"),
        ("RGBTo01Normalization", {"min": -1024.0}, "had min -1024"),
        ("RGBTo01Normalization", {"mean": 120.0, "std": 300.0, "max": 255}, ""),
        ("ZScoreNormalization", {}, ""),
    ],
)
def test_what_a_channel_cannot_be_normalised_by_is_said(
    name: str, intensities: dict, message: str
) -> None:
    reason = why_not(name, intensities)
    assert re.search(message, reason) if message else reason == ""
