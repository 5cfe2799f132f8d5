"""Which rules a group of cases gets.

`stepwise` (configuration `validated`) adds the rule that gains most, at the smallest threshold
within one standard error of the best, until none gains more than its own standard error; where none
does, a lower threshold of a label is tried together with a peak of it, which each alone may harm;
then it drops every rule whose loss is not felt. `label-by-label` (configuration `published`) takes
the best threshold of every label by itself, then the best share of every label with those sizes
applied.
"""

from collections.abc import Sequence

import numpy as np

from challenge.provenance import hash_json
from lab.metrics.objective import POSITIONS
from lab.rule_search.config import LOWERING
from lab.rule_search.group import ROUNDING, Group, PositionGroup
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import Setting


def choose_rules(
    cache: ScoreCache, weights: np.ndarray, parameters: Sequence[int], objective: str, search: str
) -> Setting:
    """Choose a setting for a group of cases.

    Args:
        cache: scores of every case's variants.
        weights: (case,) how much each counts, summing to 1; 0 leaves a case out.
        parameters: which parameters may be used.
        objective: see `lab.metrics.objective`.
        search: `stepwise` or `label-by-label`.
    """
    choose = _stepwise if search == "stepwise" else _label_by_label
    kind = PositionGroup if objective == POSITIONS else Group
    return cache.chosen(
        hash_json([list(parameters), objective, search, weights.tolist()]),
        lambda: choose(kind(cache, weights, objective), parameters),
    )


def first_best(means: np.ndarray) -> int:
    """Return the first grid index that is best; equal sums may differ in their last digits."""
    return int(np.flatnonzero(means >= means.max() - ROUNDING)[0])


def smallest_as_good(group: Group, gains: np.ndarray) -> int:
    """Return the smallest grid index within one standard error of the best.

    `gains` are (case, grid point).
    """
    best = first_best(group.mean(gains))
    loss = gains[:, [best]] - gains
    return int(np.flatnonzero(group.mean(loss) <= group.error(loss) + ROUNDING)[0])


def _stepwise(group: Group, parameters: Sequence[int]) -> Setting:
    """Labels first: a rule on a whole region is the larger intervention, for what they leave."""
    setting = list(group.cache.no_rules)
    is_region = [bool(parameter.region) for parameter in group.cache.parameters]
    for stage in (
        [parameter for parameter in parameters if not is_region[parameter]],
        [parameter for parameter in parameters if is_region[parameter]],
    ):
        _add_rules(group, setting, stage)
    for parameter in parameters:
        gains = group.gains(tuple(setting), parameter)
        if group.mean(-gains)[0] <= group.error(gains)[0] + ROUNDING:
            setting[parameter] = 0
    return tuple(setting)


def _add_rules(group: Group, setting: list[int], parameters: Sequence[int]) -> None:
    """Add or move the best rule of these parameters, again and again, in place."""
    for _ in range(3 * len(parameters)):
        moves = {}
        for parameter in parameters:
            gains = group.gains(tuple(setting), parameter)
            index = smallest_as_good(group, gains)
            mean = float(group.mean(gains)[index])
            if index != setting[parameter] and mean > ROUNDING:
                moves[parameter] = (mean, index)
        if moves:
            best = group.best_move(tuple(setting), moves)
            setting[best] = moves[best][1]
        elif not _add_two(group, setting, parameters):
            break


def _add_two(group: Group, setting: list[int], parameters: Sequence[int]) -> bool:
    """Add the best lower threshold with a peak of its label, in place; False where none gains.

    Of one threshold alone specks join, of a peak alone nothing; together they are hysteresis.
    """
    tried: list[tuple[np.ndarray, dict[int, int]]] = []  # gains (case,), and what moves
    for threshold, peak in _thresholds_with_peaks(group, setting, parameters):
        for index in range(1, len(group.cache.parameters[threshold].grid)):
            gains = group.gains_of_two(tuple(setting), (threshold, index), peak)
            at = smallest_as_good(group, gains)
            tried.append((gains[:, at], {threshold: index, peak: at}))
    if not tried:
        return False
    columns = np.stack([gains for gains, _ in tried], axis=1)
    chosen = smallest_as_good(group, columns)
    if not group.mean(columns)[chosen] > ROUNDING:
        return False
    for parameter, index in tried[chosen][1].items():
        setting[parameter] = index
    return True


def _thresholds_with_peaks(
    group: Group, setting: Sequence[int], parameters: Sequence[int]
) -> list[tuple[int, int]]:
    """Return the pairs of parameters that are moved together: of one label, and no rule yet."""
    known = group.cache.parameters
    return [
        (one, other)
        for one in parameters
        for other in parameters
        if known[one].rule_type in LOWERING
        and known[other].rule_type == "peak"
        and known[one].name == known[other].name
        and setting[one] == 0
        and group.moves_two
    ]


def _label_by_label(group: Group, parameters: Sequence[int]) -> Setting:
    setting = list(group.cache.no_rules)
    sizes = [p for p in parameters if group.cache.parameters[p].rule_type != "share"]
    for stage in (sizes, [parameter for parameter in parameters if parameter not in sizes]):
        before = tuple(setting)
        for parameter in stage:
            setting[parameter] = first_best(group.mean(group.gains(before, parameter)))
    return tuple(setting)
