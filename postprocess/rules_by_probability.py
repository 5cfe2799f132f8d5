"""The kinds of rules that move a probability threshold, voxel by voxel.

Two of them together are a threshold for one label or region other than the head's own (arg-max, or
0.5): below it voxels leave, from it on they join. After the thresholds per region of MBZUAI
BioMedIA's BraTS 2024 entry and Kirscher's sweep of 2026. A third takes the threshold that is best
for Dice in each case, a fourth compares two probabilities. A voxel has one label, so nested regions
stay nested.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from challenge.scheme import Scheme

from .components import Connectivity
from .rule_base import Input, Rule, RuleError, RuleView, check_name, check_number


@dataclass(frozen=True)
class Threshold(Rule):
    """What both kinds have: a probability of the rule's own label or region to compare with."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("min_probability",)

    min_probability: float = math.nan

    def check(self, scheme: Scheme) -> None:
        """Raise RuleError unless the threshold is a probability."""
        super().check(scheme)
        check_number("min_probability", self.min_probability, 1.0)

    def required_inputs(self) -> frozenset[Input]:
        """Return that there is nothing to compare without probabilities."""
        return frozenset({"probabilities"})

    def reached(self, view: RuleView) -> np.ndarray:
        """Return the bool mask (z, y, x) of the voxels that are at least as probable.

        The threshold is rounded to the type of the probabilities: a float32 of 0.2 reaches 0.2.
        """
        if view.probability is None:
            raise ValueError("no probabilities")
        return view.probability(self.names(view.scheme)) >= self.min_probability


@dataclass(frozen=True)
class DropDoubtful(Threshold):
    """Every voxel that is less probable than the minimum changes."""

    def select(self, view: RuleView) -> np.ndarray:
        """Return the voxels of the label or region that do not reach the minimum."""
        return view.mask(self.names(view.scheme)) & ~self.reached(view)


@dataclass(frozen=True)
class Added(Rule):
    """What kinds have by which voxels join: they take the label `becomes`, one of the rule's own.

    A rule on one label needs not name it.
    """

    becomes: str = ""
    connectivity: Connectivity = field(default=26, init=False)

    def __post_init__(self) -> None:
        """Let voxels that join a label take that label."""
        if self.label and not self.becomes:
            object.__setattr__(self, "becomes", self.label)

    def check_becomes(self, scheme: Scheme) -> None:
        """Raise RuleError unless what joins a label or region is a part of it."""
        names = self.names(scheme)
        if not self.becomes:
            raise RuleError(f"becomes is missing, one of {', '.join(names)}")
        check_name("becomes", self.becomes, *names)


@dataclass(frozen=True)
class AddProbable(Added, Threshold):
    """Every voxel outside that is at least as probable as the minimum joins, whatever it was."""

    def check(self, scheme: Scheme) -> None:
        """Raise RuleError where every voxel would join."""
        super().check(scheme)
        if self.min_probability == 0:
            raise RuleError(f"min_probability: {self.min_probability!r} would add every voxel")

    def select(self, view: RuleView) -> np.ndarray:
        """Return the voxels outside the label or region that reach the minimum."""
        return view.may_join(self.names(view.scheme)) & self.reached(view)


@dataclass(frozen=True)
class AddMoreProbable(Added):
    """Every voxel of another label joins that is more probable as one of the rule's labels.

    Two regions that exclude each other may both pass 0.5, of which the one that is painted last
    wins: a resection cavity over the tumour core. Here the more probable one does.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("than",)

    than: str = ""  # a label that the rule is not about

    def check(self, scheme: Scheme) -> None:
        """Raise RuleError unless the rule compares with a label that it is not about."""
        super().check(scheme)
        others = [name for name in scheme.labels if name not in self.names(scheme)]
        check_name("than", self.than, *others)

    def required_inputs(self) -> frozenset[Input]:
        """Return that there is nothing to compare without probabilities."""
        return frozenset({"probabilities"})

    def compared(self, scheme: Scheme) -> tuple[tuple[str, ...], ...]:
        """Return both sides of the comparison."""
        return self.names(scheme), (self.than,)

    def select(self, view: RuleView) -> np.ndarray:
        """Return the voxels of the other label that are less probable as such, strictly."""
        if view.probability is None:
            raise ValueError("no probabilities")
        names, than = self.compared(view.scheme)
        is_more = view.probability(names) > view.probability(than)
        return view.mask(than) & view.may_join(names) & is_more


@dataclass(frozen=True)
class AddForDice(Added):
    """Every voxel outside joins that raises the case's expected Dice; see `threshold_for_dice`."""

    def required_inputs(self) -> frozenset[Input]:
        """Return that nothing is expected without probabilities."""
        return frozenset({"probabilities"})

    def select(self, view: RuleView) -> np.ndarray:
        """Return the voxels outside the label or region that reach the case's threshold."""
        if view.probability is None:
            raise ValueError("no probabilities")
        probability = view.probability(self.names(view.scheme))
        reached = probability >= threshold_for_dice(probability)
        return view.may_join(self.names(view.scheme)) & reached


def threshold_for_dice(probability: np.ndarray) -> float:
    """Return the threshold from which on voxels are in the mask of the highest expected Dice.

    The mask of the n most probable voxels has an expected Dice of about 2 (their sum) / (n + the
    sum of all), for independent voxels and objects of more than a few: the blind approximation of
    RankDice (Dai and Li, "RankSEG", JMLR 2023). It is half the best such Dice, so never above 0.5
    but between two voxels' probabilities. Infinite where no voxel has any probability.

    Args:
        probability: (z, y, x) of one label or region.
    """
    ordered = np.sort(probability[probability > 0], axis=None)[::-1]
    if not ordered.size:
        return math.inf
    sums = np.cumsum(ordered, dtype=np.float64)
    dice = 2 * sums / (np.arange(1, ordered.size + 1) + sums[-1])
    return float(ordered[int(dice.argmax())])
