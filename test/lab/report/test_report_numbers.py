"""The report's overlap, volumes and detected lesions, worked out by hand."""

import numpy as np
import pytest
from report_cases import facts, results, table

from challenge.scheme import SCHEMES
from lab.evaluation.counts import cohort_of, scored_classes
from lab.evaluation.results import Lesion, Results
from lab.report.numbers import confusion, false_positive_row, mean_over, overlap_row
from lab.report.relations import cross_class, detection, volume_and_dice

ET = 3


def rows_of(result, absent="excluded"):
    cohort = cohort_of(result)
    return {c.name: overlap_row(cohort, c, absent) for c in cohort.classes}


def test_overlap_from_one_confusion_matrix():
    # NETC: 6 right, 2 called ET; 4 SNFH right; 3 voxels of background called NETC.
    row = rows_of(results({"a": table((1, 1, 6), (1, 3, 2), (2, 2, 4), (0, 1, 3))}))
    assert row["NETC"]["macro"] == pytest.approx(
        {"dice": 12 / 17, "iou": 6 / 11, "precision": 6 / 9, "recall": 6 / 8}
    )
    # Inside TC the swap of NETC and ET is no error: 8 right, 3 false positive.
    assert row["TC"]["macro"] == pytest.approx(
        {"dice": 16 / 19, "iou": 8 / 11, "precision": 8 / 11, "recall": 1}
    )


def test_absent_prediction_only_and_reference_only_are_counted_apart():
    tables = {
        "absent": table((0, 0, 9)),
        "prediction only": table((0, ET, 2)),
        "reference only": table((ET, 0, 4)),
        "both": table((ET, ET, 3), (ET, 0, 1)),
    }
    row = rows_of(results(tables))["ET"]
    assert (row["n_absent_both"], row["n_prediction_only"], row["n_reference_only"]) == (1, 1, 1)
    assert row["n"] == {"dice": 3, "iou": 3, "precision": 2, "recall": 2}
    assert row["macro"]["dice"] == pytest.approx((0 + 0 + 6 / 7) / 3)
    assert row["macro"]["precision"] == pytest.approx((0 + 1) / 2)
    assert row["macro"]["recall"] == pytest.approx((0 + 3 / 4) / 2)
    # Pooled: 3 right, 2 false positive, 5 missed.
    assert row["micro"]["dice"] == pytest.approx(6 / 13)
    one = rows_of(results(tables), "one")["ET"]
    assert one["n"] == {"dice": 4, "iou": 4, "precision": 2, "recall": 2}
    assert one["macro"]["dice"] == pytest.approx((0 + 0 + 6 / 7 + 1) / 4)


def test_the_mean_of_labels_leaves_out_a_label_that_no_case_has():
    result = rows_of(results({"a": table((1, 1, 1), (2, 2, 1), (2, 0, 2))}))
    assert mean_over(list(result.values()), "label")["dice"] == pytest.approx((1 + 0.5) / 2)


def test_a_region_of_the_same_name_as_a_label_that_it_is_not():
    scheme = SCHEMES["panther-t1"]
    result = {c.name: c.members for c in scored_classes(scheme.labels, scheme.regions)}
    assert result == {
        "pancreas": ("tumour", "pancreas"),
        "tumour": ("tumour",),
        "pancreas (label)": ("pancreas",),
    }


def test_a_label_that_predictions_never_hold_is_not_evaluated():
    scheme = SCHEMES["panther-t1"]

    def labels_and_regions(predicted_pancreas):
        confusion = np.array([[90, 0, 0], [0, 5, 0], [95, 0, predicted_pancreas]])
        lesions = {"tumour": (Lesion(5.0, True),), "pancreas": (Lesion(100.0, False),)}
        result = Results(
            "panther",
            {"a": {}},
            scheme.labels,
            scheme.regions,
            scheme.name,
            facts={"a": facts(confusion, lesions)},
        )
        cohort = cohort_of(result)
        output = [row["region"] for row in detection(result, cohort)["regions"]]
        return [scored.name for scored in cohort.classes], output

    assert labels_and_regions(0) == (["tumour"], ["tumour"])
    assert labels_and_regions(1) == (
        ["tumour", "pancreas", "pancreas (label)"],
        ["tumour", "pancreas"],
    )


def test_what_contradicts_itself_is_named():
    with pytest.raises(ValueError, match=r"region WT: \['ED'\]"):
        scored_classes({"ET": 1}, {"WT": ("ET", "ED")})
    with pytest.raises(ValueError, match=r"a: confusion matrix is \(3, 3\)"):
        cohort_of(results({"a": np.zeros((3, 3))}))


def test_false_positive_volume_ratio():
    result = results({"a": table((0, ET, 5), (ET, ET, 10)), "b": table((ET, 0, 30))})
    cohort = cohort_of(result)
    row = false_positive_row(cohort, next(c for c in cohort.classes if c.name == "ET"))
    assert (row["mean_fp_mm3"], row["mean_reference_mm3"]) == (2.5, 20)
    assert row["ratio"] == pytest.approx(5 / 40)
    assert row["median_case_ratio"] == pytest.approx((5 / 10 + 0) / 2)


def test_confusion_is_pooled_and_shared_out_by_row():
    result = confusion(
        cohort_of(results({"a": table((1, 1, 3)), "b": table((1, 3, 1))})), {"NETC": 1}
    )
    assert result["voxels"][1] == [0, 3, 0, 1]
    assert result["row_shares"][1] == [0, 0.75, 0, 0.25]
    assert np.isnan(result["row_shares"][2]).all()


def test_volume_and_dice_uses_cases_whose_reference_has_the_class():
    result = results(
        {
            "a": table((ET, ET, 1), (ET, 0, 3)),
            "b": table((ET, ET, 10)),
            "c": table((ET, ET, 5), (ET, 0, 1)),
            "d": table((0, ET, 7)),
        }
    )
    cohort = cohort_of(result)
    row = volume_and_dice(cohort, next(c for c in cohort.classes if c.name == "ET"))
    assert [p["case"] for p in row["points"]] == ["a", "b", "c"]
    assert [p["dice"] for p in row["points"]] == pytest.approx([2 / 5, 1, 10 / 11])
    assert (row["n"], row["spearman"]["value"]) == (3, pytest.approx(1))
    cross = cross_class(cohort)
    i = cross["classes"].index("ET")
    assert (cross["spearman"][i][i], cross["n"][i][i]) == (pytest.approx(1), 3)
    assert cross["n"][i][cross["classes"].index("NETC")] == 0


def test_lesions_are_binned_with_the_upper_edge_inside():
    lesions = {
        "WT": (Lesion(10.0, True), Lesion(10.5, False), Lesion(50.0, True), Lesion(9e4, True))
    }
    result = results({"a": table()})
    result = Results(**{**vars(result), "facts": {"a": facts(table(), lesions)}})
    (row,) = detection(result, cohort_of(result))["regions"]
    assert row["n"] == [1, 2, 0, 0, 0, 0, 1]
    assert row["detected"] == [1, 1, 0, 0, 0, 0, 1]
