"""Toy cohorts whose scores are arithmetic: components of ET right or wrong, and a share."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from challenge.scheme import SCHEMES
from lab.rule_search.case_components import CaseComponents
from lab.rule_search.config import SEARCH_CONFIGS, SearchConfig
from lab.rule_search.feature_table import FeatureTable
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_case import SearchCase
from lab.rule_search.search_parameter import SearchParameter

GLI = SCHEMES["brats-gli"]
ET, NETC = GLI.labels["ET"], GLI.labels["NETC"]
SIZES = (0, 5, 10, 20, 50)
SHARES = (0.0, 0.05, 0.1, 0.2)
PARAMETERS = (
    SearchParameter("ET", "", "background", "voxels", SIZES),
    SearchParameter("NETC", "", "background", "voxels", SIZES),
    SearchParameter("NETC", "", "ET", "share", SHARES, "share"),
)
# What makes a search try NETC -> ET, the one pair of labels among PARAMETERS.
NETC_FOR_ET = np.zeros((1 + len(GLI.labels),) * 2, int)
NETC_FOR_ET[ET, NETC] = 1
VALIDATED = replace(SEARCH_CONFIGS["validated"], least_cases=8, most_clusters=3)


class Toy(NamedTuple):
    """What `fit`, `cross_validate` and `decide` take."""

    features: FeatureTable
    cache: ScoreCache
    config: SearchConfig


@dataclass(frozen=True)
class Arithmetic:
    """Voxel-wise Dice of ET and NETC from the true value of each label component."""

    truth: np.ndarray  # (component,) label value that each should have
    voxels: np.ndarray

    def score(self, values: np.ndarray) -> dict[str, dict[str, float]]:
        """Return region -> dice."""
        scores = {}
        for name, value in (("ET", ET), ("NETC", NETC)):
            predicted, reference = (self.voxels[v == value].sum() for v in (values, self.truth))
            both = self.voxels[(values == value) & (self.truth == value)].sum()
            dice = 2 * both / (predicted + reference) if predicted + reference else 1.0
            scores[name] = {"dice": float(dice), "hd95": 0.0}
        return scores


def search_case(id: str, components: list[tuple[int, int, int]]) -> SearchCase:
    """Make a case of components that touch nothing: (predicted value, voxels, true value)."""
    values, voxels, truth = (np.array([0, *column]) for column in zip(*components, strict=True))
    no_edges, no_faces = np.empty((0, 2), int), np.empty((0, 3), int)
    case = CaseComponents(values.astype(np.uint8), voxels, no_edges, no_faces, 1.0)
    return SearchCase(id, case, Arithmetic(truth, voxels), NETC_FOR_ET)


def cohort(
    search_cases: list[SearchCase], rows: np.ndarray, config: SearchConfig = VALIDATED
) -> Toy:
    """Make a cohort of cases with feature vectors (case, feature); NaN rows have no features."""
    names = tuple(f"shape_{i}" for i in range(rows.shape[1]))
    reasons = tuple("" if np.isfinite(row).all() else "the tumour is empty" for row in rows)
    features = FeatureTable(tuple(case.id for case in search_cases), names, rows, reasons)
    columns = (("ET", "dice"), ("NETC", "dice"))
    return Toy(features, ScoreCache(search_cases, PARAMETERS, columns, GLI), config)


def tumour_with_islands(
    rng: np.random.Generator, voxels: int, are_true: bool
) -> list[tuple[int, int, int]]:
    """Draw a tumour with three islands of ET of a size, right or wrong."""
    main = [(ET, int(rng.integers(300, 400)), ET), (NETC, int(rng.integers(300, 400)), NETC)]
    return main + [(ET, voxels, ET if are_true else 0) for _ in range(3)]


def two_kinds(seed: int, cases: int, are_true: tuple[bool, bool] = (False, True)) -> Toy:
    """Make two kinds of case, apart in their features, whose islands are wrong and right."""
    rng = np.random.default_rng(seed)
    search_cases, rows = [], []
    for i in range(cases):
        kind = i % 2
        components = tumour_with_islands(rng, 12, are_true[kind])
        search_cases.append(search_case(f"case-{i:03d}", components))
        rows.append(rng.normal((-4.0, 4.0)[kind], 1.0, 6))
    return cohort(search_cases, np.array(rows))
