"""`lab rank` on ISLES'26: the ranking of the design document, and what is done about what lacks."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from lab.__main__ import main
from lab.evaluation.results import Facts, Results, write_json

NAN = math.nan
METRICS = ("dice", "lesion_f1", "pr_auc", "volume_difference_ml", "lesion_count_difference")


def write(path: Path, *cases: tuple[float, ...], metrics: tuple[str, ...] = METRICS) -> Path:
    rows = {
        f"c{i}": {"lesion": dict(zip(metrics, case, strict=True))} for i, case in enumerate(cases)
    }
    write_json(Results("2026-isles", rows, labels={"lesion": 1}, scheme="isles-2026"), path)
    return path


def rank(tmp_path: Path, *paths: Path) -> dict:
    out = tmp_path / "out.json"
    few = ("--flips", "100", "--resamples", "100")
    assert main(["rank", *map(str, paths), *few, "--out", str(out)]) == 0
    return dict(json.loads(out.read_text()))


def test_ranks_are_averaged_over_metrics_and_then_over_cases(tmp_path: Path) -> None:
    """By hand: a, b and c in case 0 take (1, 1.5, 1, 3, 2), (2, 1.5, 3, 1, 2), (3, 3, 2, 2, 2)."""
    result = rank(
        tmp_path,
        write(tmp_path / "a.json", (0.9, 1.0, 0.8, 5.0, 1), (0.5, 0.5, 0.5, 1.0, 0)),
        write(tmp_path / "b.json", (0.8, 1.0, 0.6, 0.5, 1), (0.4, 0.4, 0.4, 2.0, 1)),
        write(tmp_path / "c.json", (0.7, 0.5, 0.7, 1.0, 1), (0.3, 0.3, 0.3, 3.0, 2)),
    )
    of_case = {"a": 8.5 / 5, "b": 9.5 / 5, "c": 12 / 5}
    assert result["ranking"]["mean_rank_of_case"]["c0"] == pytest.approx(of_case)
    expected = {"a": (8.5 / 5 + 1) / 2, "b": (9.5 / 5 + 2) / 2, "c": (12 / 5 + 3) / 2}
    assert result["ranking"]["mean_rank"] == pytest.approx(expected)
    assert result["ranking"]["place"] == {"a": 1, "b": 2, "c": 3}
    assert tuple(result["ranked_by"]) == METRICS
    assert result["chosen"] == "the metrics that the organisers of 2026-isles rank by"
    assert result["rule"] == {"ties": "average", "nan": "last", "published": False}


def test_the_ranking_is_that_of_scipys_ranks(tmp_path: Path) -> None:
    """Four systems, 30 cases, rounded so that many are equal; some without a result."""
    rng = np.random.default_rng(0)
    scores = rng.random((4, 30, 5)).round(1)
    scores[rng.random((4, 30)) < 0.1] = NAN
    paths = [
        write(tmp_path / f"{name}.json", *map(tuple, cases.tolist()))
        for name, cases in zip("abcd", scores, strict=True)
    ]
    signs = np.array([-1, -1, -1, 1, 1])
    ranked = rankdata(scores * signs, method="average", axis=0, nan_policy="omit")
    expected = np.where(np.isnan(scores), 4, ranked).mean((1, 2))
    result = rank(tmp_path, *paths)["ranking"]["mean_rank"]
    assert list(result.values()) == pytest.approx(expected.tolist())


def test_rule_2_ranks_the_means_of_the_metrics(tmp_path: Path) -> None:
    """One failed case costs a its means of three metrics, and one rank in the other ranking."""
    good, better = (0.8, 0.8, 0.8, 1.0, 1), (0.81, 0.81, 0.81, 0.9, 0)
    result = rank(
        tmp_path,
        write(tmp_path / "a.json", better, better, (0.0, 0.0, 0.1, 2.0, 2)),
        write(tmp_path / "b.json", good, good, good),
    )
    assert result["ranking"]["place"] == {"a": 1, "b": 2}
    positions = {
        row["metric"]: row["position"]["a"] for row in result["position_of_means"]["columns"]
    }
    assert positions == {
        "dice": 2,
        "lesion_f1": 2,
        "pr_auc": 2,
        "volume_difference_ml": 2,
        "lesion_count_difference": 1,
    }
    assert result["position_of_means"]["mean_position"] == pytest.approx({"a": 1.8, "b": 1.2})


def test_missing_results_take_the_last_rank_however_many_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full, lacking = (0.5, 0.5, 0.5, 1.0, 1), (NAN,) * 5
    result = rank(
        tmp_path,
        write(tmp_path / "a.json", full, full),
        write(tmp_path / "b.json", full, lacking),
        write(tmp_path / "c.json", full, lacking),
    )
    assert result["ranking"]["mean_rank_of_case"]["c1"] == pytest.approx({"a": 1, "b": 3, "c": 3})
    out = " ".join(capsys.readouterr().out.split())
    assert "NaN: last, it takes the last rank, that is the number of systems." in out


def test_a_missing_result_is_last_also_where_there_is_no_lesion(tmp_path: Path) -> None:
    """No result, though both maps are empty by the voxel counts, which usually ranks first."""
    paths = [
        write(tmp_path / "a.json", (1.0, 1.0, 1.0, 0.0, 0), (0.5, 0.5, 0.5, 1.0, 1)),
        write(tmp_path / "b.json", (NAN,) * 5, (0.5, 0.5, 0.5, 1.0, 1)),
    ]
    content = json.loads(paths[1].read_text())
    facts = Facts(None, "c0.nii.gz", 1.0, [[9, 0], [0, 0]], {"lesion": ()})  # type: ignore[arg-type]
    content["facts"] = {"c0": vars(facts)}
    content.pop("provenance", None)
    paths[1].write_text(json.dumps(content))
    assert rank(tmp_path, *paths)["ranking"]["mean_rank_of_case"]["c0"] == {"a": 1, "b": 2}


def test_without_pr_auc_in_every_file_the_other_four_rank_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    four = tuple(metric for metric in METRICS if metric != "pr_auc")
    result = rank(
        tmp_path,
        write(tmp_path / "a.json", (0.9, 0.9, 0.9, 1.0, 0), (0.9, 0.9, 0.9, 1.0, 0)),
        write(tmp_path / "b.json", (0.8, 0.9, 2.0, 0), (0.8, 0.9, 2.0, 0), metrics=four),
    )
    assert tuple(result["ranked_by"]) == four
    assert result["chosen"] == "the usual metrics (not the organisers')"
    assert "pr_auc, by which 2026-isles ranks: not in every file" in capsys.readouterr().err
