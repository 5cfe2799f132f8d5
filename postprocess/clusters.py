"""Which cluster a case belongs to: scale, project, nearest centre.

The steps of a fitted chain (log, scale, clip or row norm, PCA, k-means) are plain arrays here, so
that nothing but numpy is needed to apply them.
"""

from dataclasses import dataclass, field, fields

import numpy as np

BOOLEAN = ("log", "row_l2", "all_features")


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
    # () bool: a distance is of all scaled features, else of the components alone, on which a case
    # that differs in what hardly varied among the training cases lies near the others.
    all_features: np.ndarray = field(default_factory=lambda: np.array(False))

    def __post_init__(self) -> None:
        """Check shapes and types, and make every array read-only.

        Raises:
            ValueError: an array has the wrong shape or type, is not finite, or scales by zero.
        """
        n, p, k = (array.shape[:1] for array in (self.pca_mean, self.components, self.centres))
        shapes = {"row_l2": (), "all_features": (), "components": p + n, "centres": k + p}
        for name in (array.name for array in fields(self)):
            value, shape = getattr(self, name), shapes.get(name, n)
            kind = np.dtype(bool if name in BOOLEAN else np.float64)
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
        return self._centred(features) @ self.components.T

    def assign(self, features: np.ndarray) -> tuple[int, float]:
        """Return the nearest centre of one feature vector (n,) and its Euclidean distance.

        The nearest is that of the components; for the distance see `all_features`.
        """
        centred = self._centred(features)
        distances = np.linalg.norm(self.centres - centred @ self.components.T, axis=1)
        nearest = int(distances.argmin())
        if not self.all_features:
            return nearest, float(distances[nearest])
        return nearest, float(np.linalg.norm(centred - self.centres[nearest] @ self.components))

    def _centred(self, features: np.ndarray) -> np.ndarray:
        """Return features (..., n) scaled, and relative to the mean that PCA subtracts."""
        rows = np.where(self.log, np.sign(features) * np.log1p(np.abs(features)), features)
        rows = ((rows - self.feature_centre) / self.feature_scale).clip(-self.clip, self.clip)
        if self.row_l2:
            length = np.linalg.norm(rows, axis=-1, keepdims=True)
            rows = rows / np.where(length > 0, length, 1.0)
        return np.asarray(rows - self.pca_mean)
