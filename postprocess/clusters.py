"""Which cluster a case belongs to: scale, project, nearest centre.

The steps of a fitted chain (log, scale, clip or row norm, PCA, k-means) are plain arrays here, so
that nothing but numpy is needed to apply them.
"""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class ClusterModel:
    """A frozen chain for `n` features, `p` components and `k` clusters; float64 unless noted."""

    log: np.ndarray  # (n,) bool: features taken as sign(x) log(1 + |x|)
    feature_centre: np.ndarray  # (n,)
    feature_scale: np.ndarray  # (n,)
    clip: np.ndarray  # (n,) scaled features beyond +- this end there; may be infinite
    row_l2: np.ndarray  # () bool: divide the scaled row by its Euclidean length
    pca_mean: np.ndarray  # (n,)
    components: np.ndarray  # (p, n)
    centres: np.ndarray  # (k, p)

    def __post_init__(self) -> None:
        """Check shapes and types, and make every array read-only.

        Raises:
            ValueError: an array has the wrong shape or type, is not finite, or scales by zero.
        """
        n, p, k = (array.shape[:1] for array in (self.pca_mean, self.components, self.centres))
        shapes = {"row_l2": (), "components": p + n, "centres": k + p}
        for name in (array.name for array in fields(self)):
            value, shape = getattr(self, name), shapes.get(name, n)
            kind = np.dtype(bool if name in ("log", "row_l2") else np.float64)
            if value.dtype != kind or value.shape != shape:
                raise ValueError(f"{name}: {value.dtype} {value.shape}, not {kind} {shape}")
            if not np.isfinite(value).all() and (name != "clip" or np.isnan(value).any()):
                raise ValueError(f"{name}: not finite")
            value.setflags(write=False)
        for name in ("feature_scale", "clip"):
            if not (getattr(self, name) > 0).all():
                raise ValueError(f"{name}: not positive")

    def project(self, features: np.ndarray) -> np.ndarray:
        """Project features (..., n) onto the principal components (..., p)."""
        rows = np.where(self.log, np.sign(features) * np.log1p(np.abs(features)), features)
        rows = ((rows - self.feature_centre) / self.feature_scale).clip(-self.clip, self.clip)
        if self.row_l2:
            length = np.linalg.norm(rows, axis=-1, keepdims=True)
            rows = rows / np.where(length > 0, length, 1.0)
        return (rows - self.pca_mean) @ self.components.T

    def assign(self, features: np.ndarray) -> tuple[int, float]:
        """Return the nearest centre of one feature vector (n,) and its Euclidean distance."""
        distances = np.linalg.norm(self.centres - self.project(features), axis=1)
        nearest = int(distances.argmin())
        return nearest, float(distances[nearest])
