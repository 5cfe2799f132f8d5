"""Fit clusters to features, and say how reproducible each number of them is.

`python -m lab fit WORK`, after `lab features`. The number of clusters is chosen later, by what
rules gain with it; `--clusters K` settles it.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from challenge.provenance import sha256_of
from challenge.refusal import Refusal
from lab.arguments import add_seed
from lab.rule_search.clustering import fit_space, loadings, stability
from lab.rule_search.feature_table import informative, load_table
from lab.rule_search.workspace import CLUSTERS, FEATURES, read_setup, write_work


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("--clusters", type=int, metavar="K", help="settle the number of clusters")
    add_seed(parser, "of k-means and of resamples")


def run(args: argparse.Namespace) -> int:
    """Fit, write clusters.json, and print how stable each number of clusters is."""
    content = fit_work(args.work, args.clusters, args.seed)
    write_work(args.work, CLUSTERS, content)
    print("\n".join(fit_lines(content)))
    return 0


def fit_work(work: Path, clusters: int | None, seed: int) -> dict[str, Any]:
    """Describe the clusters of a work folder.

    Raises:
        Refusal: a file is missing, there are too few cases, all are alike, or there are fewer
            different cases than clusters.
    """
    config = read_setup(work).config
    table, dropped = informative(load_table(work / FEATURES), config.drops_constant)
    rows = table.rows[table.described]
    space = fit_space(rows, table.names, config)
    projected = space.project(rows)
    different = len(np.unique(projected, axis=0))
    if clusters is not None and not 1 <= clusters <= different:
        raise Refusal(f"--clusters {clusters}: {different} different cases have features")
    stabilities = [
        stability(space, rows, k, seed)
        for k in range(1, 1 + min(max(config.most_clusters, clusters or 1), different - 1))
    ]
    variances = projected.var(0)
    shares = loadings(space, variances)
    by_share = sorted(zip(table.names, shares.tolist(), strict=True), key=lambda row: -row[1])
    return {
        "config": config.name,
        "features_sha256": sha256_of(work / FEATURES),
        "seed": seed,
        "clusters": clusters,
        "cases": len(table.ids),
        "described": len(rows),
        "features": len(table.names),
        "dropped": dropped,
        "variance_shares": (variances / variances.sum()).tolist(),
        # How many equally loaded features would spread the variance as thinly.
        "effective_features": float(1 / (shares**2).sum()),
        "loadings": dict(by_share),
        "stability": [vars(row) | {"is_stable": row.is_stable} for row in stabilities],
    }


def fit_lines(content: Mapping[str, Any]) -> list[str]:
    """Say in a few lines what the fit shows."""
    top = list(content["loadings"].items())[:5]
    lines = [
        f"{content['described']} of {content['cases']} cases, {content['features']} features, "
        f"{len(content['variance_shares'])} components",
        f"they act as {content['effective_features']:.0f} features; the heaviest: "
        + ", ".join(f"{name} {share:.1%}" for name, share in top),
        *stability_lines(content["stability"]),
    ]
    if content["clusters"]:
        lines.append(f"{content['clusters']} clusters, by --clusters")
    return lines


def stability_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lay out how reproducible each number of clusters is."""
    lines = [f"{'k':>3}{'resamples':>11}{'seeds':>8}{'silhouette':>12}{'smallest':>10}"]
    for row in rows:
        clear = "-" if np.isnan(row["silhouette"]) else f"{row['silhouette']:.2f}"
        lines.append(
            f"{row['k']:>3}{row['over_resamples']:>11.2f}{row['over_seeds']:>8.2f}{clear:>12}"
            f"{row['smallest']:>10}{'' if row['is_stable'] else '  not stable'}"
        )
    return lines
