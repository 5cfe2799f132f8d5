"""The bench of the search times what ships, and its two sides give the same scores."""

import numpy as np
import pytest

from lab.bench import search
from lab.bench.synthetic_pair import make_pair
from lab.rule_search.search_parameter import SearchParameter

SHAPE = (40, 40, 40)
SIZES = (0, 65, 10**6)


@pytest.fixture
def few_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three thresholds a label, of which the last removes everything."""
    parameters = tuple(
        SearchParameter(p.label, "", p.becomes, p.unit, SIZES) for p in search.PARAMETERS
    )
    monkeypatch.setattr(search, "PARAMETERS", parameters)


@pytest.mark.usefixtures("few_sizes")
def test_the_score_cache_gives_what_scoring_the_images_anew_gives() -> None:
    pairs = [make_pair(SHAPE, seed=3)]
    cached, anew = search.score_with_cache(pairs), search.score_images(pairs)
    assert cached.scores.shape == (1, 4, len(SIZES), len(search.COLUMNS))
    np.testing.assert_allclose(cached.scores, anew.scores, rtol=0, atol=1e-9)
    assert anew.variants == 4 * len(SIZES)
    assert cached.variants < anew.variants  # no rule at all is scored once
    for by_label in cached.scores[0]:
        assert len(np.unique(by_label.round(9), axis=0)) > 1


@pytest.mark.usefixtures("few_sizes")
def test_the_ratio_is_printed_with_what_it_is_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(search, "SHAPE", SHAPE)
    assert search.bench_search(cases=2, anew=1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("24 grid points: 2 cases of 40 x 40 x 40, 4 labels, 3 thresholds")
    assert "measured on 1 cases" in lines[2]
    assert lines[3].startswith("ratio ")
    config = search.HYSTERESIS
    by_peak = 2 * 4 * (len(config.grids["peak"]) + len(config.grids["size or peak"]))
    assert lines[5].startswith("with peaks ") and lines[5].endswith(f" {by_peak} grid points more")
    assert lines[6].startswith("with predicates ")
    assert lines[7].startswith("with thresholds ")
    assert lines[7].endswith(f" {4 * len(config.thresholds)} grid points more")


def test_a_ratio_below_the_target_is_said_so() -> None:
    assert search.ratio_note(99.9) == ", below 100 x"
    assert search.ratio_note(100) == ""
