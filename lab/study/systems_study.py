"""The paper's experiments on a team's own predictions: another model, other metrics.

Its next checks 1 and 2: does the gain hold for another model, also with rules that were fitted on
the first one's predictions; and does it hold by another metric than that which chose the rules.
"""

from collections.abc import Callable, Sequence
from typing import Any

from lab.metrics.scorer import Scorer
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.decision import Decision, decide
from lab.study import experiments as e
from lab.study.cohorts import StudyCohort
from lab.study.systems import Systems
from lab.study.transfer import absolute_scores, transfer_table


def study_systems(
    systems: Systems, scorers: Sequence[Scorer], report: Callable[[str], None]
) -> dict[str, Any]:
    """Run the experiments on each system by the first scorer, and compare systems and scorers.

    Args:
        systems: label maps of the same cases.
        scorers: the first one chooses rules; the others judge these rules, and rules of their own.
        report: called with the name of each part that is done.
    """
    config = SEARCH_CONFIGS["validated"]
    first = scorers[0]
    cohorts: dict[str, StudyCohort] = {}
    parts = []
    for name in systems.folders:
        cohorts[name] = cohort = systems.cohort(name, first, config)
        decision = decide(cohort.features, cohort.cache, config)
        report(f"{name}: rules")
        part = _part(systems, name, first, cohort, decision)
        parts.append(
            {"name": name, **part, "by_scorer": _by_scorer(systems, name, cohort, scorers)}
        )
        report(f"{name}: experiments")
    between = transfer_table(cohorts, cohorts) if len(cohorts) > 1 else []
    return {
        "references": systems.references.name,
        "scheme": systems.scheme.name,
        "cases": len(systems.cases),
        "scorers": [scorer.name for scorer in scorers],
        "faults": list(systems.faults),
        "baseline": baseline_table(list(cohorts.values())),
        "systems": parts,
        "between": between,
    }


def _part(
    systems: Systems, name: str, scorer: Scorer, cohort: StudyCohort, decision: Decision
) -> dict[str, Any]:
    """Run the experiments on one system."""
    published = systems.cohort(name, scorer, SEARCH_CONFIGS["published"])
    published_decision = decide(published.features, published.cache, published.config)
    return {
        "objective": float(e.objectives(cohort, no_rules(cohort)).mean()),
        "decision": e.describe_decision(cohort, decision),
        "methods": e.compare_methods(cohort, decision),
        "pairs": e.compare_pairs(cohort, decision),
        "configs": e.compare_configs([(cohort, decision), (published, published_decision)]),
    }


def baseline_table(cohorts: Sequence[StudyCohort]) -> list[dict[str, Any]]:
    """Return each column's means without rules, one number a cohort."""
    by_cohort = [absolute_scores(cohort) for cohort in cohorts]
    return [
        {**{key: row[0][key] for key in ("region", "metric", "better")}, "systems": list(row)}
        for row in zip(*by_cohort, strict=True)
    ]


def no_rules(cohort: StudyCohort) -> list[tuple[int, ...]]:
    """Return the setting without rules, once a case."""
    return [cohort.cache.no_rules] * len(cohort.cases)


def _by_scorer(
    systems: Systems, name: str, cohort: StudyCohort, scorers: Sequence[Scorer]
) -> list[dict[str, Any]]:
    """Let each scorer judge the rules that each scorer chose; [] with one scorer.

    `cohort` is scored by the first one.
    """
    if len(scorers) == 1:
        return []
    cohorts = {scorers[0].name: cohort}
    cohorts |= {each.name: systems.scored_by(cohort, name, each) for each in scorers[1:]}
    return transfer_table(cohorts, cohorts)
