"""Groups of cases: each is ranked alone, and a small one gets no verdict."""

import json
from pathlib import Path

import pytest

from lab.__main__ import main
from lab.evaluation.case_groups import Grouping
from lab.evaluation.columns import RequestedColumns
from lab.evaluation.comparison import Comparison, comparison_of
from lab.evaluation.pair import Sampling
from lab.evaluation.results import Results, write_json
from lab.evaluation.seed_floor import SeedFloor
from lab.evaluation.standings import Rule
from lab.evaluation.subgroups import FEWEST_CASES, Subgroup, rank_subgroups, take_cases

SAMPLING = Sampling(500, 2000, 0, 10)


def scored(values: list[float]) -> Results:
    return Results("2025-ssa", {f"c{i:02}": {"WT": {"dice": v}} for i, v in enumerate(values)})


def comparison(**systems: list[float]) -> Comparison:
    results = [scored(values) for values in systems.values()]
    return comparison_of({name: Path(name) for name in systems}, results, RequestedColumns())


# b is 0.1 better in the first ten cases, and 0.1 worse in the four that follow.
TWO = comparison(
    a=[0.5 + 0.01 * i for i in range(14)], b=[0.6 + 0.01 * i for i in range(10)] + [0.5] * 4
)
SITES = Grouping("site", {"Ulm": tuple(range(10)), "Bern": tuple(range(10, 14))}, ())


def groups(floors: dict | None = None) -> tuple[Subgroup, ...]:
    return rank_subgroups(TWO, [SITES], Rule(), SAMPLING, floors or {})


def test_each_group_has_its_ranking_and_gain():
    ulm, bern = groups()
    assert (ulm.name, ulm.cases, bern.cases) == ("Ulm", 10, 4)
    assert ulm.standings.place.tolist() == [2, 1]
    assert bern.standings.place.tolist() == [1, 2]
    assert ulm.standings.mean_score == pytest.approx([0.545, 0.645])
    assert ulm.gains[0].gain == pytest.approx(0.1)
    # Two of 2^10 patterns of signs are as far from zero; the only test of the table.
    assert ulm.gains[0].p == ulm.gains[0].p_holm == 2 / 1024
    assert ulm.gains[0].verdict == "better"


def test_agreement_with_the_ranking_of_all_cases():
    """b leads among all: mean rank (10 + 8) / 14 against (20 + 4) / 14."""
    assert [group.tau for group in groups()] == [1, -1]


def test_a_small_group_gets_no_verdict():
    bern = groups()[1]
    assert bern.cases < FEWEST_CASES == 6
    assert bern.gains[0].gain == pytest.approx(-0.115)
    assert bern.gains[0].verdict == "too few cases"
    assert bern.gains[0].p_holm != bern.gains[0].p_holm  # NaN: no part of the family


def test_one_case_is_not_ranked():
    one = Grouping("site", {"Ulm": (0,), "Bern": (1, 2)}, ())
    ulm, bern = rank_subgroups(TWO, [one], Rule(), SAMPLING, {})
    assert ulm.standings is None
    assert ulm.gains == ()
    assert bern.standings is not None


def test_holm_is_over_all_groups_and_systems():
    halves = Grouping("half", {"1": tuple(range(7)), "2": tuple(range(7, 14))}, ())
    first, second = rank_subgroups(TWO, [halves], Rule(), SAMPLING, {})
    # Seven gains of 0.1: p = 2/128, the smaller of two.
    assert first.gains[0].p_holm == pytest.approx(2 * first.gains[0].p)
    assert second.gains[0].verdict == "not shown"


def test_a_gain_within_the_seeds_is_marked():
    floors = {"mean score": SeedFloor("mean score", 0.11, 2, 14)}
    ulm, bern = groups(floors)
    assert ulm.gains[0].below_floor
    assert not bern.gains[0].below_floor


def test_some_cases_of_a_comparison_have_no_numbers_of_the_whole_cohort():
    part = take_cases(TWO, [3, 1])
    assert part.cases == ("c03", "c01")
    assert part.values[:, 0, 0].tolist() == pytest.approx([0.53, 0.51])
    assert part.totals == {}


def test_the_verb_prints_and_writes_groups(tmp_path, capsys):
    a, b = [0.5] * 10 + [0.9] * 4, [0.6] * 10 + [0.8] * 4
    for name, values in (("a", a), ("b", b)):
        write_json(scored(values), tmp_path / f"{name}.json")
    rows = [f"c{i:02},{'Ulm' if i < 10 else 'Bern'}" for i in range(13)]
    (tmp_path / "groups.csv").write_text("\n".join(["case,site", *rows]))
    arguments = [str(tmp_path / name) for name in ("a.json", "b.json")]
    out = tmp_path / "out.json"
    options = ["--groups", str(tmp_path / "groups.csv"), "--out", str(out)]
    assert main(["rank", *arguments, *options]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "By site: 2 groups; 1 case is in no group, the table has nothing for c13." in said
    assert "Bern 1 A a" in said
    assert "too few cases" in said
    content = json.loads(out.read_text())
    assert content["groups"]["site"]["groups"]["Bern"] == ["c10", "c11", "c12"]
    assert content["groups"]["site"]["without"] == ["c13"]
    bern, ulm = content["subgroups"]
    assert bern["ranking"]["place"] == {"a": 1, "b": 2}
    assert ulm["gains"][0]["verdict"] == "better"
    assert ulm["ranking"]["means"][0]["mean"] == pytest.approx({"a": 0.5, "b": 0.6})


def test_a_table_of_other_cases_is_refused(tmp_path, capsys):
    for name in "ab":
        write_json(scored([0.5, 0.6]), tmp_path / f"{name}.json")
    (tmp_path / "groups.csv").write_text("case,site\nx,Ulm\n")
    paths = [str(tmp_path / name) for name in ("a.json", "b.json")]
    assert main(["rank", *paths, "--groups", str(tmp_path / "groups.csv")]) == 2
    assert "groups.csv: no row of any scored case (c00, c01)" in capsys.readouterr().err
