"""What members say, brought together: the mean, the votes."""

import numpy as np

from challenge.scheme import Head, Scheme


class Mean:
    """The weighted mean of probabilities (channel, z, y, x), kept in one array."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._sum: np.ndarray | None = None
        self._weight = 0.0

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was added yet."""
        return self._sum is None

    def add(self, probabilities: np.ndarray, weight: float) -> None:
        """Add probabilities, which are taken over."""
        if self._sum is None:
            self._sum, self._weight = probabilities, weight
            return
        self._sum *= np.float32(self._weight / (self._weight + weight))
        probabilities *= np.float32(weight / (self._weight + weight))
        self._sum += probabilities
        self._weight += weight

    def value(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the mean; background for certain where nothing was ever added."""
        if self._sum is None:
            self._sum = np.zeros((len(self._head.channels), *shape), np.float32)
            if self._head.kind == "softmax":
                self._sum[0] = 1
        return self._sum


class Ballot:
    """Counts in which voxels members see tumour, whatever their weights, in place."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._votes = np.zeros(shape, np.float32)
        self._members = 0

    def add(self, labels: np.ndarray, scheme: Scheme) -> None:
        """Count one member's labels (z, y, x)."""
        self._votes[scheme.mask(labels, scheme.tumour)] += 1
        self._members += 1

    def shares(self) -> np.ndarray:
        """Return the share of members that see tumour (z, y, x), float32."""
        return self._votes / np.float32(max(self._members, 1))
