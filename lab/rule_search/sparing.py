"""What the search lets spare a component from removal, alone or beside a size: a row each.

How to add one: a row of SPARES, its name and "size or" its name in `config.RuleType`, and grids for
both in a configuration. Its predicate is one of `postprocess.component_predicates`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from challenge.scheme import Scheme
from lab.rule_search.case_components import Names
from postprocess.component_predicates import by_name
from postprocess.rule_base import Input
from postprocess.rule_components import names_inside, names_outside

SIZE_OR = "size or "


@dataclass(frozen=True)
class Spare:
    """One predicate, and in words which components it does not spare.

    Words hold `{value}`, its threshold, and `{other}`, the label or region that it is also about.
    """

    predicate: str
    title: str
    clause: str
    axis: str
    unit: str = "none"  # of the threshold; none: there is no threshold
    about: Literal["", "around", "part"] = ""  # which `other`: see `others_of`

    @property
    def requires(self) -> frozenset[Input]:
        """What a case must have."""
        return by_name[self.predicate].requires

    def condition(self, threshold: float, other: str) -> dict[str, Any]:
        """Return the predicate with its value, as rules hold it."""
        if not self.about:
            return {self.predicate: threshold}
        if self.about == "part":
            return {self.predicate: {other: WHOLE}}
        return {self.predicate: other if self.unit == "none" else {other: threshold}}

    def others_of(self, names: Names, scheme: Scheme) -> tuple[str, ...]:
        """Return the regions that the predicate may be about, of a rule on some labels."""
        if not self.about:
            return ("",)
        return regions_around(names, scheme) if self.about == "around" else parts(names, scheme)


WHOLE = 1.0  # the share of a part that is held; any is as good, see `ComponentGroups.holding`

SPARES: Mapping[str, Spare] = {
    "peak": Spare(
        "min_peak_probability",
        "below a peak probability",
        "of peak < {value:g}",
        "whose peak is below, probability",
        "probability",
    ),
    "mean": Spare(
        "min_mean_probability",
        "below a mean probability",
        "of mean < {value:g}",
        "whose mean is below, probability",
        "probability",
    ),
    "votes": Spare(
        "min_votes",
        "below a share of votes",
        "of votes < {value:g}",
        "whose highest votes are below, share of the members",
        "share",
    ),
    "distance": Spare(
        "max_distance_mm",
        "far from any larger one",
        "> {value:g} mm from a larger one",
        "farther from a larger one than, mm",
        "mm",
    ),
    "distance to": Spare(
        "max_distance_to_mm",
        "far from {other}",
        "> {value:g} mm from {other}",
        "farther from {other} than, mm",
        "mm",
        "around",
    ),
    "touches": Spare(
        "touches",
        "that do not touch {other}",
        "not touching {other}",
        "not touching {other}",
        about="around",
    ),
    "inside": Spare(
        "inside", "not inside {other}", "not inside {other}", "not inside {other}", about="around"
    ),
    "holds": Spare("holds", "without {other}", "without {other}", "without {other}", about="part"),
}


def spare_of(rule_type: str) -> Spare | None:
    """Return the row of a rule type, alone or beside a size; None for other types."""
    return SPARES.get(rule_type.removeprefix(SIZE_OR))


def spares_of(rule_types: Iterable[str]) -> set[str]:
    """Return the names of the rows that some rule types are about."""
    return {name.removeprefix(SIZE_OR) for name in rule_types} & SPARES.keys()


def regions_around(names: Names, scheme: Scheme) -> tuple[str, ...]:
    """Return the regions that some labels are a part of, and the tumour; none twice.

    Two regions are the same where they have the same labels beside `names`.
    """
    first: dict[Names, str] = {}
    for region, labels in scheme.regions.items():
        if region == scheme.tumour or set(names) < set(labels):
            first.setdefault(names_outside(region, names, scheme), region)
    return tuple(region for beside, region in first.items() if beside)


def parts(names: Names, scheme: Scheme) -> tuple[str, ...]:
    """Return the regions inside some labels; none for one label."""
    return tuple(region for region in scheme.regions if names_inside(region, names, scheme))
