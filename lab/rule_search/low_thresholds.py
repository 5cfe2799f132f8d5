"""A case after minimum probabilities of labels, tabulated when it is first needed."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from challenge.box import Box, bounding_box, joint_box
from challenge.scheme import Scheme
from lab.metrics.label_components import find_label_components
from lab.metrics.pair import Pair, crop_box
from lab.rule_search.case_components import Names
from lab.rule_search.search_case import SearchCase, Thresholds
from postprocess.apply_rules import apply_rules
from postprocess.rule_base import EnsembleMaps
from postprocess.rules_by_probability import Added, AddForDice, AddProbable, threshold_for_dice

Make = Callable[[Pair, EnsembleMaps], SearchCase]  # tabulates a case
CASES_IN_MEMORY = 6  # tabulated ones of each case: all thresholds of one label


@dataclass
class LowThresholds:
    """A case's label maps and probabilities in memory, cut to where thresholds change anything."""

    scheme: Scheme
    pair: Pair  # cut to `box`
    probabilities: Mapping[Names, np.ndarray]  # cut to `box`; half precision where that is exact
    votes: np.ndarray | None  # (z, y, x) cut to `box`
    box: Box
    shape: tuple[int, ...]  # of the case
    make: Make
    for_dice: Mapping[Names, float]  # label -> `threshold_for_dice` of the whole case
    unchanged: SearchCase  # before thresholds
    _cases: "OrderedDict[Thresholds, SearchCase]" = field(default_factory=OrderedDict)

    def __call__(self, thresholds: Thresholds, values: np.ndarray | None = None) -> SearchCase:
        """Return the case after thresholds; it names none where they change no voxel.

        Args:
            thresholds: the rules.
            values: label value (component,) of each component before them; None: as predicted.
        """
        if values is not None:
            return self._tabulate(thresholds, values)
        if thresholds not in self._cases:
            self._cases[thresholds] = self._tabulate(thresholds)
        self._cases.move_to_end(thresholds)
        while len(self._cases) > CASES_IN_MEMORY:
            self._cases.popitem(last=False)
        return self._cases[thresholds]

    def probability(self, names: Names) -> np.ndarray:
        """Return the probability (z, y, x) of labels that a threshold or a peak may be of."""
        if names not in self.probabilities:
            raise ValueError(f"no probabilities of {names}")
        return self._whole(self.probabilities[names].astype(np.float32))

    def _tabulate(self, thresholds: Thresholds, values: np.ndarray | None = None) -> SearchCase:
        predicted, reference = self._whole(self.pair.prediction), self._whole(self.pair.reference)
        prediction = predicted.copy()
        if values is not None and (box := bounding_box(prediction)) is not None:
            prediction[box] = values[find_label_components(prediction[box]).ids]
        pair = replace(self.pair, prediction=prediction, reference=reference)
        rules = [self._in_numbers(rule) for rule in thresholds]
        before = EnsembleMaps(self.probability, predicted=predicted)
        result = apply_rules(prediction, rules, self.scheme, pair.spacing_mm, before)
        if not result.applied and values is None:
            return self.unchanged
        votes = self.votes if self.votes is None else self._whole(self.votes)
        maps = EnsembleMaps(self.probability, votes)
        case = self.make(replace(pair, prediction=result.labels), maps)
        return replace(case, thresholds=thresholds)

    def _in_numbers(self, rule: Added) -> Added:
        """Return a rule with the threshold that it has in this case."""
        if not isinstance(rule, AddForDice):
            return rule
        threshold = self.for_dice[rule.names(self.scheme)]
        return AddProbable(rule.label, min_probability=threshold)

    def _whole(self, cut: np.ndarray) -> np.ndarray:
        whole = np.zeros(self.shape, cut.dtype)
        whole[self.box] = cut
        return whole


def keep_for_thresholds(
    pair: Pair,
    maps: EnsembleMaps,
    lowest: float,
    scheme: Scheme,
    make: Make,
    unchanged: SearchCase,
) -> LowThresholds:
    """Keep of a case what thresholds need.

    Args:
        pair: of the case.
        maps: its probabilities, and votes if known.
        lowest: the lowest threshold that is tried.
        scheme: the challenge.
        make: tabulates a pair with its maps.
        unchanged: what it makes of the pair itself, which says whose probabilities matter.
    """
    assert maps.probability is not None
    probabilities = {names: maps.probability(names) for names in unchanged.components.peaks}
    boxes, for_dice = [crop_box(pair, 1)], dict[Names, float]()
    for names, probability in probabilities.items():
        low = np.float32(lowest)
        if len(names) == 1:
            for_dice[names] = threshold_for_dice(probability)
            low = min(low, np.float32(for_dice[names]))
        boxes.append(bounding_box(probability >= low, 1) or boxes[0])
    box = boxes[0]
    for other in boxes[1:]:
        box = joint_box(box, other) or box
    return LowThresholds(
        scheme,
        replace(pair, prediction=pair.prediction[box].copy(), reference=pair.reference[box].copy()),
        {names: _compact(probability[box]) for names, probability in probabilities.items()},
        maps.votes if maps.votes is None else maps.votes[box].copy(),
        box,
        pair.prediction.shape,
        make,
        for_dice,
        unchanged,
    )


def _compact(values: np.ndarray) -> np.ndarray:
    """Return a copy in half precision where that changes no value."""
    half = values.astype(np.float16)
    return half if np.array_equal(half.astype(values.dtype), values) else values.copy()
