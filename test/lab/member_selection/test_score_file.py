"""An interrupted selection goes on with the same inputs; of others it says which differ."""

from pathlib import Path

import numpy as np
import pytest
from planted import SCHEME, write_candidate_of, write_cohort

from lab.__main__ import main as lab
from lab.data.cohort import read_cohort
from lab.member_selection import score_cache
from lab.member_selection.candidates import read_pool
from lab.member_selection.combine import equal, weighted
from lab.member_selection.score_cache import EnsembleScores
from lab.member_selection.score_file import ScoreFileError, read_scores
from lab.metrics.scorers import SCORERS

CASES = 3


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Write a cohort and the maps of three candidates."""
    write_cohort(tmp_path / "raw", CASES)
    for name in ("left", "right", "good"):
        write_candidate_of(tmp_path, name, CASES)
    return tmp_path


def scores_of(work: Path, *names: str, scorer: str = "panther") -> EnsembleScores:
    pool = read_pool([work / name for name in names], read_cohort(work / "raw", SCHEME), SCHEME)
    return EnsembleScores(pool, SCORERS[scorer], work / "scores.jsonl")


def count_scored(monkeypatch: pytest.MonkeyPatch, stop_after: int | None = None) -> list[str]:
    """Count the jobs that are run, by case, and interrupt what follows after some."""
    score_case, jobs = score_cache.score_case, []

    def counting(pool, case, *words):
        if len(jobs) == stop_after:
            raise KeyboardInterrupt
        jobs.append(case.files.id)
        return score_case(pool, case, *words)

    monkeypatch.setattr(score_cache, "score_case", counting)
    return jobs


def test_what_was_scored_before_an_interruption_is_not_scored_again(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensembles = [equal(2), weighted((1, 0)), weighted((0, 1))]
    expected = scores_of(work, "left", "right").of(ensembles)
    (work / "scores.jsonl").unlink()
    with monkeypatch.context() as patch:
        count_scored(patch, stop_after=2)
        with pytest.raises(KeyboardInterrupt):
            scores_of(work, "left", "right").of(ensembles)
    again = scores_of(work, "left", "right")
    assert again.file.earlier == 2 * 3
    jobs = count_scored(monkeypatch)
    np.testing.assert_array_equal(again.of(ensembles), expected)
    assert jobs == ["2"]


def test_a_worker_hands_over_its_scores_within_a_time(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_cache, "CHECKPOINT_S", 0.0)
    jobs = count_scored(monkeypatch)
    scores = scores_of(work, "left", "right")
    scores.of([equal(2), weighted((1, 0))])
    assert jobs == ["0", "1", "2"] * 2  # an ensemble at a time
    lines = scores.path.read_text().splitlines()
    assert len(lines) == 1 + 6  # the inputs, and each as soon as it is there


def test_a_candidate_more_or_less_keeps_the_scores_of_the_others(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scores_of(work, "left", "right").of([equal(2)])
    jobs = count_scored(monkeypatch)
    more = scores_of(work, "good", "right", "left")
    np.testing.assert_array_equal(more.of([weighted((0, 2, 2))]), first)
    np.testing.assert_array_equal(scores_of(work, "left", "right").of([equal(2)]), first)
    assert jobs == []


def test_other_inputs_are_named(work: Path) -> None:
    scores_of(work, "left", "right").of([equal(2)])
    scores_of(work, "good", "right").of([equal(2)])

    def refused(message: str, *names: str, scorer: str = "panther") -> None:
        with pytest.raises(ScoreFileError, match=message) as caught:
            scores_of(work, *names, scorer=scorer)
        assert "delete the file, or name another folder by --out" in str(caught.value)

    refused("scorer panther, now panther-as-published", "left", scorer="panther-as-published")
    (work / "left" / "1.npz").write_bytes((work / "right" / "1.npz").read_bytes())
    refused("left's maps of 1 changed", "left", "right")
    scores_of(work, "good", "right")  # left is no part of it
    labels = work / "raw" / "labelsTr"
    (labels / "2.mha").write_bytes((labels / "0.mha").read_bytes())
    refused("references of 2 changed", "good", "right")


def test_lab_select_goes_on_or_says_why_not(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--cohort", str(work / "raw"), "--out", str(work / "out"), "--strategies", "equal"]
    words = ["select", str(work / "left"), str(work / "right"), *flags]
    assert lab(words) == 0
    path = work / "out" / "scores.jsonl"
    assert "goes on" not in capsys.readouterr().out
    assert lab(words) == 0
    # Each by itself, and both: three ensembles.
    assert f"{path}: goes on, 9 scores of an earlier run" in capsys.readouterr().out
    (work / "left" / "0.npz").write_bytes((work / "left" / "1.npz").read_bytes())
    assert lab(words) == 2
    assert "scores of other inputs (left's maps of 0 changed" in capsys.readouterr().err


def test_scores_of_an_older_version_and_what_is_none_are_refused(work: Path) -> None:
    path = work / "scores.jsonl"
    path.write_text('{"fingerprint": "1f", "ensemble": "[1.0]", "rows": [[0.5]]}\n')
    with pytest.raises(ScoreFileError, match="scores of an older version; delete the file"):
        scores_of(work, "left")
    path.write_text("no scores\n")
    with pytest.raises(ScoreFileError, match=r"scores.jsonl: not scores .*; delete the file"):
        scores_of(work, "left")
    path.write_text("")
    assert scores_of(work, "left").file.earlier == 0
    assert read_scores(work / "missing.jsonl") == ({}, {})
