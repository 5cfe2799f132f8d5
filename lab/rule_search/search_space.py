"""The rules that are tried: one parameter a rule, one grid point a threshold, 0 for no rule."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from challenge.scheme import Scheme
from lab.rule_search.config import LOWERING, RuleType, SearchConfig
from postprocess.rule_base import BACKGROUND, Rule
from postprocess.rules_by_component import RemoveComponent
from postprocess.rules_by_probability import AddForDice, AddProbable
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

Setting = tuple[int, ...]  # one grid index a parameter
Names = tuple[str, ...]  # labels that a rule is about
Point = float | tuple[float, float]  # a threshold, or a size and a peak

SIZES: Mapping[str, tuple[str, type]] = {
    "voxels": ("min_voxels", int),
    "mm3": ("min_volume_mm3", float),
}
UNITS = {"share": "", "probability": "", "mm3": " mm3", "voxels": " voxels"}
TITLES: Mapping[RuleType, str] = {
    "size": "{name} components below a size become {becomes}",
    "peak": "{name} components below a peak probability become {becomes}",
    "size or peak": "{name} components below a size and a peak probability become {becomes}",
    "share": "{name} becomes {becomes} below a share",
    "threshold": "{name} takes voxels from a probability on",
    "dice": "{name} takes voxels that raise its expected Dice",
}


@dataclass(frozen=True)
class SearchParameter:
    """One rule whose threshold is searched for, or whose two are."""

    label: str  # "" where `region` is set
    region: str
    becomes: str
    unit: str  # voxels | mm3 | share | probability; of a size and a peak, that of the size
    grid: tuple[Point, ...]  # the smaller intervention first; grid[0] is 0, or (0, 0): no rule
    rule_type: RuleType = "size"

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "SearchParameter":
        """Read what `to_json` gives."""
        grid = tuple(tuple(point) if isinstance(point, list) else point for point in row["grid"])
        return cls(row["label"], row["region"], row["becomes"], row["unit"], grid, row["rule_type"])

    def to_json(self) -> dict[str, Any]:
        """Return the fields, and the title for people."""
        return {**vars(self), "title": self.title}

    @property
    def name(self) -> str:
        """The label or region."""
        return self.label or self.region

    @property
    def needs_probabilities(self) -> bool:
        """Whether the rule is skipped where only labels are known."""
        return self.rule_type in ("peak", "size or peak", *LOWERING)

    @property
    def title(self) -> str:
        """Return the parameter in words."""
        return TITLES[self.rule_type].format(name=self.name, becomes=self.becomes)

    def rule(self, grid_index: int) -> Rule | None:
        """Return the rule at a grid point; None at 0."""
        if grid_index == 0:
            return None
        point = self.grid[grid_index]
        threshold, peak = point if isinstance(point, tuple) else (point, point)
        if self.rule_type == "threshold":
            return AddProbable(self.label, min_probability=threshold)
        if self.rule_type == "dice":
            return AddForDice(self.label)
        if self.rule_type == "share":
            return RelabelMinor(self.label, self.becomes, float(threshold))
        spares: dict[str, Any] = {}
        if self.unit != "probability":
            key, number = SIZES[self.unit]
            spares[key] = number(threshold)
        if self.rule_type == "size":
            return RemoveSmall(self.label, self.becomes, region=self.region, **spares)
        spares["min_peak_probability"] = peak
        return RemoveComponent(self.label, self.becomes, region=self.region, unless_any=spares)

    def in_words(self, grid_index: int) -> str:
        """Return the rule at a grid point, which is not 0, in words."""
        point, unit = self.grid[grid_index], UNITS[self.unit]
        if self.rule_type == "threshold":
            return f"{self.name} takes voxels of probability >= {point:g}"
        if self.rule_type == "dice":
            return self.title
        if isinstance(point, tuple):
            condition = f"components < {point[0]:g}{unit} and peak < {point[1]:g}"
        else:
            subjects = {"share": "share", "peak": "components of peak"}
            condition = f"{subjects.get(self.rule_type, 'components')} < {point:g}{unit}"
        return f"{self.name} {condition} -> {self.becomes}"

    def point_in_words(self, grid_index: int) -> str:
        """Return the threshold of a grid point without its unit, of two both."""
        point = self.grid[grid_index]
        return f"{point[0]:g}, {point[1]:g}" if isinstance(point, tuple) else f"{point:g}"


def make_search_space(
    scheme: Scheme, config: SearchConfig, probable: Collection[Names] = ()
) -> tuple[SearchParameter, ...]:
    """List what a configuration can try, as rules apply; no case has a say in it.

    Thresholds come first, then peaks, sizes and shares. Any label may turn into any other;
    `searched_parameters` chooses the pairs that some cases suggest. Where a challenge forbids empty
    answers there is one label to win or lose, so no shares are tried.

    Args:
        scheme: the challenge.
        config: what is tried.
        probable: labels whose probability is known in every case; there are no peaks of others.
    """
    subjects = searched_masks(scheme, config)

    def components(label: str, region: str, rule_type: RuleType) -> SearchParameter:
        becomes = BACKGROUND if region else config.becomes
        unit = "probability" if rule_type == "peak" else config.unit
        grids: Mapping[RuleType, tuple[Point, ...]] = {
            "size": config.sizes,
            "peak": config.peaks,
            "size or peak": config.sizes_and_peaks,
        }
        grid = grids[rule_type]
        return SearchParameter(label, region, becomes, unit, grid, rule_type)

    peaks: tuple[RuleType, ...] = ("peak", "size or peak")
    lowering: Mapping[RuleType, tuple[Point, ...]] = {
        "threshold": config.thresholds,
        "dice": (0.0, 1.0),
    }
    parameters = [
        SearchParameter(label, "", label, "probability", grid, rule_type)
        for rule_type, grid in lowering.items()
        for label in scheme.written
        # A tumour that grew before it was removed cannot come back as it was.
        if rule_type in config.rule_types and (label,) in probable and not scheme.when_empty
    ]
    parameters += [
        components(*subject, rule_type)
        for rule_type in peaks
        for subject, names in subjects.items()
        if rule_type in config.rule_types and names in probable
    ]
    parameters += [components(*subject, "size") for subject in subjects]
    if scheme.when_empty:
        return tuple(parameters)
    pairs = permutations(scheme.written, 2)
    parameters += [SearchParameter(a, "", b, "share", config.shares, "share") for a, b in pairs]
    return tuple(parameters)


def searched_masks(scheme: Scheme, config: SearchConfig) -> dict[tuple[str, str], Names]:
    """Return what components are searched of: (label, region), one of them "", and its labels."""
    masks: dict[tuple[str, str], Names] = {(label, ""): (label,) for label in scheme.written}
    tumour = tuple(scheme.regions[scheme.tumour])
    if config.regions and len(tumour) > 1:
        masks["", scheme.tumour] = tumour
    return masks


def searched_parameters(
    parameters: Sequence[SearchParameter],
    config: SearchConfig,
    scheme: Scheme,
    confusion: np.ndarray,
) -> tuple[int, ...]:
    """Return the numbers of the parameters that a configuration searches on some cases.

    A label may turn into those `config.targets` that their references most often hold where it was
    predicted, so `confusion` must be of the cases that choose thresholds, and of no held-out one.

    Args:
        parameters: the search space.
        config: what is tried.
        scheme: the challenge.
        confusion: (1 + label, 1 + label) voxels by reference and prediction, background first, then
            the scheme's labels in their order.
    """
    pairs = {
        (label, target)
        for label in scheme.written
        for target in most_confused(label, scheme, confusion, config.targets)
    }
    return tuple(
        i
        for i, p in enumerate(parameters)
        if p.rule_type in config.rule_types
        and (p.rule_type != "share" or (p.label, p.becomes) in pairs)
    )


def most_confused(label: str, scheme: Scheme, confusion: np.ndarray, count: int) -> list[str]:
    """Return the labels that references hold most often where `label` was predicted, most first."""
    names = list(scheme.labels)
    column = confusion[1:, 1 + names.index(label)].astype(float)
    column[names.index(label)] = 0
    order = np.argsort(-column, kind="stable")[:count]
    return [names[i] for i in order if column[i] > 0 and names[i] in scheme.written]


def rules_of(parameters: Sequence[SearchParameter], setting: Setting) -> tuple[Rule, ...]:
    """Return the rules of a setting."""
    rules = (parameter.rule(index) for parameter, index in zip(parameters, setting, strict=True))
    return tuple(rule for rule in rules if rule is not None)
