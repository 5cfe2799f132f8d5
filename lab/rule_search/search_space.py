"""The rules that are tried: which labels and regions, which predicates, in which order."""

from collections.abc import Collection, Sequence
from itertools import permutations

import numpy as np

from challenge.scheme import Scheme
from lab.rule_search.case_components import Names
from lab.rule_search.config import IS_RULE, Grids, RuleType, SearchConfig
from lab.rule_search.search_parameter import SearchParameter
from lab.rule_search.sparing import SPARES, spare_of
from postprocess.rule_base import BACKGROUND, Rule

Setting = tuple[int, ...]  # one grid index a parameter


def make_search_space(
    scheme: Scheme,
    config: SearchConfig,
    probable: Collection[Names] = (),
    has_votes: bool = False,
) -> tuple[SearchParameter, ...]:
    """List what a configuration can try, as rules apply; no case has a say in it.

    Thresholds come first, then what spares components, sizes and shares. Any label may turn into
    any other; `searched_parameters` chooses the pairs that some cases suggest. Where a challenge
    forbids empty answers there is one label to win or lose, so no shares are tried.

    Args:
        scheme: the challenge.
        config: what is tried.
        probable: labels whose probability is known in every case; there are no peaks of others.
        has_votes: whether every case has the votes of members.
    """
    subjects = searched_masks(scheme, config)
    # A tumour that grew before it was removed cannot come back as it was.
    parameters = [] if scheme.when_empty else _lowering(scheme, config, probable)

    def components(subject: tuple[str, str], rule_type: RuleType, other: str) -> SearchParameter:
        label, region = subject
        becomes = BACKGROUND if region else config.becomes
        spare = SPARES.get(rule_type)
        unit = spare.unit if spare else config.unit
        grid = config.sizes if rule_type == "size" else config.grids[rule_type]
        return SearchParameter(label, region, becomes, unit, grid, rule_type, other)

    parameters += [
        components(subject, rule_type, other)
        for rule_type in config.grids
        if rule_type in config.rule_types
        for subject, names in subjects.items()
        for other in others_at_hand(rule_type, names, scheme, probable, has_votes)
    ]
    parameters += [components(subject, "size", "") for subject in subjects]
    if scheme.when_empty:
        return tuple(parameters)
    pairs = permutations(scheme.written, 2)
    parameters += [SearchParameter(a, "", b, "share", config.shares, "share") for a, b in pairs]
    return tuple(parameters)


def _lowering(
    scheme: Scheme, config: SearchConfig, probable: Collection[Names]
) -> list[SearchParameter]:
    """List the rules by which voxels join: outer regions before inner ones, then labels."""
    regions = {
        subject: names
        for subject, names in threshold_regions(scheme, config).items()
        if names in probable
    }
    parameters = [
        SearchParameter("", region, label, "none", IS_RULE, "more probable", other)
        for (region, label), names in regions.items()
        for other in excluded_by(names, scheme)
        if (other,) in probable and "more probable" in config.rule_types
    ]
    parameters += [
        SearchParameter("", region, label, "probability", config.thresholds, "region threshold")
        for region, label in regions
        if "region threshold" in config.rule_types
    ]
    grids: Grids = {"threshold": config.thresholds, "dice": (0.0, 1.0)}
    return parameters + [
        SearchParameter(label, "", label, "probability", grid, rule_type)
        for rule_type, grid in grids.items()
        for label in scheme.written
        if rule_type in config.rule_types and (label,) in probable
    ]


def excluded_by(names: Names, scheme: Scheme) -> tuple[str, ...]:
    """Return the labels that a network of regions sees by themselves, outside a region's labels."""
    return tuple(
        label
        for region, label in scheme.training_regions
        if tuple(scheme.regions.get(region, (region,))) == (label,) and label not in names
    )


def threshold_regions(scheme: Scheme, config: SearchConfig) -> dict[tuple[str, str], Names]:
    """Return what regions take voxels: (region, label that it is painted with), and its labels."""
    if not {"region threshold", "more probable"} & set(config.rule_types):
        return {}
    return {
        (region, label): tuple(scheme.regions[region])
        for region, label in scheme.training_regions
        if len(scheme.regions.get(region, ())) > 1
    }


def others_at_hand(
    rule_type: str, names: Names, scheme: Scheme, probable: Collection[Names], has_votes: bool
) -> tuple[str, ...]:
    """Return what a rule that spares components may also be about, `("",)` where it is nothing.

    Empty where it needs probabilities, votes, or a region, that there are none of.
    """
    spare = spare_of(rule_type)
    assert spare is not None
    missing = {"probabilities": names not in probable, "votes": not has_votes}
    if any(missing[needed] for needed in spare.requires):
        return ()
    return spare.others_of(names, scheme)


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
