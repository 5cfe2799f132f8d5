"""Axis orders: towards which sides of the patient an image's axes run, and how to turn an array.

An axis code such as "LPS" names, for the file's axes x, y, z in this order, the side towards which
indices grow: left or right, posterior or anterior, superior or inferior. It is the code of
SimpleITK's `DICOMOrientImageFilter` and of nibabel's `aff2axcodes`. Arrays are (z, y, x), so a
code's last letter belongs to an array's first axis.
"""

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from challenge.refusal import Refusal

# Letters of each direction of space, towards its positive and its negative end, in the patient
# coordinates of DICOM and ITK: left, posterior, superior.
SIDES = ("LR", "PA", "SI")
AXIS_CODES = tuple("".join(code) for order in permutations(SIDES) for code in product(*order))


class OrientationError(Refusal):
    """A text is no axis code."""


@dataclass(frozen=True)
class Turn:
    """How arrays of one axis order become arrays of another; only the order of voxels changes."""

    axes: tuple[int, int, int]  # the source's axis that each of the target's axes is
    flips: tuple[bool, bool, bool]  # of the target's axes

    def there(self, array: np.ndarray) -> np.ndarray:
        """Turn an array (..., z, y, x) into the target's axis order; the result is contiguous."""
        first = array.ndim - 3
        order = [*range(first), *(first + axis for axis in self.axes)]
        flipped = tuple(first + axis for axis in range(3) if self.flips[axis])
        return np.ascontiguousarray(np.flip(array.transpose(order), flipped))

    def back(self, array: np.ndarray) -> np.ndarray:
        """Turn an array (..., z, y, x) of the target's axis order into the source's."""
        return self.inverse.there(array)

    def sizes(self, sizes: tuple[float, float, float]) -> tuple[float, float, float]:
        """Return what belongs to the source's axes (z, y, x) in the order of the target's."""
        a, b, c = (sizes[axis] for axis in self.axes)
        return a, b, c

    @property
    def inverse(self) -> "Turn":
        """Return the way back."""
        a, b, c = (self.axes.index(axis) for axis in range(3))
        return Turn((a, b, c), (self.flips[a], self.flips[b], self.flips[c]))


def axis_code(directions: np.ndarray) -> str:
    """Return the axis code of direction cosines (3, 3): column i is where axis x, y or z runs.

    Coordinates are ITK's: left, posterior, superior. Oblique axes get the side that they run
    closest to, the clearest axis first, as in ITK.
    """
    cosines = np.asarray(directions, np.float64)
    cosines = cosines / np.linalg.norm(cosines, axis=0)
    letters = [""] * 3
    left = np.abs(cosines)
    for _ in range(3):
        side, axis = (int(i) for i in np.unravel_index(np.argmax(left), left.shape))
        letters[axis] = SIDES[side][0 if cosines[side, axis] > 0 else 1]
        left[side, :] = left[:, axis] = -1
    return "".join(letters)


def check_axis_code(text: str) -> str:
    """Return an axis code in capitals.

    Raises:
        OrientationError: the text is none.
    """
    code = text.upper()
    if code not in AXIS_CODES:
        raise OrientationError(
            f"orientation {text!r}: three letters expected, one each of L or R, P or A, S or I"
        )
    return code


def turn_between(source: str, target: str) -> Turn:
    """Return how arrays (z, y, x) of one axis code become arrays of another.

    Raises:
        OrientationError: one of the two is no axis code.
    """
    ours, theirs = check_axis_code(source)[::-1], check_axis_code(target)[::-1]
    axes = [next(i for i in range(3) if _side(ours[i]) == _side(letter)) for letter in theirs]
    flips = [ours[axis] != letter for axis, letter in zip(axes, theirs, strict=True)]
    return Turn((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))


def _side(letter: str) -> int:
    return next(i for i, pair in enumerate(SIDES) if letter in pair)
