"""Which label may turn into which: the pairs that the fitting cases confuse most, no other."""

import json
from dataclasses import replace

import numpy as np
import pytest
from toy import ET, GLI, NETC, PARAMETERS, SHARES, Toy, cohort, search_case

from challenge.scheme import SCHEMES
from lab.rule_search.cluster_rules import fit
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.cross_validation import cross_validate, folds_of
from lab.rule_search.search_parameter import SearchParameter
from lab.rule_search.search_space import make_search_space, searched_parameters
from postprocess.rule_kinds import row_from

VALIDATED = SEARCH_CONFIGS["validated"]
SNFH = GLI.labels["SNFH"]
NETC_TO_ET, NETC_TO_SNFH = 2, 3  # numbers of parameters in `invented_netc`
# Voxels by reference (row) and prediction (column): background, NETC, SNFH, ET, RC.
CONFUSION = np.array(
    [
        [0, 900, 900, 900, 900],
        [0, 500, 0, 7, 0],
        [0, 20, 500, 9, 0],
        [0, 30, 0, 500, 0],
        [0, 10, 0, 8, 500],
    ]
)


def pairs(targets: int, confusion: np.ndarray = CONFUSION) -> list[tuple[str, str]]:
    """Return the pairs that are searched, from label to label."""
    config = replace(VALIDATED, targets=targets)
    space = make_search_space(GLI, config)
    searched = [space[i] for i in searched_parameters(space, config, GLI, confusion)]
    return [(p.label, p.becomes) for p in searched if p.rule_type == "share"]


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (1, [("NETC", "ET"), ("ET", "SNFH")]),
        (2, [("NETC", "SNFH"), ("NETC", "ET"), ("ET", "SNFH"), ("ET", "RC")]),
    ],
)
def test_a_label_turns_into_those_that_the_reference_most_often_holds_there(targets, expected):
    assert pairs(targets) == expected


def test_what_was_never_confused_is_not_tried():
    assert pairs(4, np.diag([0, 5, 5, 5, 5])) == []


def test_sizes_are_searched_whatever_was_confused():
    space = make_search_space(GLI, VALIDATED)
    searched = searched_parameters(space, VALIDATED, GLI, np.zeros((5, 5), int))
    assert [space[i].label or space[i].region for i in searched] == [*GLI.labels, "WT"]
    shares = replace(VALIDATED, rule_types=("share",))
    assert searched_parameters(space, shares, GLI, np.zeros((5, 5), int)) == ()


def test_peaks_are_searched_where_their_probability_is_known():
    tumour = GLI.regions["WT"]
    space = make_search_space(GLI, VALIDATED, {("ET",), tumour, ("elsewhere",)})
    by_peak = [(p.name, p.rule_type) for p in space if "peak" in p.rule_type]
    assert by_peak == [(n, t) for t in ("peak", "size or peak") for n in ("ET", "WT")]
    assert list(space[: len(by_peak)]) == [p for p in space if "peak" in p.rule_type]
    assert space[len(by_peak) :] == make_search_space(GLI, VALIDATED)
    published = SEARCH_CONFIGS["published"]
    assert make_search_space(GLI, published, {("ET",)}) == make_search_space(GLI, published)


def test_a_parameter_is_its_json():
    for parameter in make_search_space(GLI, VALIDATED, {("ET",)}):
        row = json.loads(json.dumps(parameter.to_json()))
        assert SearchParameter.from_json(row) == parameter
        assert row["title"] == parameter.title


def test_each_grid_point_is_the_rule_that_its_words_say():
    space = {p.rule_type: p for p in make_search_space(GLI, VALIDATED, {("ET",)}) if p.name == "ET"}
    both = space["size or peak"]
    at = both.grid.index((300.0, 0.65))
    assert both.in_words(at) == "ET components < 300 mm3 and peak < 0.65 -> surrounding"
    assert row_from(both.rule(at)) == {
        "kind": "remove-component",
        "label": "ET",
        "becomes": "surrounding",
        "unless_any": {"min_volume_mm3": 300.0, "min_peak_probability": 0.65},
    }
    peak, size = space["peak"], space["size"]
    assert peak.in_words(2) == "ET components of peak < 0.5 -> surrounding"
    assert peak.rule(2).unless_any == {"min_peak_probability": 0.5}
    assert size.in_words(2) == "ET components < 10 mm3 -> surrounding"
    assert size.rule(2).min_volume_mm3 == 10
    assert space["share"].in_words(2).startswith("ET share < 0.01 -> ")


def test_a_challenge_that_forbids_empty_answers_has_no_pairs():
    space = make_search_space(SCHEMES["panther-t1"], VALIDATED)
    assert [p.rule_type for p in space] == ["size"]


def invented_netc(confusions: list[np.ndarray]) -> Toy:
    """Cases whose NETC is ET in truth; what each says of the pairs is its confusion matrix."""
    cases = [
        replace(search_case(f"case-{i}", [(ET, 900, ET), (NETC, 60 + i, ET)]), confusion=confusion)
        for i, confusion in enumerate(confusions)
    ]
    rows = np.random.default_rng(0).normal(size=(len(cases), 4))
    toy = cohort(cases, rows, replace(VALIDATED, targets=1, most_clusters=2))
    to_snfh = SearchParameter("NETC", "", "SNFH", "share", SHARES, "share")
    return toy._replace(cache=replace(toy.cache, parameters=(*PARAMETERS, to_snfh)))


def seen_as(truth: int, voxels: int) -> np.ndarray:
    """Return the confusion matrix of a case whose NETC is `truth` in so many voxels."""
    confusion = np.zeros((5, 5), int)
    confusion[truth, NETC] = voxels
    return confusion


def test_the_most_confused_pair_is_the_one_that_is_fitted():
    toy = invented_netc([seen_as(ET, 60) + seen_as(SNFH, 1)] * 20)
    fitted = fit(*toy, np.arange(20), 1)
    assert fitted.parameters == (0, 1, NETC_TO_ET)
    assert fitted.pooled[NETC_TO_ET] > 0
    other = fit(*invented_netc([seen_as(ET, 1) + seen_as(SNFH, 60)] * 20), np.arange(20), 1)
    assert other.parameters == (0, 1, NETC_TO_SNFH)


@pytest.mark.parametrize("k", [1, None])
def test_a_held_out_case_has_no_say_in_the_pairs_of_its_fold(k):
    usual = [seen_as(ET, 60)] * 20
    odd = [seen_as(SNFH, 10**6), *usual[1:]]  # in case 0, more than in all others together
    without, with_odd = (cross_validate(*invented_netc(c), np.arange(20), k) for c in (usual, odd))
    fold_of_odd = next(fold for fold in folds_of(np.arange(20), VALIDATED.seed) if 0 in fold)
    for case in range(20):
        assert without.settings[case][NETC_TO_ET] > 0
        same = with_odd.settings[case] == without.settings[case]
        assert same == (case in fold_of_odd)


@pytest.mark.parametrize("config", SEARCH_CONFIGS.values(), ids=SEARCH_CONFIGS)
def test_every_type_of_rule_that_a_configuration_names_is_searched(config):
    regions = (tuple(GLI.regions[name]) for name in ("TC", "WT"))
    known = [*((label,) for label in GLI.written), *regions]
    space = make_search_space(GLI, config, known, has_votes=True)
    assert {parameter.rule_type for parameter in space} == set(config.rule_types)
