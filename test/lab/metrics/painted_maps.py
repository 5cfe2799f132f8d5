"""Small label maps (x, y, z) that are awkward for a lesion-wise scorer, painted blob by blob."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]
Maps = tuple[np.ndarray, np.ndarray]  # prediction, reference

LABELS = 4
# Below, at and above the scorers' floors 2, 10, 20 and 50; 100 voxels of 0.5 mm3 are 50 mm3.
ISLANDS = (1, 2, 3, 10, 11, 20, 21, 50, 51, 100, 101)
SPACINGS_MM: tuple[Spacing, ...] = (
    (1.0, 1.0, 1.0),
    (0.5, 0.9, 1.7),
    (0.5, 0.5, 2.0),
    (2.0, 1.0, 0.7),
    (0.9375, 0.9375, 1.2000000476837158),  # as headers hold it
)


@dataclass(frozen=True)
class Blob:
    """A box or a ball, cut off at the image's edge and after so many voxels, x fastest."""

    label: int
    corner: Shape
    sides: Shape
    at_most_voxels: int = 10**6
    is_round: bool = False

    def paint(self, labels: np.ndarray) -> None:
        """Write the blob over whatever is there."""
        box = tuple(slice(c, c + s) for c, s in zip(self.corner, self.sides, strict=True))
        places = np.argwhere(np.ones_like(labels[box], bool).T)[:, ::-1]
        if self.is_round:
            middle = (np.array(self.sides) - 1) / 2
            inside = (((places - middle) / (np.array(self.sides) / 2)) ** 2).sum(1) <= 1
            places = places[inside]
        x, y, z = places[: self.at_most_voxels].T
        labels[box][x, y, z] = self.label


@dataclass(frozen=True)
class Case:
    """A prediction and a reference (x, y, z), and the spacing in the same order."""

    prediction: np.ndarray
    reference: np.ndarray
    spacing_mm: Spacing


def painted(blobs: Iterable[Blob], shape: Shape) -> np.ndarray:
    """Return a map with the blobs in order, the last on top."""
    labels = np.zeros(shape, np.uint8)
    for blob in blobs:
        blob.paint(labels)
    return labels


def random_case(seed: int, kind: str | None = None) -> Case:
    """Return a case of one of the KINDS, the same for the same seed."""
    rng = np.random.default_rng(seed)
    spacing_mm = SPACINGS_MM[rng.integers(len(SPACINGS_MM))]
    weights = np.array([2.0 if name in ("moved", "lattice") else 1.0 for name in KINDS])
    random_kind = str(rng.choice(list(KINDS), p=weights / weights.sum()))
    return Case(*KINDS[kind or random_kind](rng), spacing_mm)


def random_shape(rng: np.random.Generator) -> Shape:
    x, y, z = rng.integers((14, 13, 12), (25, 23, 21)).tolist()
    return x, y, z


def random_map(rng: np.random.Generator) -> np.ndarray:
    shape = random_shape(rng)
    return painted(random_blobs(rng, shape), shape)


def random_blobs(rng: np.random.Generator, shape: Shape) -> list[Blob]:
    """Return up to a dozen blobs and islands, many of them in touch with another or the edge."""
    blobs = []
    for _ in range(rng.integers(1, 7)):
        label, corner = int(rng.integers(1, LABELS + 1)), corner_in(rng, shape)
        sides = tuple(rng.integers(2, 9, 3).tolist())
        blobs.append(Blob(label, corner, sides, is_round=bool(rng.integers(2))))
    return blobs + [island(rng, shape) for _ in range(rng.integers(0, 7))]


def island(rng: np.random.Generator, shape: Shape) -> Blob:
    """Return a blob with a size near a scorer's floor."""
    size = int(rng.choice(ISLANDS))
    side = int(np.ceil(size ** (1 / 3))) + 1
    return Blob(int(rng.integers(1, LABELS + 1)), corner_in(rng, shape), (side,) * 3, size)


def corner_in(rng: np.random.Generator, shape: Shape) -> Shape:
    return tuple(rng.integers(0, shape).tolist())


def moved(rng: np.random.Generator) -> Maps:
    """What a fair network makes of a map: blobs shifted, grown, confused, lost, invented."""
    shape = random_shape(rng)
    blobs, result = random_blobs(rng, shape), []
    for blob in blobs:
        if rng.random() < 0.2:
            continue
        corner = np.clip(np.array(blob.corner) + rng.integers(-2, 3, 3), 0, np.array(shape) - 1)
        sides = np.maximum(np.array(blob.sides) + rng.integers(-1, 2, 3), 1)
        label = blob.label if rng.random() < 0.8 else int(rng.integers(1, LABELS + 1))
        place = {"corner": tuple(corner.tolist()), "sides": tuple(sides.tolist())}
        result.append(replace(blob, label=label, **place))
    result += [island(rng, shape) for _ in range(rng.integers(0, 4))]
    return painted(result, shape), painted(blobs, shape)


def unrelated(rng: np.random.Generator) -> Maps:
    shape = random_shape(rng)
    return painted(random_blobs(rng, shape), shape), painted(random_blobs(rng, shape), shape)


def islands(rng: np.random.Generator) -> Maps:
    """The reference and false islands beside and upon it."""
    reference = random_map(rng)
    prediction = reference.copy()
    for _ in range(rng.integers(2, 14)):
        island(rng, reference.shape).paint(prediction)
    return prediction, reference


def noise(rng: np.random.Generator) -> Maps:
    """Two alike maps of smooth noise: all labels touch, with crumbs at their borders."""
    fields = rng.normal(size=(2, LABELS + 1, *random_shape(rng)))
    fields[1] = fields[0] + 0.5 * fields[1]
    smooth = ndimage.gaussian_filter(fields, (0, 0, 1.2, 1.2, 1.2))
    smooth[:, 0] += rng.uniform(0.05, 0.25)
    first, second = smooth.argmax(1).astype(np.uint8)
    return first, second


def lattice(rng: np.random.Generator) -> Maps:
    """Cubes as far apart as dilation just joins or just does not, and bars that touch them.

    Bars of one tissue between cubes of another are what the rule of touching tissues is about.
    """
    side = int(rng.integers(3, 5))
    pitch = side + 2 * int(rng.choice((1, 3, 5))) + int(rng.integers(0, 3))
    nodes = np.argwhere(np.ones(rng.permutation((3, 3, 2)), bool))
    x, y, z = ((nodes.max(0) + 1) * pitch + 1 - (pitch - side) // 2).tolist()
    labels = rng.choice(LABELS, size=int(rng.integers(2, 4)), replace=False) + 1
    blobs = []
    for node in nodes:
        corner = node * pitch + 1
        if rng.random() < 0.7:
            blobs.append(_blob(rng.choice(labels), corner, (side,) * 3))
        for axis in range(3):
            if rng.random() < 0.35:
                start = corner + rng.integers(-1, side + 1, 3)
                start[axis] = corner[axis] + side
                thickness = rng.integers(1, 3, 3)
                thickness[axis] = pitch - side - (rng.random() < 0.3)
                blobs.append(_blob(rng.choice(labels), start, thickness))
    remaining = [blob for blob in blobs if rng.random() < 0.9]
    result = [replace(b, label=int(rng.choice([*[b.label] * 9, *labels]))) for b in remaining]
    return painted(result, (x, y, z)), painted(blobs, (x, y, z))


def _blob(label: int, corner: Iterable[int], sides: Iterable[int]) -> Blob:
    a, b, c = map(int, corner)
    d, e, f = map(int, sides)
    return Blob(int(label), (a, b, c), (d, e, f))


def blank(rng: np.random.Generator) -> Maps:
    """Nothing in one map, or in both."""
    some = random_map(rng)
    nothing = np.zeros_like(some)
    return ((nothing, some), (some, nothing), (nothing, nothing))[rng.choice(3, p=(0.4, 0.4, 0.2))]


def full(rng: np.random.Generator) -> Maps:
    """One label everywhere in the prediction, or in the reference."""
    some = random_map(rng)
    one = np.full_like(some, rng.integers(1, LABELS + 1))
    return (one, some) if rng.random() < 0.5 else (some, one)


def equal(rng: np.random.Generator) -> Maps:
    some = random_map(rng)
    return some, some


KINDS: dict[str, Callable[[np.random.Generator], Maps]] = {
    "moved": moved,
    "lattice": lattice,
    "unrelated": unrelated,
    "islands": islands,
    "noise": noise,
    "blank": blank,
    "full": full,
    "equal": equal,
}
