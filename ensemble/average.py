"""The predictions of several members, combined: mean of probabilities, count of votes.

Of a channel the mean is sum(w p) / sum(w), with the members' weights for this channel. A channel
that no member so far has a weight for holds the mean by the members' weights as a whole: a deadline
that leaves out the one member with a weight for ET leaves the others' ET.

Where weights differ by channel, the means of a softmax head do not sum to 1. `value` divides them
by their sum, voxel by voxel; the label is that of the highest channel, the first of equals, as
ever. A voxel where all are 0 is background.
"""

from collections.abc import Sequence

import numpy as np

from challenge.scheme import Head, Scheme


class ProbabilityMean:
    """The weighted mean of probabilities (channel, z, y, x), accumulated in one array."""

    def __init__(self, head: Head) -> None:
        """Start empty; `head` says what the channels mean."""
        self._head = head
        self._mean: np.ndarray | None = None
        self._weight = 0.0
        self._weights: tuple[float, ...] = ()  # (channel,) sums
        self._is_by_channel = False

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was added yet."""
        return self._mean is None

    @property
    def unweighted(self) -> tuple[int, ...]:
        """Return the channels that no member that was added has a weight for."""
        return tuple(i for i, weight in enumerate(self._weights) if not weight)

    def add(
        self, probabilities: np.ndarray, weight: float, channel_weights: Sequence[float] = ()
    ) -> None:
        """Add probabilities (channel, z, y, x) float32 with a weight; the array is taken over.

        Args:
            probabilities: of a member, or of several whose logits were averaged.
            weight: for all channels.
            channel_weights: (channel,) where they differ; `weight` is then for what no other
                member has a weight for.
        """
        self._is_by_channel |= bool(channel_weights)
        weights = tuple(channel_weights) or (weight,) * len(probabilities)
        if self._mean is None:
            self._mean, self._weight, self._weights = probabilities, weight, weights
            return
        pairs = zip(self._weights, weights, strict=True)
        for mean, added, pair in zip(self._mean, probabilities, pairs, strict=True):
            old, new = pair if any(pair) else (self._weight, weight)
            mean *= np.float32(old / (old + new))
            added *= np.float32(new / (old + new))
            mean += added
        self._weight += weight
        self._weights = tuple(a + b for a, b in zip(self._weights, weights, strict=True))

    def value(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the mean (channel, z, y, x); background for certain where nothing was added.

        Args:
            shape: (z, y, x) of the case.
        """
        if self._mean is None:
            self._mean = np.zeros((len(self._head.channels), *shape), np.float32)
            if self._head.kind == "softmax":
                self._mean[0] = 1
        if self._is_by_channel and self._head.kind == "softmax":
            _normalise(self._mean)
            self._is_by_channel = False
        return self._mean


def _normalise(probabilities: np.ndarray) -> None:
    """Divide probabilities (channel, z, y, x) by their sum, in place."""
    for z in range(probabilities.shape[1]):  # plane by plane: stays in the cache
        plane = probabilities[:, z]
        plane[0][~plane.any(0)] = 1
        plane /= plane.sum(0)


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
