"""Convert the post-processing of nnU-Net, HOPE-Segmenter and MIST to rules, and some of it back.

`python -m lab import-rules FILE... --scheme NAME --out rules.json` reads the postprocessing.json of
nnU-Net 1 or 2, HOPE-Segmenter's tables of thresholds (several files of one task are merged) or one
MIST strategy, and writes {cluster: [rule, ...]}; the only cluster of nnU-Net's file and of a
strategy is "all". nnU-Net's label values are those of the training, by the dataset.json beside the
file. With `--export hope|mist` FILE is such a rules.json, and `--out` a folder that takes the two
tables, or one strategy a cluster.
What the other format cannot express is refused by name; exit code 2.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme
from lab.arguments import add_out, add_scheme
from lab.data.nnunet_postprocessing import FILE, is_nnunet_postprocessing
from lab.json_files import read_json
from lab.output_files import check_file
from lab.rule_search.hope_tables import (
    RulesByCluster,
    hope_from_rules,
    merged,
    rules_from_hope,
)
from lab.rule_search.mist_strategy import mist_from_rules, rules_from_mist
from lab.rule_search.nnunet_rules import rules_from_nnunet, training_labels
from postprocess.rule_base import Rule
from postprocess.rule_kinds import row_from, rule_from

# File names as published.
SIZES_NAME, SHARES_NAME = "cc_thresholds_cv.json", "lblredef_thresholds_cv.json"
ALL = "all"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    files = "nnU-Net's postprocessing.json, tables, a strategy; rules.json to export"
    add("files", type=Path, nargs="+", metavar="FILE", help=files)
    add_scheme(parser, "whose label values the files hold", required=True)
    add_out(parser, "rules.json; a folder to export", "PATH")
    add("--export", choices=("hope", "mist"), help="write rules.json in this format instead")
    labels = "which training value is which label, of nnU-Net's file (default: dataset.json)"
    add("--labels", metavar="NAME=VALUE,...", default="", help=labels)
    add("--task", metavar="NAME", help="HOPE's name of the task (default: the only one; --scheme)")


def run(args: argparse.Namespace) -> int:
    """Convert the files, and say what was written."""
    scheme = SCHEMES[args.scheme]
    if args.export is None:
        check_file(args.out)
        rules = read_foreign(args.files, scheme, args.task, args.labels)
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


def read_foreign(
    paths: list[Path], scheme: Scheme, task: str | None = None, labels: str = ""
) -> RulesByCluster:
    """Read nnU-Net's post-processing, HOPE tables or one MIST strategy as rules by cluster.

    `labels` is what --labels says of the training values of nnU-Net's file, or nothing.

    Raises:
        Refusal: a file is none of these, or no rule does the same; the message names it.
    """
    if len(paths) == 1:
        return _one_file(paths[0], scheme, task, labels)
    if labels:
        raise Refusal(f"--labels is for nnU-Net's {FILE}, one file at a time")
    parts = []
    for path in paths:
        content = _content(path)
        if isinstance(content, list) or is_nnunet_postprocessing(content):
            raise Refusal(
                f"{path}: only HOPE's tables can be merged with other files; give it alone"
            )
        with _naming(path):
            parts.append(rules_from_hope(content, scheme, task))
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


def _one_file(path: Path, scheme: Scheme, task: str | None, labels: str) -> RulesByCluster:
    content = _content(path)
    with _naming(path):
        if is_nnunet_postprocessing(content):
            return {ALL: _of_nnunet(path, content, labels, scheme)}
        if labels:
            raise Refusal(f"--labels is for nnU-Net's {FILE}, which this is not")
        if isinstance(content, list):
            return {ALL: rules_from_mist(content, scheme)}
        return merged([rules_from_hope(content, scheme, task)])


def _content(path: Path) -> Any:
    if path.suffix == ".pkl":
        raise Refusal(f"{path}: a pickle is not opened; give {FILE}, which lies beside it")
    return read_json(path)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let what is refused within name the file."""
    try:
        yield
    except ValueError as error:
        raise Refusal(f"{path}: {error}") from error


def _of_nnunet(path: Path, content: Any, option: str, scheme: Scheme) -> list[Rule]:
    """Read nnU-Net's file; print how its label values were understood."""
    labels, source = training_labels(path, option, scheme)
    words = ", ".join(f"{value} {name}" for name, value in sorted(labels.items(), key=_by_value))
    print(f"{path}: labels {words} ({source})")
    rules = rules_from_nnunet(content, labels, scheme)
    if not rules:
        print(f"{path}: nnU-Net decided to change nothing")
    return list(rules)


def _by_value(pair: tuple[str, int]) -> int:
    return pair[1]


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
