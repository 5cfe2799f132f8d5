"""The official scores of three submissions, ranked by a few lines of csv, numpy and scipy."""

import csv
import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from lab.__main__ import main


@pytest.fixture
def official(shared_data, tmp_path) -> tuple[np.ndarray, np.ndarray, dict]:
    """Values (case, column, system), the sign of each column, and what the verb writes."""
    paths = sorted((shared_data / "brats-ssa-2025-official-csv").glob("*.csv"))
    tables = [read(path) for path in paths]
    kinds = ("Dice", "NSD", "Hausdorff95")
    names = [name for name in next(iter(tables[0].values())) if any(k in name for k in kinds)]
    values = np.array(
        [[[float(table[case][name]) for table in tables] for name in names] for case in tables[0]]
    )
    signs = np.array([-1 if "Hausdorff95" in name else 1 for name in names])
    out = tmp_path / "out.json"
    assert main(["rank", *map(str, paths), "--out", str(out)]) == 0
    return values, signs, json.loads(out.read_text())


def read(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {row[""]: row for row in rows if row[""].startswith("BraTS")}


def test_wilcoxon_of_the_mean_scores(official) -> None:
    values, signs, content = official
    scores = values[:, signs > 0].mean(1)
    names = list(content["systems"])
    for a, b in permutations(range(3), 2):
        result = scipy.stats.wilcoxon(
            (scores[:, a] - scores[:, b]).round(12),
            alternative="greater",
            correction=True,
            method="asymptotic",
        )
        assert content["significance"]["p"][names[a]][names[b]] == pytest.approx(result.pvalue)


def test_resampled_rankings_by_other_draws(official) -> None:
    """Shares of first places by both rankings agree within what 1,000 samples allow."""
    values, signs, content = official
    oriented = values * signs[:, None]
    case_ranks = scipy.stats.rankdata(-oriented, axis=-1).mean(1)
    rng = np.random.default_rng(77)
    samples = rng.integers(0, len(values), (1000, len(values)))
    means = oriented[samples].mean(1)
    criteria = {
        "mean rank": case_ranks[samples].mean(1),
        "position of means": scipy.stats.rankdata(-means.round(12), axis=-1).mean(1),
    }
    by_method = {each["method"]: each for each in content["stability"]}
    for method, criterion in criteria.items():
        places = scipy.stats.rankdata(criterion.round(9), "min", axis=-1)
        first = list(by_method[method]["first"].values())
        assert first == pytest.approx((places == 1).mean(0), abs=0.07)


def test_tiers_by_permuting_the_ranks_of_cases(official) -> None:
    values, signs, content = official
    case_ranks = scipy.stats.rankdata(-values * signs[:, None], axis=-1).mean(1)
    names, rng = list(content["systems"]), np.random.default_rng(5)
    order = np.argsort(case_ranks.mean(0))
    turned = rng.integers(0, 2, (20_000, len(values))) * 2 - 1
    for i, ahead in enumerate(order):
        for behind in order[i + 1 :]:
            lead = case_ranks[:, behind] - case_ranks[:, ahead]
            share = (turned @ lead >= lead.sum() - 1e-9).mean()
            p = content["tiers"]["p_ahead"][names[ahead]][names[behind]]
            assert p == pytest.approx(share, abs=0.012)
