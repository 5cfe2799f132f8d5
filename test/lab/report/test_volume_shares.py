"""A label map that is shifted shows in the labels' shares of the tumour, and is warned of."""

import numpy as np
import pytest
from report_cases import facts, results, table

from challenge.scheme import SCHEMES
from lab.evaluation.counts import cohort_of
from lab.evaluation.results import Results
from lab.report.shares import share_rows, unjudged, warnings


def test_usual_volume_shares_are_no_cause_for_a_warning():
    good = results({id: table((1, 1, 10), (2, 2, 70), (3, 3, 20)) for id in "abc"})
    rows = share_rows(cohort_of(good), good)
    assert {(r["label"], r["side"]): r["pooled"] for r in rows}["SNFH", "reference"] == 0.7
    assert warnings(rows, good) == []


@pytest.mark.parametrize("side", ["prediction", "reference"])
def test_a_shifted_label_map_is_caught_on_either_side(side):
    # What is oedema by its volume carries the name NETC, what enhances the name SNFH.
    right, shifted = (10, 70, 20), (70, 10, 20)
    tables = {}
    for id in "abc":
        rows, columns = (right, shifted) if side == "prediction" else (shifted, right)
        tables[id] = np.zeros((4, 4), np.int64)
        tables[id][1:, 1:] = np.outer(rows, columns)
    bad = results(tables)
    result = warnings(share_rows(cohort_of(bad), bad), bad)
    assert all(f"in the {side}" in sentence for sentence in result)
    assert {sentence.split()[0] for sentence in result} == {"NETC", "SNFH"}
    assert "NETC is 70% of WT of all cases together" in result[0]


def test_the_median_is_checked_beside_the_pooled_share():
    # One huge case hides two small ones whose SNFH is missing.
    small, huge = table((3, 3, 5), (1, 1, 5)), table((2, 2, 900), (3, 3, 100))
    mixed = results({"a": small, "b": small, "c": huge})
    rows = share_rows(cohort_of(mixed), mixed)
    assert {tuple(r["outside"]) for r in rows if r["label"] == "SNFH"} == {("median",)}


def test_values_that_are_not_the_schemes_are_warned_of():
    result = results({"a": table((2, 2, 70), (3, 3, 30))})
    moved = Results("x", result.cases, {"NETC": 1, "SNFH": 2, "ET": 4}, {}, result.scheme)
    assert warnings([], moved) == ["The results call value 4 ET; brats-gli-2023 has 3."]


def test_predictions_that_cannot_hold_the_whole_are_not_evaluated():
    scheme = SCHEMES["panther-t1"]
    confusion = np.array([[90, 0, 0], [0, 5, 0], [95, 0, 0]])  # pancreas is never predicted
    result = Results(
        "panther",
        {"a": {}},
        scheme.labels,
        scheme.regions,
        scheme.name,
        "",
        {"a": facts(confusion)},
    )
    rows = share_rows(cohort_of(result), result)
    assert [(r["side"], r["pooled"]) for r in rows] == [("reference", 0.05)]
    assert unjudged(cohort_of(result), result) == [
        "Shares of the predictions are not judged: none has any pancreas."
    ]


def test_predictions_that_never_hold_a_label_are_not_evaluated_and_references_are():
    # The model was trained without NETC: its core is all ET, 80 % of the tumour.
    result = results({id: table((1, 3, 50), (2, 2, 20), (3, 3, 30)) for id in "abc"})
    rows = share_rows(cohort_of(result), result)
    assert {row["side"] for row in rows} == {"reference"}
    assert warnings(rows, result) == []
    assert unjudged(cohort_of(result), result) == [
        "Shares of the predictions are not judged: none has any NETC."
    ]
    whole = results({id: table((1, 1, 10), (2, 2, 70), (3, 3, 20)) for id in "abc"})
    assert unjudged(cohort_of(whole), whole) == []
