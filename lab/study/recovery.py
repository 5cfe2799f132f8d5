"""Whether the rules that were found are those that were planted."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.rule_search.cross_validation import apply
from lab.rule_search.decision import Decision
from lab.rule_search.search_space import SearchParameter
from lab.study.cohorts import Planted
from lab.study.planted import PlantedCluster


def recovered(
    planted: Planted, decision: Decision, plants: Sequence[PlantedCluster], voxel_mm3: float
) -> list[dict[str, Any]]:
    """Compare, for each planted cluster, what most of its cases get with what was planted.

    A rule is recovered where its threshold is at most one grid step from the thresholds that are
    equally good by construction; a cluster, where all its rules are.
    """
    cohort = planted.cohort
    settings, _ = apply(cohort, decision.fitted, np.arange(len(planted.clusters)))
    rows = []
    for kind, plant in enumerate(plants):
        own = [settings[i] for i in np.flatnonzero(planted.clusters == kind)]
        common = max(set(own), key=own.count)
        rules = [
            _rule(cohort.cache.parameters, common, (label, ""), (low * voxel_mm3, high * voxel_mm3))
            for label, (low, high) in plant.best_voxels.items()
        ] + [
            _rule(cohort.cache.parameters, common, names, ends)
            for names, ends in plant.best_share.items()
        ]
        rows.append(
            {
                "cluster": plant.name,
                "share_of_cases": own.count(common) / len(own),
                "rules": rules,
                "recovered": all(rule["steps_off"] <= 1 for rule in rules),
            }
        )
    return rows


def _rule(
    parameters: Sequence[SearchParameter],
    setting: Sequence[int],
    names: tuple[str, str],
    ends: tuple[float, float],
) -> dict[str, Any]:
    """Measure how many grid steps a found threshold is from the planted interval."""
    label, becomes = names
    wanted = "share" if becomes else ("voxels", "mm3")
    found = [
        i
        for i, parameter in enumerate(parameters)
        if parameter.label == label
        and parameter.unit in wanted
        and (not becomes or parameter.becomes == becomes)
    ]
    row = {"label": label, "becomes": becomes, "planted": list(ends)}
    if not found:
        return {**row, "found": 0.0, "steps_off": len(parameters[0].grid)}
    grid, step = np.array(parameters[found[0]].grid), setting[found[0]]
    good = np.flatnonzero((grid >= ends[0]) & (grid <= ends[1]))
    if good.size == 0:  # between two steps: either is one
        good = np.array([int(np.searchsorted(grid, ends[0]))])
    off = int(np.abs(good - step).min()) if step else len(grid)
    return {**row, "found": float(grid[step]), "steps_off": off}
