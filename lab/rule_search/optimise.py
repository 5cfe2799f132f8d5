"""Which rules a group of cases gets.

`stepwise` (the recipe `sound`) adds the rule that gains most, at the smallest threshold within one
standard error of the best, until none gains more than its own standard error; then it drops every
rule whose loss is not felt. `label by label` (the recipe `paper`) takes the best threshold of every
label by itself, then the best share of every label with those sizes applied.
"""

from collections.abc import Sequence

import numpy as np

from lab.metrics.objective import objective_values
from lab.rule_search.score_cache import Ledger
from lab.rule_search.search_space import Setting

ROUNDING = 1e-12


def choose_rules(
    ledger: Ledger, weights: np.ndarray, slots: Sequence[int], objective: str, search: str
) -> Setting:
    """Choose a setting for a group of cases.

    Args:
        ledger: scores of every case's states.
        weights: (case,) how much each counts, summing to 1; 0 leaves a case out.
        slots: which slots may be used.
        objective: see `lab.metrics.objective`.
        search: `stepwise` or `label-by-label`.
    """
    group = Group(ledger, weights, objective)
    return (_stepwise if search == "stepwise" else _label_by_label)(group, slots)


class Group:
    """Weighted cases, and what each step of a slot gains them."""

    def __init__(self, ledger: Ledger, weights: np.ndarray, objective: str) -> None:
        self.ledger, self.objective = ledger, objective
        self.cases = np.flatnonzero(weights)
        self.weights = weights[self.cases]

    def gains(self, setting: Setting, slot: int) -> np.ndarray:
        """Return what each step of a slot gains over the setting; (case, step)."""
        scores = self.ledger.grid(setting, slot, self.cases)
        good = objective_values(scores, self.ledger.columns, self.objective)
        return np.asarray(good - good[:, [setting[slot]]])

    def mean(self, gains: np.ndarray) -> np.ndarray:
        """Return the weighted mean of gains (case, ...)."""
        return np.asarray(self.weights @ gains)

    def error(self, gains: np.ndarray) -> np.ndarray:
        """Return the standard error of the weighted mean of gains (case, ...); 0 of one case."""
        apart = gains - self.mean(gains)
        n = len(gains)
        scale = np.sqrt(n / (n - 1)) if n > 1 else 0.0
        return np.asarray(scale * np.sqrt(self.weights**2 @ apart**2))


def first_best(means: np.ndarray) -> int:
    """Return the first step that is best; equal sums may differ in their last digits."""
    return int(np.flatnonzero(means >= means.max() - ROUNDING)[0])


def smallest_as_good(group: Group, gains: np.ndarray) -> int:
    """Return the smallest step within one standard error of the best; gains are (case, step)."""
    best = first_best(group.mean(gains))
    loss = gains[:, [best]] - gains
    return int(np.flatnonzero(group.mean(loss) <= group.error(loss) + ROUNDING)[0])


def _stepwise(group: Group, slots: Sequence[int]) -> Setting:
    """Labels first: a rule on a whole region is the larger intervention, for what they leave."""
    setting = list(group.ledger.nothing)
    for stage in (
        [slot for slot in slots if not group.ledger.slots[slot].region],
        [slot for slot in slots if group.ledger.slots[slot].region],
    ):
        _add_rules(group, setting, stage)
    for slot in slots:
        gains = group.gains(tuple(setting), slot)
        if group.mean(-gains)[0] <= group.error(gains)[0] + ROUNDING:
            setting[slot] = 0
    return tuple(setting)


def _add_rules(group: Group, setting: list[int], slots: Sequence[int]) -> None:
    """Add or move the best rule of these slots, again and again, in place."""
    for _ in range(3 * len(slots)):
        steps = {}
        for slot in slots:
            gains = group.gains(tuple(setting), slot)
            step = smallest_as_good(group, gains)
            if step != setting[slot] and group.mean(gains)[step] > ROUNDING:
                steps[slot] = (float(group.mean(gains)[step]), step)
        if not steps:
            break
        slot = max(steps, key=lambda slot: steps[slot][0])
        setting[slot] = steps[slot][1]


def _label_by_label(group: Group, slots: Sequence[int]) -> Setting:
    setting = list(group.ledger.nothing)
    sizes = [slot for slot in slots if group.ledger.slots[slot].unit != "share"]
    for stage in (sizes, [slot for slot in slots if slot not in sizes]):
        before = tuple(setting)
        for slot in stage:
            setting[slot] = first_best(group.mean(group.gains(before, slot)))
    return tuple(setting)
