"""A decision as the artefact that the container reads."""

import datetime
import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lab.rule_search.clustering import reach
from lab.rule_search.cross_validation import Cohort
from lab.rule_search.decision import Decision
from lab.rule_search.search_space import rules_of
from postprocess.artefacts import Artefacts, Cluster, Fallback, KnownAnswer
from postprocess.clusters import ClusterModel

LIBRARIES = ("numpy", "scikit-learn", "SimpleITK", "pyradiomics", "connected-components-3d")
# What an artefact tells of each row of the effect table.
TOLD = ("method", "mean", "gain", "low", "high", "changed", "better", "worse")


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from."""

    date: datetime.date
    scorer: str
    forced: bool = False


def freeze(cohort: Cohort, decision: Decision, provenance: Provenance) -> Artefacts:
    """Turn a decision into artefacts.

    Where one set of rules, or none, ships for all cases there is one cluster; where a decision is
    forced, what was fitted ships whatever its interval.
    """
    ships = "adaptive" if provenance.forced else decision.ships
    pooled_ships = decision.pooled_ships or provenance.forced
    fitted, parameters, scheme = decision.fitted, cohort.cache.parameters, cohort.cache.scheme
    rows = cohort.table.rows[cohort.table.described]
    if ships == "adaptive":
        model, limits, sizes = fitted.model, fitted.reach, fitted.sizes
        settings: Sequence[tuple[int, ...]] = fitted.settings
    else:
        model = one_cluster(fitted.model)
        limits, sizes = reach(model, rows), np.array([len(rows)])
        settings = [fitted.pooled if ships == "pooled" else cohort.cache.nothing]
    if not cohort.config.gated:
        limits = np.full(len(settings), np.inf)  # the published method knows no case too far
    pooled = rules_of(parameters, fitted.pooled) if pooled_ships else ()
    return Artefacts(
        scheme=scheme,
        model=model,
        clusters=tuple(
            Cluster(int(n), float(far), rules_of(parameters, setting))
            for n, far, setting in zip(sizes, limits, settings, strict=True)
        ),
        feature_names=cohort.table.names,
        settings=cohort.config.settings,
        fallback=Fallback("pooled", pooled) if pooled else Fallback("identity"),
        known_answers=known_answers(rows, model),
        fit=_told(cohort, decision, provenance, ships),
    )


def one_cluster(model: ClusterModel) -> ClusterModel:
    """Return the chain with one centre amid all cases."""
    return replace(model, centres=np.zeros((1, model.centres.shape[1])))


def known_answers(rows: np.ndarray, model: ClusterModel) -> tuple[KnownAnswer, ...]:
    """Return two vectors that belong to no patient: the quartiles of every feature."""
    vectors = np.quantile(rows, (0.25, 0.75), axis=0)
    return tuple(KnownAnswer(vector, *model.assign(vector)) for vector in vectors)


def _told(
    cohort: Cohort, decision: Decision, provenance: Provenance, ships: str
) -> Mapping[str, Any]:
    """Say where the numbers come from, without naming a case."""
    shipped = next(row for row in decision.effects if row["method"] == ships)
    interval = [shipped["low"], shipped["high"]]
    return {
        "date": provenance.date.isoformat(),
        "config": cohort.config.name,
        "scorer": provenance.scorer,
        "objective": cohort.objective,
        "ships": f"{ships}, forced" if provenance.forced else ships,
        "training_cases": len(cohort.table.ids),
        "case_list_sha256": case_list_sha256(cohort.table.ids),
        "score_without_rules": decision.effects[0]["mean"],
        "score_with_rules": shipped["mean"],
        "gain_interval": interval if np.isfinite(interval).all() else [],
        "gain_in_sample": decision.gain_in_sample,
        "held_out": [{key: row[key] for key in TOLD} for row in decision.effects],
        "validation": "clusters, their number and rules chosen without the cases that are scored",
        "library_versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def case_list_sha256(ids: Sequence[str]) -> str:
    """Return a hash of a cohort's case ids that names none."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
