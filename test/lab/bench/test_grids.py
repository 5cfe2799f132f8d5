"""Grids of thresholds by table, and by the rules on the images."""

import numpy as np
import pytest

from challenge.scheme import SCHEMES
from lab.bench.bench import make_pair
from lab.bench.grids import mean_overlap, relabel_minor_grid, remove_small_grid
from lab.metrics import brats2025
from lab.metrics.component_table import build_component_table
from lab.metrics.lesionwise import score
from lab.metrics.pair import Pair
from postprocess.apply_rules import apply_rules
from postprocess.rule_base import Rule
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

SCHEME = SCHEMES["brats-gli"]
PROFILE = brats2025.PROFILES_2025["gli"]
PAIR = make_pair((40, 40, 40), seed=3)


def by_images(rule: Rule) -> float:
    labels = apply_rules(PAIR.prediction, [rule], SCHEME, PAIR.spacing_mm).labels
    return mean_overlap(score(Pair(labels, PAIR.reference, PAIR.spacing_mm), PROFILE))


@pytest.mark.parametrize("label", SCHEME.labels)
def test_sizes(label: str) -> None:
    table = build_component_table(PAIR, PROFILE)
    sizes = [0, 65, 10**6]
    found = remove_small_grid(table, SCHEME.labels[label], sizes, mean_overlap)
    expected = [by_images(RemoveSmall(label, min_voxels=size)) for size in sizes]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert np.unique(found.round(9)).size > 1


def test_shares() -> None:
    table = build_component_table(PAIR, PROFILE)
    cuts = [0.0, 0.05, 0.5, 1.0]
    change = SCHEME.labels["NETC"], SCHEME.labels["ET"]
    found = relabel_minor_grid(table, change, cuts, mean_overlap)
    expected = [by_images(RelabelMinor("NETC", "ET", cut)) for cut in cuts]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert found[0] != found[-1]


def test_a_mean_over_regions_and_metrics() -> None:
    scores = {"ET": {"dice": 1.0, "nsd_0.5": 0.0, "hd95": 374.0}, "WT": {"dice": 0.5}}
    assert mean_overlap(scores) == 0.5
