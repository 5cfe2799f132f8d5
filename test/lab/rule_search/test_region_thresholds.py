"""A region takes voxels from a lower probability on, as the label that a network paints it with."""

from dataclasses import replace

import numpy as np
import pytest
from crowded_maps import GLI, random_map, random_maps

from challenge.scheme import SCHEMES
from lab.metrics.pair import Pair
from lab.metrics.scorers import scorer_named
from lab.metrics.search_columns import search_columns
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import make_search_space, rules_of, threshold_regions
from lab.rule_search.tabulate_case import make_search_case
from postprocess.apply_rules import apply_rules
from postprocess.rule_kinds import row_from

CONFIG = SEARCH_CONFIGS["hysteresis"]
SCORER = scorer_named("2025-gli", GLI)
SPACING_MM = (2.5, 1.0, 3.0)
WT, TC = GLI.regions["WT"], GLI.regions["TC"]


def test_regions_of_several_labels_come_first_the_outer_one_first():
    space = make_search_space(GLI, CONFIG, [("ET",), TC, WT])
    lowering = [(p.name, p.becomes, p.rule_type) for p in space if p.rule_type in CONFIG.rule_types]
    assert lowering[:3] == [
        ("WT", "SNFH", "region threshold"),
        ("TC", "NETC", "region threshold"),
        ("ET", "ET", "threshold"),
    ]
    assert row_from(space[1].rule(2)) == {
        "kind": "add-probable",
        "region": "TC",
        "becomes": "NETC",
        "min_probability": 0.425,
    }
    assert space[1].in_words(2) == "TC takes voxels of probability >= 0.425 as NETC"


def test_a_region_whose_probability_is_not_known_and_one_label_have_none():
    space = make_search_space(GLI, CONFIG, [("ET",), WT])
    assert [p.name for p in space if p.rule_type == "region threshold"] == ["WT"]
    assert threshold_regions(SCHEMES["isles-2026"], CONFIG) == {}
    assert threshold_regions(GLI, SEARCH_CONFIGS["validated"]) == {}


@pytest.mark.parametrize("seed", range(3))
def test_it_scores_as_the_image_does_whatever_else_is_set(seed):
    labels, maps, rng = random_map(seed), random_maps(seed), np.random.default_rng(seed)
    pair = Pair(labels, np.roll(labels, 1, axis=2), SPACING_MM)
    case = make_search_case("case", pair, GLI, CONFIG, SCORER, maps)
    space = make_search_space(GLI, CONFIG, list(case.components.peaks))
    cache = ScoreCache([case], space, search_columns(SCORER, GLI), GLI)
    types = [parameter.rule_type for parameter in space]
    at = [i for i, t in enumerate(types) if t in ("region threshold", "more probable")]
    others = [i for i, rule_type in enumerate(types) if rule_type in ("threshold", "peak", "size")]
    assert len(at) == 4
    changed = 0
    for number in at:
        setting = list(cache.no_rules)
        setting[number] = int(rng.integers(1, len(space[number].grid)))
        more = int(rng.choice(others))
        setting[more] = int(rng.integers(1, len(space[more].grid)))
        rules = rules_of(space, tuple(setting))
        after = apply_rules(labels, rules, GLI, SPACING_MM, maps).labels
        changed += not np.array_equal(after, labels)
        on_image = SCORER.score(replace(pair, prediction=after))
        expected = [on_image[region][metric] for region, metric in cache.columns]
        row = cache.scores([tuple(setting)], np.array([0]))[0]
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-9)
    assert changed


def test_a_region_takes_voxels_from_a_label_that_excludes_it():
    space = make_search_space(GLI, CONFIG, [("RC",), ("ET",), TC, WT])
    exclusive = [p for p in space if p.rule_type == "more probable"]
    assert [(p.name, p.becomes, p.other) for p in exclusive] == [
        ("WT", "SNFH", "RC"),
        ("TC", "NETC", "RC"),
    ]
    assert row_from(exclusive[1].rule(1)) == {
        "kind": "add-more-probable",
        "region": "TC",
        "becomes": "NETC",
        "than": "RC",
    }
    words = "TC takes voxels of RC that it is more probable in, as NETC"
    assert exclusive[1].in_words(1) == words


def test_a_challenge_of_nested_regions_alone_has_nothing_that_excludes():
    ssa = SCHEMES["brats-ssa"]
    known = [("ET",), tuple(ssa.regions["TC"]), tuple(ssa.regions["WT"])]
    space = make_search_space(ssa, CONFIG, known)
    assert not [p for p in space if p.rule_type == "more probable"]
