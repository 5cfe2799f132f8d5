"""The predictions of several members, combined: mean of probabilities, count of votes."""

import numpy as np

from challenge.scheme import Head, Scheme


class ProbabilityMean:
    """The weighted mean of probabilities (channel, z, y, x), accumulated in one array."""

    def __init__(self, head: Head) -> None:
        """Start empty; `head` says what the channels mean."""
        self._head = head
        self._mean: np.ndarray | None = None
        self._weight = 0.0

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was added yet."""
        return self._mean is None

    def add(self, probabilities: np.ndarray, weight: float) -> None:
        """Add probabilities (channel, z, y, x) float32 with a weight; the array is taken over."""
        if self._mean is None:
            self._mean, self._weight = probabilities, weight
            return
        self._mean *= np.float32(self._weight / (self._weight + weight))
        probabilities *= np.float32(weight / (self._weight + weight))
        self._mean += probabilities
        self._weight += weight

    def value(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the mean (channel, z, y, x); background for certain where nothing was added.

        Args:
            shape: (z, y, x) of the case.
        """
        if self._mean is None:
            self._mean = np.zeros((len(self._head.channels), *shape), np.float32)
            if self._head.kind == "softmax":
                self._mean[0] = 1
        return self._mean


class VoteCount:
    """Counts how many members predict tumour in each voxel, whatever their weights."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Start at zero, for a case of `shape` (z, y, x)."""
        self._votes = np.zeros(shape, np.float32)
        self._members = 0

    def add(self, labels: np.ndarray, scheme: Scheme) -> None:
        """Count one member's labels (z, y, x)."""
        self._votes[scheme.mask(labels, scheme.tumour)] += 1
        self._members += 1

    def shares(self) -> np.ndarray:
        """Return the share of members that predict tumour (z, y, x), float32."""
        return self._votes / np.float32(max(self._members, 1))
