"""Components whose label may be wrong: another label for each, and what that is worth.

A component is worth relabelling by what that gains over the better of keeping and removing it, so
a gate that relabels leaves false components to those that remove.
"""

from collections.abc import Sequence
from dataclasses import replace

import joblib
import numpy as np

from lab.learned_gates.gate_cases import GateCase, TargetComponents, component_gains
from lab.learned_gates.gate_targets import GateTarget, relabelling_targets
from lab.progress import progress
from lab.rule_search.config import SearchConfig
from lab.rule_search.cross_validation import folds_of


def add_relabelling(
    cases: Sequence[GateCase], targets: Sequence[GateTarget], config: SearchConfig
) -> tuple[GateTarget, ...]:
    """Add targets whose components become another label to all cases; return all targets.

    They are those that the cases without any fold suggest; `fit_gates` takes those that its own
    training cases suggest. They come before the gates that remove components of a label.

    Args:
        cases: changed in place.
        targets: of `make_targets`, which the cases have.
        config: whose seed the folds have.
    """
    everything, scheme = np.arange(len(cases)), cases[0].scheme
    training = [np.setdiff1d(everything, fold) for fold in folds_of(everything, config.seed)]
    sums = [confusion_of([cases[i] for i in some]) for some in (*training, everything) if len(some)]
    added = relabelling_targets(scheme, sums)
    if not added:
        return tuple(targets)
    at = next(number for number, target in enumerate(targets) if target.label)
    run = joblib.Parallel(n_jobs=None, return_as="generator")
    results = run(joblib.delayed(relabelled)(case, targets, added) for case in cases)
    described = progress(results, len(cases), description="trying other labels")
    for case, components in zip(cases, described, strict=True):
        case.targets[at:at] = components
    return (*targets[:at], *added, *targets[at:])


def relabelled(
    case: GateCase, targets: Sequence[GateTarget], added: Sequence[GateTarget]
) -> list[TargetComponents]:
    """Return the components of each target that relabels, with what that is worth in a case."""
    results = []
    for target in added:
        number = next(i for i, other in enumerate(targets) if other.label == target.label)
        removal = case.targets[number]
        gains = component_gains(case, number, target) - removal.gains.clip(min=0)
        results.append(replace(removal, gains=gains))
    return results


def confusion_of(cases: Sequence[GateCase]) -> np.ndarray:
    """Return the voxels (1 + label, 1 + label) of cases by reference and prediction."""
    return np.sum([case.search_case.confusion for case in cases], axis=0)
