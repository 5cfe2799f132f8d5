"""Rules of one system applied to another's predictions, and of one scorer judged by another.

Nothing is judged on a case that it was chosen on: what a case gets was fitted, clusters and
thresholds, on one system's predictions of other cases.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab.metrics.metric_info import metric_info
from lab.rule_search.cross_validation import cross_validate
from lab.rule_search.effects import gain_statistics
from lab.rule_search.search_space import Setting
from lab.study.cohorts import StudyCohort
from lab.study.experiments import objectives


def transfer(source: StudyCohort, target: StudyCohort, k: int | None = None) -> list[Setting]:
    """Return what each case of `target` gets from rules of `source`, fitted without that case.

    Args:
        source: whose predictions and scores the clusters and rules are fitted on.
        target: the same cases, in the same order, predicted or scored otherwise.
        k: number of clusters; None chooses it anew in each fold.
    """
    looked_up = target.all_features.named(source.features.names)
    held_out = cross_validate(
        source.features, source.cache, source.config, source.cases, k, looked_up
    )
    return held_out.settings


def transfer_table(
    sources: Mapping[str, StudyCohort], targets: Mapping[str, StudyCohort]
) -> list[dict[str, Any]]:
    """Apply the rules of each source to each target; one row a pair, gains over no rules.

    A row holds the gains of one set of rules for all cases (`pooled`) and of one a cluster
    (`adaptive`), each with its interval and p.
    """
    rows = []
    for target, cohort in targets.items():
        without = objectives(cohort, [cohort.cache.no_rules] * len(cohort.cases))
        for source, of_source in sources.items():
            gains = {
                method: objectives(cohort, transfer(of_source, cohort, k)) - without
                for method, k in (("pooled", 1), ("adaptive", None))
            }
            row = {
                method: gain_statistics(gain, np.random.default_rng(0))
                for method, gain in gains.items()
            }
            rows.append({"rules_of": source, "applied_to": target, **row})
    return rows


def absolute_scores(cohort: StudyCohort) -> list[dict[str, Any]]:
    """Return the mean of each column without rules, over the cases that have a number.

    A row: region, metric, whether higher is better, mean, and of how many cases.
    """
    cache = cohort.cache
    scores = cache.scores([cache.no_rules] * len(cohort.cases), cohort.cases)
    rows = []
    for at, (region, metric) in enumerate(cache.columns):
        known = scores[~np.isnan(scores[:, at]), at]
        rows.append(
            {
                "region": region,
                "metric": metric,
                "better": metric_info(metric).better,
                "mean": float(known.mean()) if known.size else None,
                "cases": int(known.size),
            }
        )
    return rows
