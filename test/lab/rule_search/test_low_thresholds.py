"""A case after minimum probabilities of labels: hysteresis is found, and nothing else changes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from challenge.scheme import SCHEMES
from lab.metrics.pair import Pair
from lab.metrics.scorers import scorer_named
from lab.metrics.search_columns import search_columns
from lab.rule_search.common_support import rule_support
from lab.rule_search.component_rules import values_after
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.loss_limit import rule_losses
from lab.rule_search.optimise import choose_rules
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import make_search_space, rules_of, searched_parameters
from lab.rule_search.summary import rules_in_words
from lab.rule_search.tabulate_case import make_search_case
from postprocess.apply_rules import apply_rules
from postprocess.components import find_components
from postprocess.rule_base import EnsembleMaps, RuleError
from postprocess.rules_by_probability import AddProbable

ISLES = SCHEMES["isles-2026"]
SCORER = scorer_named("2026-isles", ISLES)
CONFIG = replace(SEARCH_CONFIGS["hysteresis"], objective="dice")
CASES = 12


def blurred_case(seed: int) -> tuple[Pair, Callable[[tuple[str, ...]], np.ndarray]]:
    """Return lesions, certain inside and seen at 0.35 outside, and false specks at 0.4.

    The second lesion is as small as a speck.
    """
    rng = np.random.default_rng(seed)
    reference, sure = np.zeros((16, 20, 24), np.uint8), np.full((16, 20, 24), 0.01, np.float32)
    at = rng.integers(2, 4, 3)
    for margin, probability in ((0, 0.35), (1, 0.9)):
        box = tuple(slice(a + margin, a + 7 - margin) for a in at)
        sure[box] = probability
    reference[tuple(slice(a, a + 7) for a in at)] = reference[12:15, 2:5, 18:21] = 1
    sure[12:15, 2:5, 18:21], sure[13, 3, 19] = 0.35, 0.9
    for corner in ((12, 2, 2), (12, 12, 14), (4, 14, 16), (2, 2, 18)):
        sure[tuple(slice(c, c + 3) for c in corner)] = 0.4
    sure += rng.uniform(0, 0.02, sure.shape).astype(np.float32)
    return Pair((sure > 0.5).astype(np.uint8), reference, (1.0, 1.0, 1.0)), lambda names: sure


@pytest.fixture(scope="module")
def cohort() -> tuple[list[Pair], list[Callable[[tuple[str, ...]], np.ndarray]], ScoreCache]:
    pairs, probabilities = zip(*(blurred_case(seed) for seed in range(CASES)), strict=True)
    cases = [
        make_search_case(f"case-{i}", pair, ISLES, CONFIG, SCORER, EnsembleMaps(probability))
        for i, (pair, probability) in enumerate(zip(pairs, probabilities, strict=True))
    ]
    space = make_search_space(ISLES, CONFIG, [("lesion",)])
    return pairs, probabilities, ScoreCache(cases, space, search_columns(SCORER, ISLES), ISLES)


def test_hysteresis_is_found_where_it_is_right(cohort) -> None:
    """The halo joins from 0.35 on, and what is nowhere above 0.5 goes."""
    pairs, probabilities, cache = cohort
    parameters = searched_parameters(cache.parameters, CONFIG, ISLES, np.zeros((2, 2), int))
    weights = np.full(CASES, 1 / CASES)
    setting = choose_rules(cache, weights, parameters, "dice", "stepwise")
    assert rules_in_words(cache.parameters, setting) == (
        "lesion takes voxels of probability >= 0.35; lesion components of peak < 0.5 -> surrounding"
    )
    rules = rules_of(cache.parameters, setting)
    for pair, probability in zip(pairs, probabilities, strict=True):
        maps = EnsembleMaps(probability)
        labels = apply_rules(pair.prediction, rules, ISLES, pair.spacing_mm, maps).labels
        np.testing.assert_array_equal(labels, pair.reference)
    assert (rule_losses(cache, [setting] * CASES, np.arange(CASES)) == 0).all()


def test_the_threshold_for_dice_scores_as_the_image_does(cohort) -> None:
    """Whatever else is set; each case has a threshold of its own."""
    pairs, probabilities, cache = cohort
    types = [parameter.rule_type for parameter in cache.parameters]
    at, peak = types.index("dice"), types.index("peak")
    changed = 0
    for peak_index in (0, 5):
        setting = [*cache.no_rules]
        setting[at], setting[peak] = 1, peak_index
        rules = rules_of(cache.parameters, tuple(setting))
        scores = cache.scores([tuple(setting)] * CASES, np.arange(CASES))
        for pair, probability, row in zip(pairs, probabilities, scores, strict=True):
            maps = EnsembleMaps(probability)
            labels = apply_rules(pair.prediction, rules, ISLES, pair.spacing_mm, maps).labels
            changed += not np.array_equal(labels, pair.prediction)
            on_image = SCORER.score(replace(pair, prediction=labels))
            expected = [on_image[region][metric] for region, metric in cache.columns]
            np.testing.assert_allclose(row, expected, rtol=0, atol=1e-12)
    assert changed == 2 * CASES


def test_a_threshold_that_adds_nothing_is_no_new_variant(cohort) -> None:
    """No voxel lies between 0.43 and 0.5."""
    _, _, cache = cohort
    everything = np.arange(CASES)
    cache.scores([cache.no_rules] * CASES, everything)
    before = cache.variants
    adds_nothing = (1, *cache.no_rules[1:])
    assert rules_of(cache.parameters, adds_nothing)[0].min_probability == 0.45
    cache.scores([adds_nothing] * CASES, everything)
    assert cache.variants == before
    case, thresholds = cache.search_cases[0], rules_of(cache.parameters, adds_nothing)
    assert case.after(thresholds).components is case.components  # nothing is tabulated again


def test_lesions_that_growth_joins_and_a_rule_then_removes_are_lost(cohort) -> None:
    pairs, probabilities, cache = cohort
    names = [parameter.rule_type for parameter in cache.parameters]
    setting = list(cache.no_rules)
    setting[names.index("threshold")] = cache.parameters[0].grid.index(0.35)
    setting[names.index("size")] = len(cache.parameters[names.index("size")].grid) - 1
    losses = rule_losses(cache, [tuple(setting)] * CASES, np.arange(CASES))
    rules = rules_of(cache.parameters, tuple(setting))
    for pair, probability, loss in zip(pairs, probabilities, losses, strict=True):
        maps = EnsembleMaps(probability)
        labels = apply_rules(pair.prediction, rules, ISLES, pair.spacing_mm, maps).labels
        lesions = find_components(pair.reference > 0)
        lost = [
            (pair.prediction[lesions.ids == i] > 0).any() and not labels[lesions.ids == i].any()
            for i in range(1, lesions.voxels.size)
        ]
        assert loss == np.mean(lost) == 1.0


def test_common_support_is_of_the_labels_after_thresholds(cohort) -> None:
    _, _, cache = cohort
    setting = list(cache.no_rules)
    setting[0] = cache.parameters[0].grid.index(0.35)
    support = rule_support(cache, [tuple(setting)] * CASES, np.arange(CASES), "dice", 0)
    assert support.n == CASES and support.left == support.entered == ()
    assert support.difference == pytest.approx(support.official)


def test_where_an_answer_may_not_be_empty_no_threshold_is_tried() -> None:
    panther = SCHEMES["panther-t1"]
    space = make_search_space(panther, SEARCH_CONFIGS["hysteresis"], [("tumour",)])
    assert {p.rule_type for p in space} == {"peak", "size or peak", "size"}


def test_label_components_know_no_thresholds(cohort) -> None:
    _, _, cache = cohort
    rule = AddProbable("lesion", min_probability=0.3)
    with pytest.raises(RuleError, match="changes which components there are"):
        values_after(cache.search_cases[0].components, [rule], ISLES)
    without = replace(cache.search_cases[0], tabulate=None)
    with pytest.raises(RuleError, match=r"case-0: no probabilities for .*add-probable"):
        without.after((rule,))
