"""Planted candidates: the pair that complements each other is found, judged, shipped and packed."""

import json
from pathlib import Path

import numpy as np
import pytest
from planted import HEAD, SCHEME, ball, probability, write_candidate_of, write_cohort

from lab.__main__ import main as lab
from lab.data.cohort import read_cohort
from lab.member_selection.candidates import read_pool
from lab.member_selection.combine import equal, weighted
from lab.member_selection.nested_cv import decide, judge, open_search, parts_of
from lab.member_selection.per_candidate import alone
from lab.member_selection.probability_maps import (
    MapError,
    read_candidate,
    write_candidate,
    write_map,
)
from lab.member_selection.score_cache import Scores
from lab.member_selection.strategies import best_single, bias, by_volume, cost, greedy, simplex
from lab.metrics.objective import OBJECTIVES, cohort_numbers
from lab.metrics.scorers import SCORERS

CASES = 12


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("selection") / "raw", CASES)


def scores_of(work: Path, cohort: Path, *names: str) -> Scores:
    folders = [write_candidate_of(work, name, CASES) for name in names]
    pool = read_pool(folders, read_cohort(cohort, SCHEME), SCHEME)
    return Scores(pool, SCORERS["panther"], work / "scores.jsonl")


def test_what_a_map_drops_is_background(tmp_path: Path) -> None:
    full = np.zeros((3, 6, 7, 8), np.float32)
    full[0], full[1, 2, 3, 4], full[0, 2, 3, 4] = 1, 0.75, 0.25
    write_map(tmp_path / "a.npz", full, HEAD)
    write_candidate_of(tmp_path, "good", 1)
    own = read_candidate(tmp_path / "good").read("0")
    assert own.shape == (24, 24, 24)
    (tmp_path / "a.npz").rename(tmp_path / "good" / "0.npz")
    own = read_candidate(tmp_path / "good").read("0")
    assert own.box == (slice(2, 3), slice(3, 4), slice(4, 5))
    everything = (slice(0, 6), slice(0, 7), slice(0, 8))
    np.testing.assert_array_equal(own.within(everything, HEAD), full)


@pytest.mark.parametrize("objective", ["overlap", "rank"])
def test_greedy_finds_the_pair_that_completes_each_other(
    tmp_path: Path, cohort: Path, objective: str
) -> None:
    scores = scores_of(tmp_path, cohort, "blind", "left", "right", "blind-too")
    search = open_search(scores, OBJECTIVES[objective])
    assert best_single(search).chosen in ((1,), (2,))
    assert greedy(search).chosen == (1, 2)
    assert simplex(search).chosen == (1, 2)
    pair, alike = scores.of([weighted((0, 1, 1, 0)), equal(4)])
    assert pair[:, 0].min() == 1.0  # Dice of every case
    assert alike[:, 0].mean() < 0.7


def test_the_pair_ships_and_its_gain_is_judged_on_cases_that_chose_nothing(
    tmp_path: Path, cohort: Path
) -> None:
    scores = scores_of(tmp_path, cohort, "blind", "left", "right", "blind-too")
    judged = judge(
        open_search(scores, OBJECTIVES["overlap"]), ["greedy", "best-single", "majority"]
    )
    assert decide(judged) == "greedy"
    greedy_way = judged["greedy"]
    assert greedy_way.gain_seen == pytest.approx(greedy_way.gain[0])
    assert all(system.chosen == (1, 2) for system in greedy_way.fold_systems)
    assert greedy_way.gain[1] > 0.05
    assert greedy_way.merit == pytest.approx(1.0)
    assert judged["equal"].gain == (0.0, 0.0, 0.0)


def test_equal_weights_ship_where_nothing_is_better(tmp_path: Path, cohort: Path) -> None:
    scores = scores_of(tmp_path, cohort, "good", "good-too", "good-as-well")
    judged = judge(open_search(scores, OBJECTIVES["overlap"]), ["greedy", "simplex", "best-single"])
    assert decide(judged) == "equal"
    # What was chosen looks at least as good on the cases that chose it as on others.
    assert judged["greedy"].gain_seen >= judged["greedy"].gain[0]


def test_volumes_that_are_too_small_are_answered_by_a_bias(tmp_path: Path, cohort: Path) -> None:
    scores = scores_of(tmp_path, cohort, "small")
    found = bias(open_search(scores, OBJECTIVES["rank"]))
    assert found.bias > 1
    before, after = scores.of([equal(1), found])
    error = [column for _, column in scores.columns].index("volume_error_mm3")
    assert np.abs(after[:, error]).mean() < np.abs(before[:, error]).mean() / 2


def test_small_and_large_tumours_may_have_their_own_members(tmp_path: Path, cohort: Path) -> None:
    """Of two specialists each sees only one half of the tumours."""
    scores = scores_of(tmp_path, cohort, "only-small", "only-large")
    volumes = scores.volumes_mm3()
    voxels = [ball(int(case.files.id)).sum() for case in scores.pool.cases]
    np.testing.assert_allclose(volumes, np.multiply(voxels, 6.75))
    found = by_volume(open_search(scores, OBJECTIVES["overlap"]))
    assert found.below is not None
    assert found.below[0] == pytest.approx(np.median(volumes))
    assert (found.below[1].chosen, found.chosen) == ((0,), (1,))
    dice = [column for _, column in scores.columns].index("dice")
    assert scores.of([found])[0, :, dice].min() == 1.0
    assert scores.of([weighted((1, 0))])[0, :, dice].min() < 0.9


def test_cost_limits_are_kept(tmp_path: Path, cohort: Path) -> None:
    from dataclasses import replace

    scores = scores_of(tmp_path, cohort, "left", "right")
    search = open_search(scores, OBJECTIVES["overlap"])
    assert cost(greedy(search), scores) == (4, 8.0)  # two folds each, 2 s a case each
    assert cost(greedy(replace(search, most_members=2)), scores) == (2, 4.0)
    assert cost(greedy(replace(search, most_s=5.0)), scores) == (2, 4.0)
    with pytest.raises(ValueError, match="as little as may be spent"):
        greedy(replace(search, most_members=1))


def test_scores_are_kept_and_read_again(tmp_path: Path, cohort: Path) -> None:
    scores = scores_of(tmp_path, cohort, "left", "right")
    first = scores.of([equal(2), weighted((2, 2)), weighted((1, 0))])
    np.testing.assert_array_equal(first[0], first[1])  # the same shares are the same system
    lines = scores.path.read_text().splitlines()
    assert len(lines) == 2
    scores.path.write_text("\n".join(lines) + '\n{"about": "cut sho')
    again = Scores(scores.pool, scores.scorer, scores.path)
    again.pool = None  # nothing can be computed any more
    np.testing.assert_array_equal(again.of([weighted((1, 0))]), first[2:])


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


def test_each_alone_is_what_the_scorer_says_of_it(tmp_path: Path, cohort: Path) -> None:
    """By hand: the candidate's mask, case by case, scored without any of the selection's code."""
    scores = scores_of(tmp_path, cohort, "left", "small")
    rows = {(row.candidate, row.metric): row for row in alone(scores)}
    for name in ("left", "small"):
        dice, errors = [], []
        for number in range(CASES):
            truth, found = ball(number), probability(name, number) * 0.98 > 0.5
            dice.append(2 * (truth & found).sum() / (truth.sum() + found.sum()))
            errors.append((int(found.sum()) - int(truth.sum())) * 6.75)
        assert rows[name, "dice"].value == pytest.approx(np.mean(dice))
        rmse = float(np.sqrt(np.mean(np.square(errors))))
        assert rows[name, "volume_error_mm3"].value == pytest.approx(rmse)
    gap = rows["small", "dice"].value - rows["left", "dice"].value
    assert rows["small", "dice"].over_first == pytest.approx(gap)
    assert rows["left", "dice"].over_first_interval == (0.0, 0.0)
    low, high = rows["small", "hd95"].over_first_interval
    assert low < rows["small", "hd95"].over_first < high < 0  # nearer to the boundary: fewer mm


def test_every_case_judges_once() -> None:
    parts = parts_of(13)
    np.testing.assert_array_equal(np.sum(parts, 0), np.ones(13))


def test_bad_candidates_are_named_before_hours_are_spent(tmp_path: Path, cohort: Path) -> None:
    cases = read_cohort(cohort, SCHEME)
    good = write_candidate_of(tmp_path, "good", CASES)

    def refused(told: str, *folders: Path) -> None:
        with pytest.raises(MapError, match=told):
            read_pool(folders or (bad,), cases, SCHEME)

    refused("names of their own: good, good", good, good)
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
    bad = write_candidate_of(tmp_path / "a", "sightless", CASES)
    for number in range(CASES):
        write_map(bad / f"{number}.npz", np.zeros((3, 24, 24, 24), np.float32), HEAD)
    refused("sightless: nothing but background in every case")
    bad = write_candidate_of(tmp_path / "a", "regions", CASES)
    from dataclasses import replace

    from challenge.scheme import Head

    other = Head("softmax", ((), ("tumour",)), ("", "tumour"))
    write_candidate(replace(read_candidate(bad), head=other))
    refused("no common labels", good, bad)
    (bad / "candidate.json").write_text('{"schema": 9}')
    refused("schema 9, this program reads 1")


def test_from_maps_to_a_table_a_figure_and_a_selection(
    tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("blind", "left", "right", "blind-too")
    folders = [str(write_candidate_of(tmp_path, name, CASES)) for name in names]
    flags = ["--cohort", str(cohort), "--out", str(tmp_path / "work"), "--objective", "overlap"]
    assert lab(["select", *folders, *flags, "--ways", "greedy", "equal", "staple"]) == 0
    told = capsys.readouterr().out
    assert "ships" in told
    assert "0.500 left (chosen in 5 of 5 parts)" in told
    selection = json.loads((tmp_path / "work" / "selection.json").read_text())
    assert selection["weights"] == {"left": 0.5, "right": 0.5}
    assert selection["ways"]["staple"]["ships"] is False
    assert [point["members"] for point in selection["front"]] == [2, 4]
    for name in ("front.png", "candidates.png"):
        assert (tmp_path / "work" / name).stat().st_size > 10_000
    assert "tumour volume_error_mm3, root mean square" in told
    quick = [*flags[:2], "--out", str(tmp_path / "quick"), "--ways", "best-single"]
    assert lab(["select", *folders, *quick]) == 0
    assert json.loads((tmp_path / "quick" / "selection.json").read_text())["front"] == []
    assert not (tmp_path / "quick" / "front.png").exists()
    kept = (tmp_path / "quick" / "scores.jsonl").read_text().splitlines()
    assert len(kept) == len(folders) + 1  # each alone, and all alike
    capsys.readouterr()
    assert lab(["select", folders[0], folders[0], *flags]) == 2
    assert "names of their own" in capsys.readouterr().err
