"""Images of planted cases: four sequences of a plain head with a tumour of a given look."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter

from challenge.scheme import MRI_SEQUENCES, Scheme
from lab.phantom.fields import Grid, ellipsoid, full
from lab.phantom.scanner import BRIGHTEST
from lab.study.components import Triple
from lab.study.corruption import smooth_field

# Relative signal (white matter on T1 is 1), read off public gliomas by eye: t1n, t1c, t2w, t2f.
SIGNALS = {
    "white": (1.00, 0.96, 0.30, 0.56),
    "grey": (0.80, 0.84, 0.44, 0.66),
    "csf": (0.42, 0.42, 1.00, 0.15),
    "SNFH": (0.78, 0.80, 0.72, 1.02),
    "NETC": (0.56, 0.58, 0.86, 0.78),
    "ET": (0.68, 1.55, 0.62, 0.88),
    "RC": (0.40, 0.42, 1.02, 0.20),
}
CHANNEL = {sequence: number for number, sequence in enumerate(MRI_SEQUENCES)}  # of SIGNALS
VENTRICLE_MM = (7.0, 14.0, 4.0)
_HEALTHY = ("white", "grey", "csf")


@dataclass(frozen=True)
class Look:
    """How one kind of tumour looks in the images."""

    signal: Mapping[str, float] = field(default_factory=dict)  # sequence -> factor in the tumour
    texture: float = 0.05  # relative strength
    texture_mm: float = 12.0  # wavelength
    noise: float = 0.02  # relative to white matter on T1
    gamma: float = 1.0


def mri_images(
    labels: np.ndarray,
    head_mm: np.ndarray,
    look: Look,
    scheme: Scheme,
    spacing_mm: Triple,
    generator: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Turn a label map (z, y, x) into one float32 image a sequence, 0 outside the head."""
    shape, head = (labels.shape, spacing_mm), head_mm > 0
    folds, texture = (smooth_field(*shape, mm, generator) for mm in (18.0, look.texture_mm))
    tissue = np.where((head_mm < 5) | (folds > 1.1), np.uint8(1), np.uint8(0))
    tissue[_ventricles(labels.shape, spacing_mm)] = 2
    tissue = np.where(labels > 0, labels + np.uint8(len(_HEALTHY) - 1), tissue)
    names = (*_HEALTHY, *sorted(scheme.labels, key=lambda name: scheme.labels[name]))
    images = {}
    for sequence in scheme.sequences:
        jitter = np.exp(0.05 * generator.standard_normal(len(names)))
        values = np.array([SIGNALS[name][CHANNEL[sequence]] for name in names]) * jitter
        inside = np.float32(look.signal.get(sequence, 1.0)) * (
            1 + np.float32(look.texture) * texture
        )
        image = values.astype(np.float32)[tissue] * np.where(labels > 0, inside, np.float32(1))
        image = gaussian_filter(image * head, 0.4, truncate=2).clip(0) ** np.float32(look.gamma)
        noise = generator.standard_normal(labels.shape, dtype=np.float32)
        scale = np.float32(np.exp(generator.uniform(*np.log(BRIGHTEST))))
        images[sequence] = np.abs(image + np.float32(look.noise) * noise) * head * scale
    return images


def _ventricles(shape: tuple[int, ...], spacing_mm: Triple) -> np.ndarray:
    points = full(Grid.centred((shape[0], shape[1], shape[2]), spacing_mm, (0.0, 0.0, 0.0)).axes())
    side = (points[0], points[1], np.abs(points[2]))
    return ellipsoid(side, (2.0, 0.0, 7.0), VENTRICLE_MM) > 0
