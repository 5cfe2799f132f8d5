"""Does each label take a usual share of the tumour? A swapped label map is silent elsewhere.

A share is only checked where the model predicts every label of the whole: PANTHER's baseline
knows no pancreas, and its tumour is all there is.
"""

from collections.abc import Collection

import numpy as np

from challenge.scheme import Head, Scheme, count_labels


def labels_of(head: Head) -> frozenset[str]:
    """Return the labels that a model with this head predicts."""
    return frozenset(name for name in head.paints if name)


def unusual_shares(labels: np.ndarray, scheme: Scheme, predicted: Collection[str]) -> list[str]:
    """Say which labels of a label map (z, y, x) take an unusual share of the whole.

    The ranges in `usual_share` are wide enough for nearly every patient, so a sentence here mostly
    means that a member's label map is wrong. `predicted` names the labels that the model
    predicts; where one of the whole is not among them, nothing is returned.
    """
    counts = count_labels(labels, scheme)
    whole = scheme.regions[scheme.whole]
    total = sum(counts[name] for name in whole)
    if total == 0 or not set(whole) <= set(predicted):
        return []
    sentences = []
    for name, (low, high) in scheme.usual_share.items():
        share = counts[name] / total
        if not low <= share <= high:
            sentences.append(
                f"{name} is {share:.0%} of {scheme.whole}, usually {low:.0%} to {high:.0%}"
            )
    return sentences


class SeenShares:
    """The shares in label maps of one model that is not at hand.

    A case is checked as soon as every label of the whole was seen in some map, the cases before it
    included: only then is the model known to predict them all.
    """

    def __init__(self, scheme: Scheme) -> None:
        """Nothing is seen yet."""
        self._scheme = scheme
        self._seen: set[str] = set()
        self._waiting: list[tuple[str, str]] = []
        self._cases = 0

    def add(
        self, id: str, labels: np.ndarray, predicted: Collection[str] = ()
    ) -> list[tuple[str, str]]:
        """Return the warnings that can be given now, each with the id of its case.

        `labels` (z, y, x) holds values of the scheme; `predicted` names labels that the model is
        known to predict, whether they occur or not.
        """
        self._cases += 1
        values = set(np.unique(labels).tolist())
        self._seen |= {name for name, value in self._scheme.labels.items() if value in values}
        self._seen |= set(predicted)
        sentences = unusual_shares(labels, self._scheme, self._scheme.labels)
        self._waiting += [(id, sentence) for sentence in sentences]
        if self._unseen():
            return []
        ready, self._waiting = self._waiting, []
        return ready

    def left_out(self) -> str | None:
        """Say why no share was checked; None where shares were, or none has a usual range."""
        if not (self._cases and self._scheme.usual_share and self._unseen()):
            return None
        unseen = ", ".join(self._unseen())
        maps = "the label map" if self._cases == 1 else f"any of {self._cases} label maps"
        return f"shares of {self._scheme.whole} not judged: no {unseen} in {maps}"

    def _unseen(self) -> list[str]:
        whole = self._scheme.regions[self._scheme.whole]
        return [name for name in whole if name not in self._seen]
