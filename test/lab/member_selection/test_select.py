"""Planted candidates: the complementary pair is chosen, scored held out, and written to ship."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted import HEAD, SCHEME, ball, probability, write_candidate_of, write_cohort

from challenge.scheme import Head
from lab.__main__ import main as lab
from lab.data.cohort import read_cohort
from lab.gate import Gain
from lab.member_selection.candidates import read_pool
from lab.member_selection.combine import equal, weighted
from lab.member_selection.nested_cv import (
    cross_validate,
    open_search,
    parts_of,
)
from lab.member_selection.per_candidate import candidate_scores
from lab.member_selection.probability_maps import (
    MapError,
    read_candidate,
    write_candidate,
    write_map,
)
from lab.member_selection.score_cache import EnsembleScores
from lab.member_selection.score_file import read_scores
from lab.member_selection.strategies import best_single, cost, greedy, simplex
from lab.metrics.objective import OBJECTIVES, cohort_numbers
from lab.metrics.scorers import SCORERS

CASES = 12


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("selection") / "raw", CASES)


def scores_of(work: Path, cohort: Path, *names: str) -> EnsembleScores:
    folders = [write_candidate_of(work, name, CASES) for name in names]
    pool = read_pool(folders, read_cohort(cohort, SCHEME), SCHEME)
    return EnsembleScores(pool, SCORERS["panther"], work / "scores.jsonl")


def test_a_map_is_background_outside_of_its_box(tmp_path: Path) -> None:
    full = np.zeros((3, 6, 7, 8), np.float32)
    full[0], full[1, 2, 3, 4], full[0, 2, 3, 4] = 1, 0.75, 0.25
    write_map(tmp_path / "a.npz", full, HEAD)
    write_candidate_of(tmp_path, "good", 1)
    stored = read_candidate(tmp_path / "good").read("0")
    assert stored.shape == (24, 24, 24)
    (tmp_path / "a.npz").rename(tmp_path / "good" / "0.npz")
    stored = read_candidate(tmp_path / "good").read("0")
    assert stored.box == (slice(2, 3), slice(3, 4), slice(4, 5))
    everything = (slice(0, 6), slice(0, 7), slice(0, 8))
    np.testing.assert_array_equal(stored.within(everything, HEAD), full)


@pytest.mark.parametrize("objective", ["overlap", "rank"])
def test_greedy_and_simplex_choose_the_complementary_pair(
    tmp_path: Path, cohort: Path, objective: str
) -> None:
    scores = scores_of(tmp_path, cohort, "blind", "left", "right", "blind-too")
    search = open_search(scores, objective)
    assert best_single(search).members in ((1,), (2,))
    assert greedy(search).members == (1, 2)
    assert simplex(search).members == (1, 2)
    pair, all_four = scores.of([weighted((0, 1, 1, 0)), equal(4)])
    assert pair[:, 0].min() == 1.0  # Dice of every case
    assert all_four[:, 0].mean() < 0.7


def test_the_pair_ships_and_its_gain_is_of_held_out_cases(tmp_path: Path, cohort: Path) -> None:
    scores = scores_of(tmp_path, cohort, "blind", "left", "right", "blind-too")
    compared = cross_validate(open_search(scores, "overlap"), ["greedy", "best-single"])
    assert compared.ships == "greedy"
    result = compared.results["greedy"]
    assert result.in_sample_gain == pytest.approx(result.gain.total.mean)
    assert all(ensemble.members == (1, 2) for ensemble in result.fold_ensembles)
    assert result.gain.total.low > 0.05
    assert result.gain.failures == ()
    assert result.objective_value == pytest.approx(1.0)
    assert compared.results["equal"].gain.total == Gain(0.0, 0.0, 0.0, 1.0, CASES)


def test_equal_weights_ship_where_nothing_is_better(tmp_path: Path, cohort: Path) -> None:
    scores = scores_of(tmp_path, cohort, "good", "good-too", "good-as-well")
    search = open_search(scores, "overlap")
    compared = cross_validate(search, ["greedy", "simplex", "best-single"])
    assert compared.ships == "equal"
    # A choice scores at least as well on the cases it was made on as on others.
    greedy_result = compared.results["greedy"]
    assert greedy_result.in_sample_gain >= greedy_result.gain.total.mean


@pytest.mark.parametrize("objective", ["overlap", "rank"])
def test_four_cases_ship_nothing_however_large_the_gain(
    tmp_path: Path, cohort: Path, objective: str
) -> None:
    """The complementary pair is right in every voxel of every case, and yet four are too few."""
    names = ("blind", "left", "right", "blind-too")
    folders = [write_candidate_of(tmp_path, name, 4) for name in names]
    cases = [case for case in read_cohort(cohort, SCHEME) if int(case.files.id) < 4]
    pool = read_pool(folders, cases, SCHEME)
    scores = EnsembleScores(pool, SCORERS["panther"], tmp_path / "scores.jsonl")
    compared = cross_validate(open_search(scores, objective), ["greedy"])
    gain = compared.results["greedy"].gain
    assert gain.total.low > 0
    assert gain.failures == (
        "4 cases are too few, p below 0.05 needs at least 6",
        "p = 0.125 is not below 0.05",
    )
    assert compared.ships == "equal"


def test_what_ships_and_which_condition_failed_is_said(
    tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(write_candidate_of(tmp_path, n, CASES)) for n in ("left", "right", "good")]
    flags = ["--cohort", str(cohort), "--out", str(tmp_path / "out"), "--objective", "overlap"]
    assert lab(["select", *folders, *flags, "--strategies", "best-single"]) == 0
    reason = json.loads((tmp_path / "out" / "selection.json").read_text())["reason"]
    assert len(reason) == 2
    assert reason[0] == "equal weights ship: no other strategy's gain passes"
    assert reason[1].startswith("best-single: gain -0.")
    assert reason[1].endswith(" mean overlap is not above zero")
    printed = capsys.readouterr().out
    assert "\n".join(reason) in printed
    assert "gain: over equal weights, where both have a number; 95 % intervals" in printed
    assert lab(["select", *folders, *flags, "--strategies", "equal", "--most-members", "2"]) == 0
    reason = json.loads((tmp_path / "out" / "selection.json").read_text())["reason"]
    assert reason == [
        "the best single candidate ships: no other strategy's gain passes",
        "equal: exceeds --most-members or --most-seconds",
    ]


def test_limits_of_cost_hold(tmp_path: Path, cohort: Path) -> None:
    scores = scores_of(tmp_path, cohort, "left", "right")
    search = open_search(scores, "overlap")
    assert cost(greedy(search), scores) == (4, 8.0)  # two folds each, 2 s a case each
    assert cost(greedy(replace(search, max_members=2)), scores) == (2, 4.0)
    assert cost(greedy(replace(search, max_seconds=5.0)), scores) == (2, 4.0)
    for strategy in (greedy, best_single):
        with pytest.raises(ValueError, match="exceeds --most-members"):
            strategy(replace(search, max_members=1))


def test_equal_weights_beyond_the_limits_of_cost_never_ship(tmp_path: Path, cohort: Path) -> None:
    scores = scores_of(tmp_path, cohort, "left", "right")
    search = replace(open_search(scores, "overlap"), max_members=2)
    compared = cross_validate(search, ["greedy"])
    assert compared.baseline == "best-single"
    assert list(compared.results) == ["equal", "best-single", "greedy"]
    both = compared.results["equal"].gain
    assert both.total.low > 0.05  # right in every voxel, but of four networks
    assert both.failures == ("exceeds --most-members or --most-seconds",)
    assert compared.ships == "best-single"


def test_scores_are_stored_and_read_again(tmp_path: Path, cohort: Path) -> None:
    scores = scores_of(tmp_path, cohort, "left", "right")
    first = scores.of([equal(2), weighted((2, 2)), weighted((1, 0))])
    np.testing.assert_array_equal(first[0], first[1])  # the same shares are the same ensemble
    _, rows = read_scores(scores.path)
    assert [len(of_case) for of_case in rows.values()] == [2] * CASES
    with scores.path.open("a") as stream:
        stream.write('{"case": "0", "scores": {"cut sho')
    again = EnsembleScores(scores.pool, scores.scorer, scores.path)
    assert again.file.earlier == 2 * CASES
    assert scores.path.read_text().endswith("\n")  # what comes next starts a line of its own
    with monkeypatched_scores():
        np.testing.assert_array_equal(again.of([weighted((1, 0))]), first[2:])


@contextmanager
def monkeypatched_scores() -> Iterator[None]:
    """Let nothing be scored."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.member_selection.score_cache.score_case", None)
        yield


def test_leaderboard_numbers_by_hand() -> None:
    columns = (("tumour", "dice"), ("tumour", "hd95"), ("tumour", "volume_error_mm3"))
    table = np.array([[[0.5, 2.0, 3.0], [1.0, 4.0, -4.0]], [[0.9, 5.0, 0.0], [0.8, 5.0, 1.0]]])
    numbers = cohort_numbers(table, columns, np.ones(2))
    np.testing.assert_allclose(numbers, [[0.75, -3.0, -(12.5**0.5)], [0.85, -5.0, -(0.5**0.5)]])
    # positions: (2, 1, 2) and (1, 2, 1)
    np.testing.assert_allclose(OBJECTIVES["rank"](table, columns, np.ones(2)), [-5 / 3, -4 / 3])
    np.testing.assert_allclose(
        OBJECTIVES["overlap"](table, columns, np.array([1.0, 0])), [0.5, 0.9]
    )


def test_a_candidates_row_is_what_the_scorer_says_of_it(tmp_path: Path, cohort: Path) -> None:
    """By hand: the candidate's mask, case by case, scored without any of the selection's code."""
    scores = scores_of(tmp_path, cohort, "left", "small")
    rows = {(row.candidate, row.metric): row for row in candidate_scores(scores)}
    for name in ("left", "small"):
        dice, errors = [], []
        for number in range(CASES):
            truth, predicted = ball(number), probability(name, number) * 0.98 > 0.5
            dice.append(2 * (truth & predicted).sum() / (truth.sum() + predicted.sum()))
            errors.append((int(predicted.sum()) - int(truth.sum())) * 6.75)
        assert rows[name, "dice"].value == pytest.approx(np.mean(dice))
        rmse = float(np.sqrt(np.mean(np.square(errors))))
        assert rows[name, "volume_error_mm3"].value == pytest.approx(rmse)
    gap = rows["small", "dice"].value - rows["left", "dice"].value
    assert rows["small", "dice"].over_first == pytest.approx(gap)
    assert rows["left", "dice"].over_first_interval == (0.0, 0.0)
    low, high = rows["small", "hd95"].over_first_interval
    assert low < rows["small", "hd95"].over_first < high < 0  # nearer to the boundary: fewer mm


def test_every_case_is_held_out_once() -> None:
    parts = parts_of(13)
    np.testing.assert_array_equal(np.sum(parts, 0), np.ones(13))


def test_bad_candidates_are_refused_by_name_before_any_scoring(
    tmp_path: Path, cohort: Path
) -> None:
    cases = read_cohort(cohort, SCHEME)
    good = write_candidate_of(tmp_path, "good", CASES)

    def refused(message: str, *folders: Path) -> None:
        with pytest.raises(MapError, match=message):
            read_pool(folders or (bad,), cases, SCHEME)

    refused("distinct names: good, good", good, good)
    bad = write_candidate_of(tmp_path / "a", "few", CASES - 2)
    refused("few: 2 cases unpredicted: 10, 11")
    bad = write_candidate_of(tmp_path / "a", "damaged", CASES)
    (bad / "3.npz").write_bytes(b"PK")
    refused("damaged/3.npz: cannot be read as a map")
    maps = np.full((3, 24, 24, 24), np.nan, np.float32)
    write_map(bad / "3.npz", np.nan_to_num(maps, nan=0.5), HEAD)
    content = dict(np.load(bad / "3.npz"))
    np.savez(bad / "3.npz", **(content | {"probabilities": maps.astype(np.float16)}))
    refused("damaged/3.npz: NaN or infinite")
    write_map(bad / "3.npz", np.full((3, 9, 24, 24), 0.3, np.float32), HEAD)
    refused(r"damaged/3.npz: of size \(9, 24, 24\), the reference is \(24, 24, 24\)")
    bad = write_candidate_of(tmp_path / "a", "no-foreground", CASES)
    for number in range(CASES):
        write_map(bad / f"{number}.npz", np.zeros((3, 24, 24, 24), np.float32), HEAD)
    refused("no-foreground: nothing but background in every case")
    bad = write_candidate_of(tmp_path / "a", "regions", CASES)
    other = Head("softmax", ((), ("tumour",)), ("", "tumour"))
    write_candidate(replace(read_candidate(bad), head=other))
    refused("no common labels", good, bad)
    (bad / "candidate.json").write_text('{"schema": 9}')
    refused("schema 9, this program reads 2")


def test_from_maps_to_a_table_a_figure_and_a_selection(
    tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("blind", "left", "right", "blind-too")
    folders = [str(write_candidate_of(tmp_path, name, CASES)) for name in names]
    flags = ["--cohort", str(cohort), "--out", str(tmp_path / "work"), "--objective", "overlap"]
    assert lab(["select", *folders, *flags, "--strategies", "greedy", "equal", "simplex"]) == 0
    printed = capsys.readouterr().out
    assert "ships" in printed
    assert "0.500 left (chosen in 5 of 5 parts)" in printed
    selection = json.loads((tmp_path / "work" / "selection.json").read_text())
    assert selection["weights"] == {"left": 0.5, "right": 0.5}
    assert selection["confidence"] == 0.975  # each of two intervals, so that both hold with 95 %
    assert list(selection["strategies"]) == ["equal", "greedy", "simplex"]
    assert [point["members"] for point in selection["cost_curve"]] == [2, 4]
    for name in ("cost_curve.png", "candidates.png"):
        assert (tmp_path / "work" / name).stat().st_size > 10_000
    assert "tumour volume_error_mm3, root mean square" in printed
    quick = [*flags[:2], "--out", str(tmp_path / "quick"), "--strategies", "best-single"]
    assert lab(["select", *folders, *quick]) == 0
    assert json.loads((tmp_path / "quick" / "selection.json").read_text())["cost_curve"] == []
    assert not (tmp_path / "quick" / "cost_curve.png").exists()
    _, rows = read_scores(tmp_path / "quick" / "scores.jsonl")
    assert len(rows["0"]) == len(folders) + 1  # each by itself, and equal weights
    capsys.readouterr()
    assert lab(["select", folders[0], folders[0], *flags]) == 2
    assert "distinct names" in capsys.readouterr().err
