"""What may spare a component from removal: one row of PREDICATES each.

How to add a predicate: write what its value may be (`check`) and which components it holds for
(`holds`, one bool an id), and add one row. Rules of kind remove-component know it then, under its
name. What it asks of components that `MeasuredComponents` lacks is answered twice: of an image by
`RuleComponents`, and of a case's tables by the rule search, which may refuse it by name.

Size and mean probability together are after MBZUAI BioMedIA's BraTS 2024 entry; the peak, alone, or
beside the size, is that of hysteresis thresholding (Canny 1986), of FORSIAT's and StrokeFusion's
ISLES entries.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from challenge.scheme import Scheme

from .rule_base import Input, Rule, RuleError, check_number, check_whole
from .rule_components import MeasuredComponents, names_inside, names_outside

# Headers hold spacing as float32, so a 1 mm voxel may measure 0.9999998 mm3.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Predicate:
    """One predicate."""

    name: str  # key in JSON
    # Raises RuleError for a value that makes no sense; takes the key, the value and its rule.
    check: Callable[[str, Any, Rule, Scheme], None]
    holds: Callable[[MeasuredComponents, Any], np.ndarray]  # -> (component,) bool
    requires: frozenset[Input] = frozenset()


class Conditions(dict[str, Any]):
    """Predicates by name with their values; hashable as rules are, so it must not be changed."""

    def __init__(self, rows: Mapping[str, Any]) -> None:
        super().__init__(
            {name: Conditions(v) if isinstance(v, Mapping) else v for name, v in rows.items()}
        )

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Conditions, (dict(self),)

    def check(self, key: str, rule: Rule, scheme: Scheme) -> None:
        """Raise RuleError where a predicate is unknown, or its value makes no sense."""
        if not self:
            raise RuleError(f"{key}: no predicate, one of {', '.join(by_name)}")
        for name, value in self.items():
            if name not in by_name:
                raise RuleError(f"{key}: {name!r} is not one of {', '.join(by_name)}")
            by_name[name].check(name, value, rule, scheme)

    def required_inputs(self) -> frozenset[Input]:
        """Return the inputs that the predicates need."""
        return frozenset().union(*(by_name[name].requires for name in self))

    def hold(self, components: MeasuredComponents) -> Iterator[np.ndarray]:
        """Yield, for each predicate, which components (component,) it holds for."""
        for name, value in self.items():
            yield by_name[name].holds(components, value)


def _check_mm3(key: str, value: Any, rule: Rule, scheme: Scheme) -> None:
    check_number(key, value, math.inf)


def _check_voxels(key: str, value: Any, rule: Rule, scheme: Scheme) -> None:
    check_whole(key, value, 0)


def _check_share(key: str, value: Any, rule: Rule, scheme: Scheme) -> None:
    check_number(key, value, 1.0)


def _check_other(key: str, value: Any, rule: Rule, scheme: Scheme) -> None:
    if not isinstance(value, str) or value not in (*scheme.labels, *scheme.regions):
        known = ", ".join(dict.fromkeys((*scheme.labels, *scheme.regions)))
        raise RuleError(f"{key}: {value!r} is not one of {known}")
    if not names_outside(value, rule.names(scheme), scheme):
        raise RuleError(f"{key}: {value!r} has no label beside {rule.label or rule.region}")


def _check_distance(key: str, value: Any, rule: Rule, scheme: Scheme) -> None:
    name, limit_mm = _only_entry(key, value, "mm")
    _check_other(key, name, rule, scheme)
    check_number(f"{key}: {name}", limit_mm, math.inf)


def _check_held(key: str, value: Any, rule: Rule, scheme: Scheme) -> None:
    name, share = _only_entry(key, value, "share")
    check_held(key, name, rule, scheme)
    check_number(f"{key}: {name}", share, 1.0)
    if share == 0:
        raise RuleError(f"{key}: {name}: {share!r} would spare everything")


def check_held(key: str, name: Any, rule: Rule, scheme: Scheme) -> None:
    """Raise RuleError unless a label or region, by name, is inside what a rule is about."""
    if not isinstance(name, str) or not names_inside(name, rule.names(scheme), scheme):
        raise RuleError(f"{key}: {name!r} is not inside {rule.label or rule.region}")


def _only_entry(key: str, value: Any, unit: str) -> tuple[str, Any]:
    if not isinstance(value, Mapping) or len(value) != 1:
        raise RuleError(f'{key}: {value!r} is not one label or region with its {unit}: {{"WT": 1}}')
    return _entry(value)


def _entry(value: Mapping[str, Any]) -> tuple[str, Any]:
    return next(iter(value.items()))


def _reaches_mm3(components: MeasuredComponents, value: float) -> np.ndarray:
    return components.voxels * components.voxel_volume_mm3 >= value * (1 - ROUNDING)


def _reaches_peak(components: MeasuredComponents, value: float) -> np.ndarray:
    return components.peaks >= components.peaks.dtype.type(value)


def _reaches_votes(components: MeasuredComponents, value: float) -> np.ndarray:
    most = components.most_votes
    return np.asarray(most >= most.dtype.type(value))


PROBABILITIES: frozenset[Input] = frozenset({"probabilities"})
PREDICATES: Sequence[Predicate] = (
    Predicate("min_voxels", _check_voxels, lambda c, v: c.voxels >= v),
    Predicate("min_volume_mm3", _check_mm3, _reaches_mm3),
    Predicate("min_peak_probability", _check_share, _reaches_peak, PROBABILITIES),
    Predicate("min_mean_probability", _check_share, lambda c, v: c.means >= v, PROBABILITIES),
    Predicate("min_votes", _check_share, _reaches_votes, frozenset({"votes"})),
    Predicate("max_distance_mm", _check_mm3, lambda c, v: c.near_larger(v)),
    Predicate("max_distance_to_mm", _check_distance, lambda c, v: c.near(*_entry(v))),
    Predicate("touches", _check_other, lambda c, v: c.touching(v)),
    Predicate("inside", _check_other, lambda c, v: c.inside(v)),
    Predicate("holds", _check_held, lambda c, v: c.holding(*_entry(v))),
)
by_name: Mapping[str, Predicate] = {predicate.name: predicate for predicate in PREDICATES}
