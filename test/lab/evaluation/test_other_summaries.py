"""Scores that other evaluators write as JSON: nnU-Net 1's and PANTHER's."""

import json
import math
from pathlib import Path

import pytest

from challenge.refusal import Refusal
from lab.evaluation.columns import RequestedColumns
from lab.evaluation.comparison import read_comparison
from lab.evaluation.formats import read_results


def nnunet1(dice: float, predicted: int, reference: int) -> dict[str, float]:
    """Return a label's entry of nnU-Net 1, with the names of its `Evaluator.default_metrics`."""
    return {
        "Accuracy": 0.99,
        "Dice": dice,
        "False Discovery Rate": 0.1,
        "False Negative Rate": 0.1,
        "False Omission Rate": 0.1,
        "False Positive Rate": 0.1,
        "Jaccard": dice / (2 - dice),
        "Negative Predictive Value": 0.9,
        "Precision": 0.5,
        "Recall": 0.25,
        "Total Positives Reference": reference,
        "Total Positives Test": predicted,
        "True Negative Rate": 0.9,
    }


def test_the_summary_of_nnunet_1(tmp_path: Path) -> None:
    """Its background is no label, and the voxel counts follow from Dice and both sizes."""
    rows = [
        {
            "0": nnunet1(0.999, 900, 890),
            "1": nnunet1(0.5, 6, 10),  # 2 * 4 / 16
            "2": nnunet1(math.nan, 0, 0),
            "test": "/out/k.nii.gz",
            "reference": "/raw/labelsTr/k.nii.gz",
        }
    ]
    content = {"author": "Fabian", "id": "0a", "results": {"all": rows, "mean": {}}, "task": ""}
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(content))
    results = read_results(path)
    assert (results.scorer, list(results.cases), results.scored_regions) == (
        "nnunet",
        ["k"],
        ("1", "2"),
    )
    scores = results.cases["k"]["1"]
    assert (scores["dice"], scores["tp"], scores["fp"], scores["fn"]) == (0.5, 4, 2, 6)
    empty = results.cases["k"]["2"]
    assert math.isnan(empty["dice"])
    assert (empty["tp"], empty["fp"], empty["fn"]) == (0, 0, 0)


def test_nnunet_1_and_2_are_ranked_together(tmp_path: Path) -> None:
    old = [
        {"1": nnunet1(dice, 6, 10), "test": "t", "reference": f"{id}.nii.gz"}
        for id, dice in (("a", 0.5), ("b", 0.25))
    ]
    new = [
        {"metrics": {"1": {"Dice": 0.75, "TP": 6, "FP": 0, "FN": 4}}, "reference_file": f"{id}.mha"}
        for id in "ab"
    ]
    (tmp_path / "one.json").write_text(json.dumps({"results": {"all": old, "mean": {}}}))
    (tmp_path / "two.json").write_text(json.dumps({"metric_per_case": new}))
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    comparison = read_comparison(paths, RequestedColumns())
    assert comparison.cases == ("a", "b")
    assert comparison.counted


def test_panthers_evaluator(shared_data: Path) -> None:
    folder = shared_data / "brats-official-eval-pairs" / "metrics-from-other-official-code"
    path = folder / "mets-00630__panther-evaluate-local.json"
    content = json.loads(path.read_text())
    results = read_results(path)
    assert list(results.cases) == ["mets-00630_ET", "mets-00630_WT"]
    assert results.cases["mets-00630_ET"]["tumour"] == {
        "dice": 0.9147945524385985,
        "surface_dice_5mm": 1.0,
        "hd95": 0.8593999743461609,
        "masd": 0.15598407424301813,
        "volume_prediction_mm3": 9623.914440415505,
        "volume_reference_mm3": 9411.206765434525,
    }
    for ours, theirs in (("dice", "mean_volumetric_dice"), ("masd", "mean_masd")):
        mean = results.column("tumour", ours).mean()
        assert mean == pytest.approx(content["aggregates"][theirs], rel=1e-12)
    rmse = results.extra["tumour"]["volume_rmse_mm3"]
    assert rmse["value"] == pytest.approx(content["aggregates"]["tumor_burden_rmse"], rel=1e-12)
    assert (rmse["n"], results.dice_kind) == (2, "voxel-wise")


@pytest.mark.parametrize(
    "content",
    [
        {"aggregates": {"score": 0, "num_cases": 3}},  # grand-challenge's metrics.json
        [{"pk": "05c0bc43", "inputs": [], "outputs": []}],  # predictions.json
        {"results": {"all": [{"1": {"Dice": 1}}], "mean": {}}},  # without files
        {"per_subject": [{"subject": "a"}]},
        {"results": [1]},
    ],
)
def test_other_json_is_refused_and_what_is_read_is_named(content: object, tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(content))
    with pytest.raises(Refusal, match=r"metrics.json: not a result file .*nnU-Net's summary.json"):
        read_results(path)
