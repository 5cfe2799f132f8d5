"""Ship what a search decided: its artefact goes into a model folder, and into its manifest.

`python -m lab freeze WORK --model weights/NAME`. Where the held-out gain was not clear of zero the
labels stay as the ensemble gives them; `--force` ships what was fitted all the same, and the
artefact says so.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from challenge.provenance import KEY, Provenance
from lab.arguments import add_foreign, add_out
from lab.rule_search.clustering import distance_limits
from lab.rule_search.config import SearchConfig
from lab.rule_search.decision import Decision
from lab.rule_search.feature_table import FeatureTable
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import rules_of
from lab.rule_search.workspace import DECIDED, FORCED, SEARCH, read_setup, read_work
from postprocess.artefact_schema import TRAINING_CASES
from postprocess.artefacts import (
    Artefacts,
    Cluster,
    Fallback,
    KnownAnswer,
    load_artefacts,
    save_artefacts,
)
from postprocess.clusters import ClusterModel
from postprocess.rule_kinds import row_from
from postprocess.training_cases import hash_cases

LIBRARIES = ("numpy", "scikit-learn", "SimpleITK", "pyradiomics", "connected-components-3d")
# The columns of the effect table that an artefact holds.
EFFECT_KEYS = ("method", "mean", "gain", "low", "high", "changed", "better", "worse", "lost")


@dataclass(frozen=True)
class SearchRun:
    """When a search was run, by which scorer, and on what."""

    date: datetime.date
    scorer: str
    record: Provenance
    forced: bool = False


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("work", type=Path, metavar="WORK")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--model", type=Path, metavar="DIR", help="model folder, weights/NAME")
    add_out(target, "folder for `-m postprocess`", required=False)
    parser.add_argument("--force", action="store_true", help="ship rules whatever their gain")
    add_foreign(parser, "ship rules that were fitted on another model's predictions")


def run(args: argparse.Namespace) -> int:
    """Copy the artefact with all its checks, and say what ships.

    Raises:
        Refusal: the rules were fitted on predictions of another model, or of unknown origin, and
            --foreign does not accept that.
    """
    from lab.packing.ship_rules import ship_rules

    setup, ships = read_setup(args.work), read_work(args.work, SEARCH)["ships"]
    source = args.work / (FORCED if args.force else DECIDED)
    artefacts = load_artefacts(source, setup.scheme)
    if args.model:
        ship_rules(args.model, artefacts, args.foreign, str(source))
    else:
        args.out.mkdir(parents=True, exist_ok=True)
        save_artefacts(args.out, artefacts)
    print(f"{args.model or args.out}: {artefacts.fit['ships']} (decided: {ships})")
    for k, cluster in enumerate(artefacts.clusters):
        rules = [row_from(rule) for rule in cluster.rules] or "labels stay"
        print(f"cluster {k}, {cluster.training_cases} cases: {rules}")
    return 0


def make_artefacts(
    features: FeatureTable,
    cache: ScoreCache,
    config: SearchConfig,
    decision: Decision,
    search_run: SearchRun,
) -> Artefacts:
    """Turn a decision into artefacts.

    Where one set of rules, or none, ships for all cases there is one cluster; where a decision is
    forced, what was fitted ships whatever its interval.
    """
    ships = "adaptive" if search_run.forced else decision.ships
    pooled_ships = decision.pooled_ships or search_run.forced
    fitted, rows = decision.fitted, features.rows[features.described]
    if ships == "adaptive":
        model, limits, sizes = fitted.model, fitted.max_distance, fitted.sizes
        settings: Sequence[tuple[int, ...]] = fitted.settings
    else:
        model = one_cluster(fitted.model)
        limits, sizes = distance_limits(model, rows, config), np.array([len(rows)])
        settings = [fitted.pooled if ships == "pooled" else cache.no_rules]
    pooled = rules_of(cache.parameters, fitted.pooled) if pooled_ships else ()
    return Artefacts(
        scheme=cache.scheme,
        model=model,
        clusters=tuple(
            Cluster(int(n), float(limit), rules_of(cache.parameters, setting))
            for n, limit, setting in zip(sizes, limits, settings, strict=True)
        ),
        feature_names=features.names,
        settings=config.settings,
        fallback=Fallback("pooled", pooled) if pooled else Fallback("identity"),
        known_answers=known_answers(rows, model),
        fit=_fit_record(features.ids, config, decision, search_run, ships),
    )


def one_cluster(model: ClusterModel) -> ClusterModel:
    """Return the model with one centre amid all cases."""
    return replace(model, centres=np.zeros((1, model.centres.shape[1])))


def known_answers(rows: np.ndarray, model: ClusterModel) -> tuple[KnownAnswer, ...]:
    """Return two vectors that belong to no patient: the quartiles of rows (case, feature)."""
    vectors = np.quantile(rows, (0.25, 0.75), axis=0)
    return tuple(KnownAnswer(vector, *model.assign(vector)) for vector in vectors)


def _fit_record(
    ids: Sequence[str],
    config: SearchConfig,
    decision: Decision,
    search_run: SearchRun,
    ships: str,
) -> Mapping[str, Any]:
    """Say where the numbers come from, without naming a case."""
    shipped = next(row for row in decision.effects if row["method"] == ships)
    interval = [shipped["low"], shipped["high"]]
    return {
        "date": search_run.date.isoformat(),
        "config": config.name,
        "scorer": search_run.scorer,
        "objective": config.objective,
        "ships": f"{ships}, forced" if search_run.forced else ships,
        "training_cases": len(ids),
        "case_list_sha256": case_list_sha256(ids),
        TRAINING_CASES: hash_cases(ids),
        "score_without_rules": decision.effects[0]["mean"],
        "score_with_rules": shipped["mean"],
        "gain_interval": interval if np.isfinite(interval).all() else [],
        "gain_in_sample": decision.gain_in_sample,
        "lost_at_most": config.lost_at_most,
        "held_out": [{key: row[key] for key in EFFECT_KEYS} for row in decision.effects],
        "validation": "clusters, their number and rules chosen without the cases that are scored",
        KEY: search_run.record.to_json(),
        "library_versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def case_list_sha256(ids: Sequence[str]) -> str:
    """Return a hash of a cohort's case ids that names none."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
