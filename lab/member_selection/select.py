"""Choose an ensemble's members and weights by out-of-fold probabilities, and judge the choice.

`python -m lab select CANDIDATE... --cohort DIR --out WORK`, where each candidate is a folder that
`lab out-of-fold --maps` wrote. WORK/selection.json is what `lab pack --selection` takes; beside it
come the table and the figure that justify it. An interrupted run goes on where it stopped.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from lab.arguments import add_dask, add_jobs, add_out, add_scorer
from lab.data.cohort import read_cohort
from lab.member_selection.candidates import read_pool
from lab.member_selection.figures import draw_alone, draw_front
from lab.member_selection.nested_cv import decide, front, judge, open_search
from lab.member_selection.per_candidate import alone
from lab.member_selection.probability_maps import read_candidate
from lab.member_selection.score_cache import Scores
from lab.member_selection.strategies import WAYS
from lab.member_selection.summary import alone_lines, chosen_lines, content_of, table_lines
from lab.metrics.objective import OBJECTIVES
from lab.metrics.scorer_choice import scorer_named
from lab.parallel import workers

SELECTION, SCORES = "selection.json", "scores.jsonl"
FRONT, ALONE = "front.png", "candidates.png"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("candidates", type=Path, nargs="+", metavar="CANDIDATE")
    add("--cohort", type=Path, required=True, metavar="DIR", help="nnU-Net raw dataset folder")
    add_out(parser, "the selection and its numbers go here")
    add_scorer(parser)
    add(
        "--objective",
        choices=tuple(OBJECTIVES),
        help="default: rank for PANTHER, else overlap",
    )
    add("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS), metavar="WAY",
        help=f"of {', '.join(WAYS)}; default: all; without greedy there is no front")  # fmt: skip
    add("--most-members", type=int, metavar="N", help="networks that the ensemble may run")
    add("--most-seconds", type=float, metavar="S", help="that a case may take, as measured")
    add_jobs(parser)
    add_dask(parser)


def run(args: argparse.Namespace) -> int:
    """Read, check, search, judge, write."""
    scheme = read_candidate(args.candidates[0]).scheme
    scorer = scorer_named(args.scorer, scheme)
    cases = read_cohort(args.cohort, scheme)
    objective = args.objective or ("rank" if scheme.name.startswith("panther") else "overlap")
    args.out.mkdir(parents=True, exist_ok=True)
    with workers(args.jobs, args.dask):
        pool = read_pool(args.candidates, cases, scheme)
        scores = Scores(pool, scorer, args.out / SCORES)
        search = replace(
            open_search(scores, OBJECTIVES[objective]),
            most_members=args.most_members,
            most_s=args.most_seconds,
        )
        judged = judge(search, args.ways)
        # The front walks the greedy path, which is most of the cost.
        points = list(front(search)) if "greedy" in args.ways else []
        rows = list(alone(scores))
    ships = decide(judged)
    lines = table_lines(judged, objective, ships), chosen_lines(judged[ships], pool)
    for line in (*alone_lines(rows), "", *lines[0], *lines[1]):
        print(line)
    content = content_of(judged, ships, points, scores, objective, rows)
    text = json.dumps(content, indent=1) + "\n"
    (args.out / SELECTION).write_text(text, encoding="utf-8")
    drawn = {FRONT: draw_front(content), ALONE: draw_alone(content)}
    for name, figure in drawn.items():
        if figure is not None:
            figure.savefig(args.out / name, dpi=130)
    print(", ".join(str(args.out / n) for n in (SELECTION, *(n for n, f in drawn.items() if f))))
    return 0
