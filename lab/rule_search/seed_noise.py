"""How far label maps of other seeds lie apart: what a gain of rules has to exceed to mean more."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from challenge.refusal import Refusal
from lab.data.cohort import CohortCase
from lab.metrics.objective import POSITIONS, Column, case_objective, objective_values
from lab.metrics.scorer import Scorer
from lab.progress import progress
from lab.rule_search.cases import open_search_case
from lab.rule_search.features import check_predictions
from lab.rule_search.score_cache import score_variants
from lab.rule_search.workspace import Setup
from lab.statistics import ROUNDING


@dataclass(frozen=True)
class SeedNoise:
    """The largest difference between two seeds of the same networks."""

    value: float  # of the mean objective over all cases
    seeds: int  # label maps of the search among them
    objective: str


def seed_noise(
    cases: Sequence[CohortCase],
    setup: Setup,
    seeds: Sequence[Path],
    scorer: Scorer,
    columns: Sequence[Column],
    objective: str,
) -> SeedNoise:
    """Score label maps of other seeds without rules, and compare every two, the search's included.

    Args:
        cases: of the search.
        setup: what its features were made from.
        seeds: folders of label maps, one of each case.
        scorer: of the search.
        columns: that its objective counts.
        objective: of the search.

    Raises:
        Refusal: a folder lacks a case, or the objective is positions, whose gains are of a pair.
    """
    if objective == POSITIONS:
        raise Refusal("--seed-floor: positions have no value of one seed; take another objective")
    check_predictions(cases, seeds)
    reported = case_objective(objective)
    folders = [setup.predictions, *map(str, seeds)]
    run = joblib.Parallel(n_jobs=None, return_as="generator")
    rows = run(
        joblib.delayed(_score)(case, replace(setup, predictions=folder), scorer, columns)
        for folder in folders
        for case in cases
    )
    count = len(folders) * len(cases)
    scores = np.stack(list(progress(rows, count, description="seeds")))
    means = objective_values(scores[:, None], columns, reported).reshape(len(folders), -1).mean(1)
    value = max(abs(float(one - other)) for one, other in combinations(means, 2))
    return SeedNoise(value, len(folders), reported)


def noise_lines(noise: SeedNoise, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say how large the noise is, and which gains it exceeds.

    Args:
        noise: of the seeds.
        rows: of the effect table, the identity first.
    """
    first = f"{noise.seeds} seeds differ by up to {noise.value:.4f} in {noise.objective}"
    below = [row["method"] for row in rows[1:] if abs(row["gain"]) <= noise.value + ROUNDING]
    words = "what {0} gains is no more than that of another seed"
    return [first, *(words.format(method) for method in below)]


def noise_json(noise: SeedNoise | None) -> dict[str, Any] | None:
    """Return the noise as JSON's types; None where no seeds were named."""
    return asdict(noise) if noise else None


def _score(case: CohortCase, setup: Setup, scorer: Scorer, columns: Sequence[Column]) -> np.ndarray:
    search_case = open_search_case(case, replace(setup, probabilities=None), scorer)
    (row,) = score_variants(search_case.scorer, [search_case.components.values], columns)
    return row
