"""Learn which predicted components to remove or relabel, and judge that on held-out cases.

`python -m lab gate WORK`, after `lab search`, whose scorer and objective it takes. Components are
described by shape, place, look and surroundings; a classifier learns from what the scorer says of
each with and without it. Where the held-out gain over the rules is clear, WORK/decided gets gates;
WORK/forced gets them whatever they gain.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from challenge.provenance import KEY, Provenance, from_json, hash_json, program_version
from challenge.refusal import Refusal
from challenge.scheme import Scheme
from lab.arguments import add_dask, add_jobs, add_lost_at_most, add_scorer
from lab.data.cohort import CohortCase, read_cohort
from lab.learned_gates.feature_weights import feature_weights
from lab.learned_gates.fit_gates import fit_gates
from lab.learned_gates.gate_cases import open_gate_cases
from lab.learned_gates.gate_images import HELD_OUT_FOLDER, GateImages
from lab.learned_gates.gate_targets import make_targets
from lab.learned_gates.held_out import evaluate
from lab.learned_gates.relabelling import add_relabelling
from lab.learned_gates.removals import examples_of
from lab.learned_gates.summary import Verdict, gate_record, judge, verdict_lines
from lab.metrics.scorers import scorer_named
from lab.parallel import workers
from lab.rule_search.input_records import require_unchanged
from lab.rule_search.workspace import (
    CLUSTERS,
    DECIDED,
    FORCED,
    GATES,
    SEARCH,
    read_setup,
    read_work,
    write_work,
)
from postprocess.artefacts import load_artefacts, save_artefacts
from postprocess.declared_answers import AS_PREDICTED
from postprocess.rule_base import Rule
from postprocess.rule_kinds import rule_from

RULES_KEY = "held_out_rules"  # of search.json


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("work", type=Path, metavar="WORK", help="after search")
    add_scorer(parser, "default: that of the search")
    add_lost_at_most(parser)
    add_jobs(parser)
    add_dask(parser)


def run(args: argparse.Namespace) -> int:
    """Describe, learn, judge, write gate.json and both artefacts.

    Raises:
        Refusal: a step before is missing, or its inputs were changed since.
    """
    setup, search = read_setup(args.work), read_work(args.work, SEARCH)
    scheme = setup.scheme
    scorer = scorer_named(args.scorer or search["scorer"], scheme)
    cases = read_cohort(Path(setup.cohort), scheme)
    require_unchanged(args.work, cases, setup)
    config = replace(
        setup.config,
        objective=search["objective"],
        seed=read_work(args.work, CLUSTERS)["seed"],
        lost_at_most=args.lost_at_most,
    )
    rules = held_out_rules(args.work, search, cases, scheme)
    as_predicted = search["held_out_far"] if search["far"]["ships"] == AS_PREDICTED else ()
    with workers(args.jobs, args.dask):
        gate_cases = open_gate_cases(cases, setup, scorer, config)
        targets = add_relabelling(gate_cases, make_targets(scheme, config), config)
        held_out = evaluate(gate_cases, targets, rules, config, as_predicted)
        fitted = fit_gates(gate_cases, targets, config)
        verdict = judge(fitted, held_out, np.array(search["assigned"]), config)
        weights = [
            feature_weights(each.gate, np.concatenate([each.rows_in(case) for case in gate_cases]))
            for each in fitted
        ]
        content = gate_record(verdict, weights, scorer.name, config)
        record = Provenance(
            product="gates",
            name=GATES,
            sha256=hash_json(content),
            verb="gate",
            version=program_version(),
            options={"scorer": scorer.name, "lost_at_most": args.lost_at_most},
            facts={"cases": len(cases), "ships": "gates" if verdict.ships else "no gates"},
            inputs={"search": from_json(search[KEY], args.work / SEARCH)},
        )
        content |= {KEY: record.to_json()}
        images = GateImages(cases, gate_cases, setup, scorer)
        images.write(args.work / HELD_OUT_FOLDER, held_out, rules, record)
    write_artefacts(args.work, verdict, content, scheme)
    per_case = {
        "before": held_out.before.tolist(),
        "after": held_out.after.tolist(),
        "held_out_gates": [[gate.name for gate in gates] for gates in held_out.gates],
        "examples": [removal.to_json() for removal in examples_of(held_out.removals)],
    }
    write_work(args.work, GATES, content | per_case)
    print("\n".join(verdict_lines(verdict, targets, config)))
    print(
        f"{args.work / HELD_OUT_FOLDER}: {len(cases)} label maps, each by gates and rules that "
        "were learned without it"
    )
    return 0


def held_out_rules(
    work: Path, search: Mapping[str, Any], cases: Sequence[CohortCase], scheme: Scheme
) -> list[tuple[Rule, ...]]:
    """Return the rules that each case gets from what was searched without it, if rules ship.

    Raises:
        Refusal: the search is of other cases, or of a program that did not write them down.
    """
    if search["cases"] != [case.files.id for case in cases]:
        raise Refusal(f"{work / SEARCH}: not the cases of the cohort; run lab search again")
    if not {RULES_KEY, "far"} <= search.keys():
        raise Refusal(f"{work / SEARCH}: of an older program; run lab search again")
    if search["ships"] == "identity":
        return [()] * len(cases)
    return [tuple(rule_from(row, scheme) for row in rows) for rows in search[RULES_KEY]]


def write_artefacts(
    work: Path, verdict: Verdict, content: Mapping[str, Any], scheme: Scheme
) -> None:
    """Put gates into the artefacts that the search wrote, and take out those of before."""
    decided = verdict.gates if verdict.ships else (), verdict.empty_answer
    forced = verdict.gates, verdict.held_out.answers[1]
    for name, (gates, answer) in ((DECIDED, decided), (FORCED, forced)):
        artefacts = load_artefacts(work / name, scheme)
        artefacts = replace(artefacts, gates=gates, no_credible_component=answer.answer)
        save_artefacts(work / name, replace(artefacts, fit={**artefacts.fit, "gates": content}))
