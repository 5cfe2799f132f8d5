"""Choose an ensemble's members and weights by out-of-fold probabilities; score the choice held out.

`python -m lab select CANDIDATE... --cohort DIR --out WORK`, where each candidate is a folder that
`lab out-of-fold --maps` wrote. WORK/selection.json is what `lab pack --selection` takes; beside it
come the scores and figures that justify it. An interrupted run goes on where it stopped.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from challenge.atomic_write import write_atomically
from challenge.provenance import KEY, Provenance, hash_json, program_version
from lab.arguments import add_dask, add_foreign, add_jobs, add_out, add_scorer
from lab.data.cohort import read_cohort
from lab.drawing.style import write_png
from lab.member_selection.candidates import read_pool
from lab.member_selection.figures import draw_cost_curve, draw_per_candidate
from lab.member_selection.input_records import input_faults, input_records
from lab.member_selection.nested_cv import cost_curve, cross_validate, open_search
from lab.member_selection.per_candidate import candidate_scores
from lab.member_selection.probability_maps import read_candidate
from lab.member_selection.score_cache import EnsembleScores
from lab.member_selection.strategies import STRATEGIES
from lab.member_selection.summary import Selection, selection_content, summary_lines
from lab.metrics.objective import OBJECTIVES
from lab.metrics.scorers import scorer_named
from lab.parallel import workers
from lab.provenance.checks import accept

SELECTION, SCORES = "selection.json", "scores.jsonl"
FIGURES = {"cost_curve.png": draw_cost_curve, "candidates.png": draw_per_candidate}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add(
        "candidates",
        type=Path,
        nargs="+",
        metavar="CANDIDATE",
        help="folder that `lab out-of-fold --maps` wrote",
    )
    add("--cohort", type=Path, required=True, metavar="DIR", help="nnU-Net raw dataset folder")
    add_out(parser, "the selection, its scores and figures go here")
    add_scorer(parser)
    add("--objective", choices=tuple(OBJECTIVES), help="default: the challenge's")
    add(
        "--strategies",
        nargs="+",
        choices=tuple(STRATEGIES),
        default=list(STRATEGIES),
        metavar="STRATEGY",
        help=f"of {', '.join(STRATEGIES)}; default: all; the cost curve needs greedy",
    )
    add("--most-members", type=int, metavar="N", help="networks that the ensemble may run")
    add("--most-seconds", type=float, metavar="S", help="that a case may take, as measured")
    add_foreign(parser, "take maps of other cases or references than the cohort's")
    add_jobs(parser)
    add_dask(parser)


def run(args: argparse.Namespace) -> int:
    """Read, check, search, cross-validate, write."""
    scheme = read_candidate(args.candidates[0]).scheme
    scorer = scorer_named(args.scorer, scheme)
    cases = read_cohort(args.cohort, scheme)
    objective = args.objective or scheme.selection_objective
    inputs = input_records(args.candidates, args.cohort, cases)
    faults = [accept(fault, args.foreign) for fault in input_faults(inputs)]
    args.out.mkdir(parents=True, exist_ok=True)
    with workers(args.jobs, args.dask):
        pool = read_pool(args.candidates, cases, scheme)
        scores = EnsembleScores(pool, scorer, args.out / SCORES)
        if scores.file.earlier:
            print(f"{scores.path}: goes on, {scores.file.earlier} scores of an earlier run")
        search = replace(
            open_search(scores, objective),
            max_members=args.most_members,
            max_seconds=args.most_seconds,
        )
        strategies = cross_validate(search, args.strategies)
        # The cost curve walks the greedy path, which is most of the work.
        points = tuple(cost_curve(search)) if "greedy" in args.strategies else ()
        rows = tuple(candidate_scores(scores))
    selection = Selection(scores, strategies, points, rows)
    for line in summary_lines(selection):
        print(line)
    record = Provenance(
        product="selection",
        name=SELECTION,
        sha256="",  # set when it is written
        verb="select",
        version=program_version(),
        options={"scorer": scorer.name, "objective": objective, "strategies": args.strategies},
        facts={"cases": len(cases)} | ({"foreign": faults} if faults else {}),
        inputs=inputs,
    )
    print(", ".join(str(path) for path in write_selection(selection, args.out, record)))
    return 0


def write_selection(selection: Selection, folder: Path, record: Provenance) -> list[Path]:
    """Write selection.json, with its record and the hash of the rest, and figures; return paths."""
    content: dict[str, Any] = json.loads(json.dumps(selection_content(selection)))
    record = replace(record, sha256=hash_json(content))
    paths = [folder / SELECTION]
    text = json.dumps(content | {KEY: record.to_json()}, indent=1) + "\n"
    write_atomically(text.encode(), paths[0])
    for name, draw in FIGURES.items():
        figure = draw(content)
        if figure is not None:
            write_png(figure, folder / name)
            paths.append(folder / name)
    return paths
