"""Axis orders are SimpleITK's, and every turn is undone exactly."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from challenge.orientation import (
    AXIS_CODES,
    OrientationError,
    axis_code,
    check_axis_code,
    turn_between,
)

Orient = SimpleITK.DICOMOrientImageFilter


def image_of(code: str) -> SimpleITK.Image:
    """Return a small image stored in an axis order, every voxel with a value of its own."""
    array = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetDirection(Orient.GetDirectionCosinesFromOrientation(code))
    return image


def test_there_are_48_axis_orders() -> None:
    assert len(set(AXIS_CODES)) == 48


@pytest.mark.parametrize("source", AXIS_CODES)
def test_every_axis_order_is_turned_as_simpleitk_turns_it(source: str) -> None:
    image = image_of(source)
    assert axis_code(np.reshape(image.GetDirection(), (3, 3))) == source
    for target in AXIS_CODES:
        theirs = SimpleITK.DICOMOrient(image, target)
        turn = turn_between(source, target)
        array = SimpleITK.GetArrayFromImage(image)
        np.testing.assert_array_equal(turn.there(array), SimpleITK.GetArrayFromImage(theirs))
        np.testing.assert_array_equal(turn.back(turn.there(array)), array)
        assert turn.sizes(image.GetSpacing()[::-1]) == theirs.GetSpacing()[::-1]


def test_channels_stay_where_they_are() -> None:
    array = np.arange(5 * 24).reshape(5, 2, 3, 4)
    turned = turn_between("LPS", "ASL").there(array)
    for channel, each in zip(turned, array, strict=True):
        np.testing.assert_array_equal(channel, turn_between("LPS", "ASL").there(each))


@given(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_oblique_axes_get_the_code_that_itk_gives_them(quaternion: tuple[float, ...]) -> None:
    w, x, y, z = np.array(quaternion) / np.linalg.norm(quaternion)
    rotation = SimpleITK.VersorTransform((x, y, z, w)).GetMatrix()
    cosines = np.reshape(rotation, (3, 3))
    values = np.sort(np.abs(cosines).ravel())
    if np.diff(values).min() > 1e-9:  # in a tie either answer is right
        assert axis_code(cosines) == Orient.GetOrientationFromDirectionCosines(rotation)


@pytest.mark.parametrize("text", ["", "LP", "LLS", "XYZ", "LPSA", "LR S"])
def test_what_is_no_axis_code_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(OrientationError, match="three letters"):
        check_axis_code(text)


def test_small_letters_will_do() -> None:
    assert check_axis_code("ras") == "RAS"
