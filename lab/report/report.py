"""The report a team reads before it submits: one self-contained page, and its numbers beside it.

`python -m lab report results.json --html report.html` writes report.html, report.json and
report.md. Labels that seem to carry the wrong names are a warning on the page and on stderr.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.arguments import positive_number
from lab.output_files import check_page
from lab.progress import progress

if TYPE_CHECKING:
    from lab.evaluation.results import Results


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "results", type=Path, help="of `lab evaluate`, another evaluator's JSON, or a table"
    )
    parser.add_argument("--html", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--compare", type=Path, nargs="+", default=[], metavar="FILE", help="results from before"
    )
    parser.add_argument(
        "--seed-floor",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="results of further seeds of the first --compare: the difference to exceed",
    )
    groups_help = "case id, then columns such as site or size: the scores of every group"
    parser.add_argument("--groups", type=Path, metavar="FILE.csv", help=groups_help)
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="scans to draw the errors on, nested or flat"
    )
    parser.add_argument(
        "--selection", type=Path, metavar="FILE", help="selection.json of the ensemble, to show why"
    )
    parser.add_argument("--name", help="title of the report; default: the results file's name")
    parser.add_argument(
        "--absent",
        choices=("excluded", "one"),
        default="excluded",
        help="voxel-wise Dice and IoU of what prediction and reference both lack",
    )
    parser.add_argument("--key", metavar="METRIC", help="orders the cases; default: dice")
    parser.add_argument(
        "--count", type=positive_number, default=20, metavar="N", help="worst and best cases shown"
    )


def run(args: argparse.Namespace) -> int:
    """Read, compute, look at the worst and best cases, and write three files."""
    from lab.evaluation.case_groups import read_groupings
    from lab.evaluation.formats import read_results, remarks_on
    from lab.evaluation.results import to_json
    from lab.report.changes import Earlier
    from lab.report.content import Options, gather
    from lab.report.page import render_html, render_markdown
    from lab.report.selected import read_selection

    if args.seed_floor and not args.compare:
        raise Refusal("--seed-floor: of which system? name its results with --compare")
    paths = output_paths(args.html, [args.results, *args.compare, *args.seed_floor])
    selection = read_selection(args.selection) if args.selection else None
    if args.images and not args.images.is_dir():
        raise Refusal(f"{args.images}: no such folder")
    results = read_results(args.results)
    seeds = {path: read_results(path) for path in args.seed_floor}
    before = [
        Earlier(name, read_results(path), seeds if path == args.compare[0] else {})
        for name, path in zip(names_of(args.compare, args.results), args.compare, strict=True)
    ]
    name = args.name or names_of([args.results], *args.compare)[0]
    groupings, no_groups = (
        read_groupings(args.groups, tuple(results.cases)) if args.groups else ((), ())
    )
    options = Options(name, args.absent, args.key, args.count, groupings)
    content = gather(results, options, before) | {"selection": selection}
    content["look_alikes"] = name_errors(results, args.images)
    pictures = look(results, content, args.images)
    paths["json"].write_text(to_json(content) + "\n", encoding="utf-8")
    pages = {"md": render_markdown(content), "html": render_html(content, results, pictures)}
    for ending, page in pages.items():  # names of files may be no text
        paths[ending].write_text(page, encoding="utf-8", errors="backslashreplace")
    for left_out in (*remarks_on(args.results, results), *no_groups):
        print(f"report: {left_out}", file=sys.stderr)
    for sentence in (*content["in_sample"], *content["warnings"]):
        print(f"warning: {sentence}", file=sys.stderr)
    for change in content["changes"]:
        print_answer(change)
    print(f"{paths['html']}: {len(results.cases)} cases, beside it .json and .md")
    return 0


def print_answer(change: Mapping[str, Any]) -> None:
    """Say what a comparison came to, or on stderr why there is none."""
    if change["refusal"]:
        line = f"{change['after']} is not compared with {change['before']}: {change['refusal']}"
        print(f"report: {line}", file=sys.stderr)
        return
    for left_out in change["left_out"]:
        print(f"report: {left_out}", file=sys.stderr)
    overall = change["overall"]
    print(f"{overall['verdict']}: {' '.join(overall['sentences'])}")
    if text := change["groups"]["text"]:
        print(text)


def output_paths(html: Path, inputs: list[Path]) -> dict[str, Path]:
    """Return where the page and its numbers go, by ending.

    Raises:
        Refusal: the page's name or folder cannot be used, or a file would fall on an input.
    """
    check_page(html)
    paths = {"html": html, "json": html.with_suffix(".json"), "md": html.with_suffix(".md")}
    for path in paths.values():
        if path.resolve() in [each.resolve() for each in inputs]:
            raise Refusal(f"{path}: would overwrite the results it is made from")
    return paths


def names_of(paths: list[Path], *others: Path) -> list[str]:
    """Name result files by their stems, or with their folders where stems are alike."""
    stems = [path.stem for path in (*paths, *others)]
    alike = len(set(stems)) < len(stems)
    return [f"{path.resolve().parent.name}/{path.stem}" if alike else path.stem for path in paths]


def name_errors(results: "Results", images: Path | None) -> dict[str, Any] | None:
    """Say what false positives probably are; None without scans, or of another challenge."""
    from lab.report.look_alikes import look_alikes
    from lab.report.scans import index_images

    scheme = SCHEMES.get(results.scheme)
    return look_alikes(results, index_images(images), scheme) if images and scheme else None


def look(
    results: "Results", content: Mapping[str, Any], images: Path | None
) -> dict[str, dict[str, Any]]:
    """Return a picture for each of the worst and best cases, and note its largest error there."""
    from lab.report.pictures import picture
    from lab.report.scans import index_images, scans_of

    pictures: dict[str, dict[str, Any]] = {}
    files = index_images(images)
    scheme = SCHEMES.get(results.scheme, next(iter(SCHEMES.values())))
    scored = set(results.labels) - set(content["cover"]["not_judged"])
    rows = [*content["extremes"]["worst"], *content["extremes"]["best"]]
    for row in progress(rows, description="drawing"):
        id = row["case"]
        facts = results.facts.get(id)
        if id not in pictures and facts:
            scans = scans_of(id, files, scheme) if images else None
            pictures[id] = picture(facts, results.labels, scored, scans)
        row["largest_error"] = pictures.get(id, {}).get("largest_error")
    return pictures
