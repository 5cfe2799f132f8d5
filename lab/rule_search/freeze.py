"""Ship rules: their artefact goes into a model folder and its manifest, or into a folder.

`python -m lab freeze WORK --model weights/NAME` ships what a search decided. Where the held-out
gain was not clear of zero the labels stay as the ensemble gives them; `--force` ships what was
fitted all the same, and the artefact says so; `--far-answer` and `--no-component-answer` ship an
answer that held-out cases did not choose. `--rules rules.json` ships a list of rules that no
search chose: the artefact holds no gain and says "imported, not judged".
"""

import argparse
import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from challenge.case_hashes import hash_cases
from challenge.provenance import KEY, Provenance
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.arguments import add_foreign, add_out, add_scheme
from lab.rule_search.clustering import distance_limits, known_answers
from lab.rule_search.config import SearchConfig
from lab.rule_search.decision import Decision
from lab.rule_search.declared_answer import FAR, NO_COMPONENT
from lab.rule_search.feature_table import FeatureTable
from lab.rule_search.force_answers import add_answers, with_forced_answers
from lab.rule_search.import_rules import read_rules
from lab.rule_search.imported_rules import imported_artefacts
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import rules_of
from lab.rule_search.workspace import (
    DECIDED,
    FORCED,
    SEARCH,
    library_versions,
    read_setup,
    read_work,
)
from postprocess.artefact_schema import TRAINING_CASES
from postprocess.artefacts import (
    Artefacts,
    Cluster,
    Fallback,
    load_artefacts,
    save_artefacts,
)
from postprocess.clusters import ClusterModel
from postprocess.declared_answers import AS_PREDICTED, IDENTITY, POOLED
from postprocess.rule_base import Rule
from postprocess.rule_kinds import row_from

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
    add = parser.add_argument
    add("work", type=Path, nargs="?", metavar="WORK", help="after search; for --rules, after fit")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--model", type=Path, metavar="DIR", help="model folder, weights/NAME")
    add_out(target, "folder for `-m postprocess`", required=False)
    add("--rules", type=Path, metavar="FILE", help="rules.json instead of what a search decided")
    add_scheme(parser, "of --rules, where neither --model nor WORK says it")
    add("--force", action="store_true", help="ship rules whatever their gain")
    add_answers(parser)
    add_foreign(parser, "ship rules that were fitted on another model's predictions")


def run(args: argparse.Namespace) -> int:
    """Write the artefact with all its checks, and say what ships.

    Raises:
        Refusal: the rules were fitted on predictions of another model and --foreign does not accept
            that, or the options do not say which rules.
    """
    from lab.packing.ship_rules import ship_rules

    artefacts, source, decided = _imported(args) if args.rules else _searched(args)
    search = read_work(args.work, SEARCH) if args.work and not args.rules else None
    answers = args.far_answer, args.no_component_answer
    artefacts = with_forced_answers(artefacts, *answers, search)
    if args.model:
        ship_rules(args.model, artefacts, args.foreign, str(source))
    else:
        args.out.mkdir(parents=True, exist_ok=True)
        save_artefacts(args.out, artefacts)
    print(f"{args.model or args.out}: {artefacts.fit['ships']} ({decided})")
    for k, cluster in enumerate(artefacts.clusters):
        rules = [row_from(rule) for rule in cluster.rules] or "labels stay"
        subject = f"cluster {k}, {cluster.training_cases} cases"
        print(f"{subject if artefacts.feature_names else 'every case'}: {rules}")
    print(f"{FAR}: {artefacts.fallback.name}; {NO_COMPONENT}: {artefacts.empty_answer}")
    for gate in artefacts.gates:
        trained = f"{gate.training_components} components"
        print(f"gate on {gate.name}, {trained}: from {gate.cutoff:g} on -> {gate.becomes}")
    return 0


def _searched(args: argparse.Namespace) -> tuple[Artefacts, Path, str]:
    """Return what a search decided, its folder, and the decision in words."""
    if args.work is None:
        raise Refusal("freeze: needs the WORK folder of a search, or --rules FILE")
    setup, ships = read_setup(args.work), read_work(args.work, SEARCH)["ships"]
    if args.scheme not in (None, setup.scheme.name):
        raise Refusal(f"--scheme {args.scheme}: {args.work} is of {setup.scheme.name}")
    source = args.work / (FORCED if args.force else DECIDED)
    return load_artefacts(source, setup.scheme), source, f"decided: {ships}"


def _imported(args: argparse.Namespace) -> tuple[Artefacts, Path, str]:
    """Return artefacts of a list of rules, its file, and that nobody judged it."""
    from ensemble.manifest import MANIFEST, scheme_of

    if args.force:
        raise Refusal("--force: rules of a file ship whatever their gain, which nobody measured")
    schemes = {
        "--scheme": SCHEMES[args.scheme] if args.scheme else None,
        str(args.model): scheme_of(args.model / MANIFEST) if args.model else None,
        str(args.work): read_setup(args.work).scheme if args.work else None,
    }
    named = {origin: scheme for origin, scheme in schemes.items() if scheme}
    if not named:
        raise Refusal(f"{args.rules}: whose labels? --scheme, --model or WORK says it")
    scheme = next(iter(named.values()))
    if len({each.name for each in named.values()}) > 1:
        words = ", ".join(f"{origin} {each.name}" for origin, each in named.items())
        raise Refusal(f"{args.rules}: of one scheme alone, not of {words}")
    rules = read_rules(args.rules, scheme)
    return imported_artefacts(args.rules, rules, scheme, args.work), args.rules, str(args.rules)


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
    far = decision.far_record(search_run.forced)
    return Artefacts(
        scheme=cache.scheme,
        model=model,
        clusters=tuple(
            Cluster(int(n), float(limit), rules_of(cache.parameters, setting))
            for n, limit, setting in zip(sizes, limits, settings, strict=True)
        ),
        feature_names=features.names,
        settings=config.settings,
        fallback=_fallback(pooled, far["ships"]),
        known_answers=known_answers(rows, model),
        fit={**_fit_record(features.ids, config, decision, search_run, ships), "far": far},
    )


def _fallback(pooled: tuple[Rule, ...], far_answer: str) -> Fallback:
    """Return what a case of no cluster gets, where these rules ship for all cases."""
    if not pooled:
        return Fallback(IDENTITY)
    return Fallback(AS_PREDICTED) if far_answer == AS_PREDICTED else Fallback(POOLED, pooled)


def one_cluster(model: ClusterModel) -> ClusterModel:
    """Return the model with one centre amid all cases."""
    return replace(model, centres=np.zeros((1, model.centres.shape[1])))


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
        "library_versions": library_versions(),
    }


def case_list_sha256(ids: Sequence[str]) -> str:
    """Return a hash of a cohort's case ids that names none."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
