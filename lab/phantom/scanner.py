"""From membership maps to pictures: contrast, bias field, blur, noise and an arbitrary scale.

Pictures are (z, y, x), int16, in an arbitrary unit: the brightest voxel of a case
and sequence lies anywhere from 92 to 12,000.
"""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import gaussian_filter, shift

from lab.phantom.fields import Grid, Points, SmoothField

BRIGHTEST = (92.0, 12_000.0)


def blend(
    layers: list[tuple[str, np.ndarray]], values: Mapping[str, float], ground: str
) -> np.ndarray:
    """Blend `layers` (name, membership) over the tissue `ground`, in order; (z, y, x) float32."""
    picture = np.full(layers[0][1].shape, values[ground], np.float32)
    for name, membership in layers:
        picture += membership * (np.float32(values[name]) - picture)
    return picture


def jitter(
    rng: np.random.Generator, values: Mapping[str, float], spread: float = 0.06
) -> dict[str, float]:
    """Return tissue values varied one by one, then all together in contrast and gamma."""
    names = list(values)
    varied = np.array([values[n] for n in names]) * np.exp(spread * rng.standard_normal(len(names)))
    top = varied.max()
    varied = top * (varied / top) ** rng.uniform(0.8, 1.25)
    varied = varied.mean() + (varied - varied.mean()) * rng.uniform(0.8, 1.15)
    return dict(zip(names, np.maximum(varied, 0.03).tolist(), strict=True))


def bias(rng: np.random.Generator, axes: Points, strength: float, reach_mm: float) -> np.ndarray:
    """Return the smooth factor (z, y, x) by which coils shade a picture."""
    return np.exp(np.float32(strength) * SmoothField(rng, 150.0, reach_mm).on(axes))


def acquire(
    rng: np.random.Generator,
    picture: np.ndarray,
    grid: Grid,
    noise: float,
    blur_mm: float,
    inside: np.ndarray | None = None,
) -> np.ndarray:
    """Blur, add Rician noise (relative to 1), and return int16 of a random brightest value.

    Args:
        rng: of the noise and the brightest value.
        picture: (z, y, x), white matter or liver about 1.
        grid: of its voxels.
        noise: standard deviation of each channel.
        blur_mm: standard deviation of the Gaussian.
        inside: (z, y, x) bool; everything else is 0 and draws no noise.
    """
    brightest = np.exp(rng.uniform(*np.log(BRIGHTEST)))  # before the noise, whose size varies
    blurred = gaussian_filter(picture, [blur_mm / s for s in grid.spacing_mm])
    signal = blurred if inside is None else blurred[inside]
    real = signal + np.float32(noise) * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = np.float32(noise) * rng.standard_normal(signal.shape, dtype=np.float32)
    magnitude = np.hypot(real, imaginary)
    values = np.round(magnitude * (brightest / magnitude.max())).astype(np.int16)
    if inside is None:
        return values
    whole = np.zeros(picture.shape, np.int16)
    whole[inside] = values
    return whole


def slice_thickly(
    picture: np.ndarray, grid: Grid, axis: int, thickness_mm: float, offset: float
) -> np.ndarray:
    """Return a picture (z, y, x) as thick slices would show it, laid on the grid again.

    Args:
        picture: (z, y, x), before slicing.
        grid: of its voxels.
        axis: across the slices.
        thickness_mm: of a slice; slices touch.
        offset: of the first slice, in parts of the thickness.
    """
    voxels = thickness_mm / grid.spacing_mm[axis]
    count = picture.shape[axis]
    if voxels <= 1:
        return picture
    middle = np.arange(offset * voxels, count, voxels)
    index = np.arange(count)
    # Each slice averages what lies in it, voxels at its border in part.
    shares = np.clip(voxels / 2 + 0.5 - np.abs(index[None] - middle[:, None]), 0, 1)
    shares /= np.maximum(shares.sum(1, keepdims=True), 1e-6)
    between = np.clip(1 - np.abs(index[:, None] - middle[None]) / voxels, 0, None)
    between[index < middle[0], 0] = 1
    between[index > middle[-1], -1] = 1
    matrix = ((between / between.sum(1, keepdims=True)) @ shares).astype(np.float32)
    return np.moveaxis(np.tensordot(matrix, picture, (1, axis)), 0, axis)


def translate(picture: np.ndarray, grid: Grid, by_mm: np.ndarray) -> np.ndarray:
    """Return a picture (z, y, x) moved by mm (z, y, x): registration is never perfect."""
    by_voxels = by_mm / np.array(grid.spacing_mm)
    return shift(picture, by_voxels, order=1, mode="nearest")


def mottle(
    rng: np.random.Generator,
    axes: Points,
    tissue: Mapping[str, np.ndarray],
    reach_mm: float,
    in_tumour: float = 0.07,
) -> np.ndarray:
    """Return a factor (z, y, x) of fine texture: slight in tissue, strong inside a tumour."""
    texture = SmoothField(rng, 8.0, reach_mm).on(axes)
    strength = np.float32(rng.uniform(0.01, 0.03)) * np.ones_like(texture)
    for name in ("SNFH", "NETC", "ET", "tumour"):
        if name in tissue:
            strength += np.float32(in_tumour) * tissue[name]
    return 1 + np.clip(strength * texture, -0.4, 0.4)
