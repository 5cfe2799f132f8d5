"""Whether the rules that a search chose are those that were planted."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.rule_search.decision import Decision
from lab.rule_search.search_parameter import SearchParameter
from lab.study.cohorts import Planted
from lab.study.planted import SPACING_MM, PlantedCluster

VOXEL_MM3 = float(np.prod(SPACING_MM))


def recovered(
    planted: Planted, decision: Decision, clusters: Sequence[PlantedCluster]
) -> list[dict[str, Any]]:
    """Compare, for each planted cluster, what most of its cases get with what was planted.

    A rule is recovered where its threshold is at most one grid step from the thresholds that are
    equally good by construction; a cluster, where all its rules are.
    """
    parameters, settings = planted.cache.parameters, decision.assigned.settings
    rows = []
    for kind, cluster in enumerate(clusters):
        of_kind = [settings[i] for i in np.flatnonzero(planted.clusters == kind)]
        common = max(set(of_kind), key=of_kind.count)
        rules = [
            rule_recovery(parameters, common, label, "", (low * VOXEL_MM3, high * VOXEL_MM3))
            for label, (low, high) in cluster.best_voxels.items()
        ] + [
            rule_recovery(parameters, common, label, becomes, interval)
            for (label, becomes), interval in cluster.best_share.items()
        ]
        rows.append(
            {
                "cluster": cluster.name,
                "share_of_cases": of_kind.count(common) / len(of_kind),
                "rules": rules,
                "recovered": all(rule["steps_off"] <= 1 for rule in rules),
            }
        )
    return rows


def rule_recovery(
    parameters: Sequence[SearchParameter],
    setting: Sequence[int],
    label: str,
    becomes: str,
    planted: tuple[float, float],
) -> dict[str, Any]:
    """Measure how many grid steps a chosen threshold is from the planted interval.

    Args:
        parameters: of the search.
        setting: the grid index chosen for each.
        label: the rule's.
        becomes: its target, for a rule on shares; "" for one on sizes.
        planted: smallest and largest of the equally good thresholds.
    """
    rule_type = "share" if becomes else "size"
    matching = [
        i
        for i, p in enumerate(parameters)
        if p.label == label and p.rule_type == rule_type and (not becomes or p.becomes == becomes)
    ]
    row = {"label": label, "becomes": becomes, "planted": list(planted)}
    if not matching:
        return {**row, "threshold": 0.0, "steps_off": len(parameters[0].grid)}
    grid, index = np.array(parameters[matching[0]].grid), setting[matching[0]]
    good = np.flatnonzero((grid >= planted[0]) & (grid <= planted[1]))
    if good.size == 0:  # between two grid points: either is one
        good = np.array([int(np.searchsorted(grid, planted[0]))])
    off = int(np.abs(good - index).min()) if index else len(grid)
    return {**row, "threshold": float(grid[index]), "steps_off": off}
