"""Choose an ensemble's members and weights by out-of-fold probabilities; score the choice held out.

`python -m lab select CANDIDATE... --cohort DIR --out WORK`, where each candidate is a folder that
`lab out-of-fold --maps` wrote. WORK/selection.json is what `lab pack --selection` takes; beside it
come the scores and figures that justify it. An interrupted run goes on where it stopped.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from lab.arguments import add_dask, add_jobs, add_out, add_scorer
from lab.data.cohort import read_cohort
from lab.drawing.style import write_png
from lab.member_selection.candidates import read_pool
from lab.member_selection.figures import draw_cost_curve, draw_per_candidate
from lab.member_selection.nested_cv import cost_curve, cross_validate, open_search
from lab.member_selection.per_candidate import candidate_scores
from lab.member_selection.probability_maps import read_candidate
from lab.member_selection.score_cache import EnsembleScores
from lab.member_selection.strategies import STRATEGIES
from lab.member_selection.summary import Selection, selection_content, summary_lines
from lab.metrics.objective import OBJECTIVES
from lab.metrics.scorers import scorer_named
from lab.parallel import workers

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
    add_jobs(parser)
    add_dask(parser)


def run(args: argparse.Namespace) -> int:
    """Read, check, search, cross-validate, write."""
    scheme = read_candidate(args.candidates[0]).scheme
    scorer = scorer_named(args.scorer, scheme)
    cases = read_cohort(args.cohort, scheme)
    objective = args.objective or scheme.selection_objective
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
    print(", ".join(str(path) for path in write_selection(selection, args.out)))
    return 0


def write_selection(selection: Selection, folder: Path) -> list[Path]:
    """Write selection.json and its figures; return their paths."""
    content = selection_content(selection)
    paths = [folder / SELECTION]
    paths[0].write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for name, draw in FIGURES.items():
        figure = draw(content)
        if figure is not None:
            write_png(figure, folder / name)
            paths.append(folder / name)
    return paths
