"""Convert the post-processing of HOPE-Segmenter and MIST to rules, and back.

`python -m lab import-rules FILE... --scheme NAME --out rules.json` reads HOPE-Segmenter's tables
of thresholds (several files of one task are merged) or one MIST strategy, and writes
{cluster: [rule, ...]}; a strategy's only cluster is "all". With `--export hope|mist` FILE is such a
rules.json, and `--out` a folder that takes the two tables, or one strategy a cluster.
What the other format cannot express is refused by name; exit code 2.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme
from lab.arguments import add_out, add_scheme
from lab.json_files import read_json
from lab.output_files import check_file
from lab.rule_search.hope_tables import (
    RulesByCluster,
    hope_from_rules,
    merged,
    rules_from_hope,
)
from lab.rule_search.mist_strategy import mist_from_rules, rules_from_mist
from postprocess.rule_kinds import row_from, rule_from

# File names as published.
SIZES_NAME, SHARES_NAME = "cc_thresholds_cv.json", "lblredef_thresholds_cv.json"
ALL = "all"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("files", type=Path, nargs="+", metavar="FILE", help="tables, a strategy, or rules.json")
    add_scheme(parser, "whose label values the files hold", required=True)
    add_out(parser, "rules.json; a folder to export", "PATH")
    add("--export", choices=("hope", "mist"), help="write rules.json in this format instead")
    add("--task", metavar="NAME", help="HOPE's name of the task (default: the only one; --scheme)")


def run(args: argparse.Namespace) -> int:
    """Convert the files, and say what was written."""
    scheme = SCHEMES[args.scheme]
    if args.export is None:
        check_file(args.out)
        rules = read_foreign(args.files, scheme, args.task)
        rows = {
            cluster: [row_from(rule) for rule in of_cluster]
            for cluster, of_cluster in rules.items()
        }
        _write(args.out, rows)
    else:
        if len(args.files) > 1:
            raise Refusal(f"{args.files[1]}: rules are exported from one file at a time")
        rules = read_rules(args.files[0], scheme)
        try:
            files = exported(rules, scheme, args.export, args.task or scheme.name)
        except ValueError as error:
            raise Refusal(f"{args.files[0]}: {error}") from error
        args.out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write(args.out / name, content)
    for cluster, of_cluster in rules.items():
        print(f"{cluster}: {len(of_cluster)} rules")
    return 0


def read_foreign(paths: list[Path], scheme: Scheme, task: str | None = None) -> RulesByCluster:
    """Read HOPE tables or one MIST strategy as rules by cluster.

    Raises:
        Refusal: a file is neither, or no rule does the same; the message names it.
    """
    parts = []
    for path in paths:
        content = read_json(path)
        if isinstance(content, list) and len(paths) > 1:
            raise Refusal(f"{path}: a strategy cannot be merged with other files; give it alone")
        try:
            if isinstance(content, list):
                return {ALL: rules_from_mist(content, scheme)}
            parts.append(rules_from_hope(content, scheme, task))
        except ValueError as error:
            raise Refusal(f"{path}: {error}") from error
    try:
        return merged(parts)
    except ValueError as error:
        raise Refusal(f"{', '.join(map(str, paths))}: {error}") from error


def read_rules(path: Path, scheme: Scheme) -> RulesByCluster:
    """Read what this verb writes: {cluster: [rule, ...]}.

    Raises:
        Refusal: the file holds something else; the message names it and the rule.
    """
    content = read_json(path)
    if not isinstance(content, dict) or [v for v in content.values() if not isinstance(v, list)]:
        raise Refusal(f"{path}: not an object with a list of rules for each cluster")
    try:
        return {name: [rule_from(row, scheme) for row in rows] for name, rows in content.items()}
    except ValueError as error:
        raise Refusal(f"{path}: {error}") from error


def exported(rules: RulesByCluster, scheme: Scheme, format: str, task: str) -> Mapping[str, Any]:
    """Return the files, by name, that hold rules as HOPE tables or MIST strategies.

    Raises:
        Refusal: the format ("hope" or "mist") cannot express a rule; the message names it.
    """
    if format == "mist":
        return _mist(rules, scheme)
    sizes, shares = hope_from_rules(rules, scheme)
    return {SIZES_NAME: {task: sizes}, SHARES_NAME: {task: shares}}


def _mist(rules: RulesByCluster, scheme: Scheme) -> dict[str, list[dict[str, Any]]]:
    files = {}
    for cluster, of_cluster in rules.items():
        if Path(cluster).name != cluster:
            raise Refusal(f"{cluster!r} cannot be a file name")
        try:
            files[f"{cluster}.json"] = mist_from_rules(of_cluster, scheme)
        except ValueError as error:
            raise Refusal(f"{cluster}: {error}") from error
    return files


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
