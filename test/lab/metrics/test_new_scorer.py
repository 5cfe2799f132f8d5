"""A new scorer with a new metric is a row of SCORERS and a row of METRICS, and nothing else.

The made-up scorer measures how far the centres of the two whole tumours are apart: a metric whose
name no other program knows, where lower is better.
"""

import csv
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import files
import numpy as np
import pytest

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.__main__ import main
from lab.evaluation.formats import read_results
from lab.metrics import brats2025
from lab.metrics.csv_layouts import Layout
from lab.metrics.metric_info import METRICS, Metric
from lab.metrics.objective import selection_columns
from lab.metrics.pair import Pair
from lab.metrics.scorer import CaseScores, Scorer
from lab.metrics.scorers import SCORERS
from lab.metrics.search_columns import search_columns
from lab.metrics.variant_scores import table_scorer
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.optimise import choose_rules
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_parameter import SearchParameter
from lab.rule_search.tabulate_case import make_search_case

NAME, METRIC, COLUMN = "2099-gli", "centre_shift", "CentreShift"
SCHEME = SCHEMES["brats-gli-2023"]
SPACING_MM = (2.0, 1.0, 1.0)
CUBE = (slice(4, 8), slice(4, 8), slice(4, 8))


def score(pair: Pair) -> CaseScores:
    """Return the distance (mm) of the tumours' centres; 0 where a map is empty."""
    if not (pair.prediction.any() and pair.reference.any()):
        return {"WT": {METRIC: 0.0}}
    centres = [np.argwhere(labels).mean(0) for labels in (pair.prediction, pair.reference)]
    return {"WT": {METRIC: float(np.linalg.norm((centres[0] - centres[1]) * pair.spacing_mm))}}


@pytest.fixture
def scorer(monkeypatch: pytest.MonkeyPatch) -> Scorer:
    metric = Metric(
        METRIC,
        "distance",
        better="lower",
        title="shift of the centre",
        objectives=("rank",),
        decimals=1,
        columns={"2099": COLUMN},
    )
    row = Scorer(
        name=NAME,
        scheme=SCHEME.name,
        score=score,
        missing="left-out",
        absent="a region in neither map scores 0 mm",
        layout=Layout("subject", "2099"),
        ranked_by=(METRIC,),
    )
    monkeypatch.setitem(METRICS, METRIC, metric)
    monkeypatch.setitem(SCORERS, NAME, row)
    return row


def evaluated(folder: Path, system: str, shift: int) -> Path:
    """Score three cubes that were predicted some slices too high; each slice is 2 mm."""
    for number in range(3):
        reference = np.zeros((16, 12, 12), np.uint8)
        reference[CUBE] = 1 + number
        prediction = np.roll(reference, shift, axis=0)
        for side, labels in ((system, prediction), ("references", reference)):
            path = folder / side / f"BraTS-GLI-0000{number}-000.nii.gz"
            files.write_nifti(path, labels.T, np.diag([*SPACING_MM[::-1], 1.0]))
    out = folder / f"{system}.json"
    folders = [
        f"--{kind}={folder / name}"
        for kind, name in (("predictions", system), ("references", "references"))
    ]
    assert main(["evaluate", "--scorer", NAME, *folders, f"--out={out}"]) == 0
    return out


def test_evaluate_writes_its_column_and_reads_it_again(
    tmp_path: Path, scorer: Scorer, capsys: pytest.CaptureFixture[str]
) -> None:
    out = evaluated(tmp_path, "near", shift=1)
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == f"its organisers rank by {METRIC}"
    means = printed.index(f"mean        n  {METRIC}")
    assert printed[means + 1] == "WT          3           2.0"
    rows = list(csv.reader(out.with_suffix(".csv").open()))
    assert rows[0] == ["subject", f"{COLUMN}_WT"]
    assert [float(row[1]) for row in rows[1:4]] == [2.0, 2.0, 2.0]
    again = read_results(out.with_suffix(".csv"))
    assert again.column("WT", METRIC).tolist() == [2.0, 2.0, 2.0]


def test_rank_puts_the_lower_value_first(
    tmp_path: Path, scorer: Scorer, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(evaluated(tmp_path, name, shift)) for name, shift in (("far", 4), ("near", 1))]
    assert main(["rank", *paths, "--out", str(tmp_path / "rank.json")]) == 0
    content = json.loads((tmp_path / "rank.json").read_text())
    assert content["ranked_by"] == [METRIC]
    assert content["chosen"] == f"the metrics that the organisers of {NAME} rank by"
    assert content["ranking"]["place"] == {"far": 2, "near": 1}
    assert content["position_of_means"]["columns"][0]["better"] == "lower"


def test_the_report_shows_its_title_and_unit(tmp_path: Path, scorer: Scorer) -> None:
    out, page = evaluated(tmp_path, "near", shift=1), tmp_path / "report.html"
    assert main(["report", str(out), "--html", str(page)]) == 0
    (row,) = json.loads(page.with_suffix(".json").read_text())["cover"]["headline"]
    assert (row["title"], row["unit"], row["value"]) == ("shift of the centre", "mm", 2.0)
    assert "shift of the centre" in page.read_text()


def searched(scorer: Scorer) -> tuple[ScoreCache, SearchParameter]:
    """Two cases of a cube of ET, whose prediction has a speck of 8 voxels far from it."""
    config = SEARCH_CONFIGS["published"]
    reference = np.zeros((16, 12, 12), np.uint8)
    reference[CUBE] = SCHEME.labels["ET"]
    prediction = reference.copy()
    prediction[12:14, 10:12, 10:12] = SCHEME.labels["ET"]
    pair = Pair(prediction, reference, SPACING_MM)
    cases = [make_search_case(id, pair, SCHEME, config, scorer) for id in ("a", "b")]
    sizes = SearchParameter("ET", "", "background", "voxels", (0, 4, 20, 100))
    return ScoreCache(cases, (sizes,), search_columns(scorer, SCHEME, "rank"), SCHEME), sizes


def test_the_search_removes_what_makes_it_worse(scorer: Scorer) -> None:
    cache, sizes = searched(scorer)
    assert cache.columns == (("WT", METRIC),)
    setting = choose_rules(cache, np.array([0.5, 0.5]), (0,), "rank", "label-by-label")
    assert sizes.grid[setting[0]] == 20
    assert cache.scores([setting], np.array([0]))[0, 0] == 0.0
    assert cache.scores([cache.no_rules], np.array([0]))[0, 0] > 1.0


def test_a_selection_of_members_reads_it(scorer: Scorer) -> None:
    assert selection_columns(scorer, SCHEME) == (("WT", METRIC),)


def test_a_fast_scorer_without_the_metric_is_an_error_by_name(scorer: Scorer) -> None:
    profile = brats2025.PROFILES_2025["ssa"]
    with_fast = replace(scorer, fast_scorer=partial(table_scorer, profile=profile))
    with pytest.raises(Refusal, match=f"scorer {NAME}: .* does not compute {METRIC} of WT"):
        search_columns(with_fast, SCHEME, "rank")


def test_a_mean_of_scores_takes_scores_only() -> None:
    with pytest.raises(ValueError, match="overlap are means of scores, higher is better"):
        Metric("shift", "distance", better="lower", objectives=("overlap",))
