"""The rules that are tried: one parameter a rule, one grid point a threshold, 0 for no rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from challenge.scheme import Scheme
from lab.rule_search.config import RuleType, SearchConfig
from postprocess.rule_base import BACKGROUND, Rule
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

Setting = tuple[int, ...]  # one grid index a parameter


@dataclass(frozen=True)
class SearchParameter:
    """One rule whose threshold is searched for."""

    label: str  # "" where `region` is set
    region: str
    becomes: str
    unit: str  # voxels | mm3 | share
    grid: tuple[float, ...]  # ascending; grid[0] is 0, no rule

    @property
    def rule_type(self) -> RuleType:
        """What the threshold is on."""
        return "share" if self.unit == "share" else "size"

    @property
    def title(self) -> str:
        """Return the parameter in words."""
        name = self.label or self.region
        if self.rule_type == "share":
            return f"{name} becomes {self.becomes} below a share"
        return f"{name} components below a size become {self.becomes}"

    def rule(self, grid_index: int) -> Rule | None:
        """Return the rule at a grid point; None at 0."""
        if grid_index == 0:
            return None
        value = self.grid[grid_index]
        if self.rule_type == "share":
            return RelabelMinor(self.label, self.becomes, float(value))
        size = {"min_voxels": int(value)} if self.unit == "voxels" else {"min_volume_mm3": value}
        return RemoveSmall(self.label, self.becomes, region=self.region, **size)


def make_search_space(scheme: Scheme, config: SearchConfig) -> tuple[SearchParameter, ...]:
    """List what a configuration can try, sizes first, as rules apply; no case has a say in it.

    Any label may turn into any other; `searched_parameters` chooses the pairs that some cases
    suggest. Where a challenge forbids empty answers there is one label to win or lose, so no shares
    are tried.
    """

    def sizes(label: str, region: str = "") -> SearchParameter:
        becomes = BACKGROUND if region else config.becomes
        return SearchParameter(label, region, becomes, config.unit, config.sizes)

    parameters = [sizes(label) for label in scheme.written]
    if config.regions and len(scheme.regions[scheme.tumour]) > 1:
        parameters.append(sizes("", scheme.tumour))
    if scheme.when_empty:
        return tuple(parameters)
    pairs = permutations(scheme.written, 2)
    parameters += [SearchParameter(a, "", b, "share", config.shares) for a, b in pairs]
    return tuple(parameters)


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
        and (p.rule_type == "size" or (p.label, p.becomes) in pairs)
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
