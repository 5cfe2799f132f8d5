"""A table of groups: which cases are together, and which have none."""

import pytest

from lab.evaluation.case_groups import GroupError, read_groupings

CASES = tuple("abcdef")


def table(tmp_path, text: str):
    path = tmp_path / "groups.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_column_groups_by_its_values_and_names_who_has_none(mark, tmp_path):
    text = "case,site,year\na,Ulm,2024\nb,Bern,\nc,Ulm,2023\nd,Bern,2024\nother,Ulm,2024\n"
    (site, year), left_out = read_groupings(table(tmp_path, text.replace(",", mark)), CASES)
    assert left_out == ()
    assert (site.column, year.column) == ("site", "year")
    assert site.groups == {"Bern": (1, 3), "Ulm": (0, 2)}
    assert site.without == ("e", "f")
    assert list(year.groups.items()) == [("2023", (2,)), ("2024", (0, 3))]
    assert year.without == ("b", "e", "f")


def test_many_numbers_are_cut_in_thirds(tmp_path):
    cases = tuple(f"c{i}" for i in range(9))
    rows = "".join(f"{id},{i + 1}\n" for i, id in enumerate(cases))
    (size,), _ = read_groupings(table(tmp_path, f"case,size\n{rows}"), cases)
    assert size.in_thirds
    assert list(size.groups.values()) == [(0, 1, 2), (3, 4, 5), (6, 7, 8)]
    assert next(iter(size.groups)).startswith("<= ")


def test_a_column_without_groups_is_no_grouping(tmp_path):
    """Names of patients are no groups beside a site that is one."""
    text = "case,patient,site\n" + "".join(f"{id},name {id},Ulm\n" for id in CASES)
    groupings, left_out = read_groupings(table(tmp_path, text), CASES)
    assert [grouping.column for grouping in groupings] == ["site"]
    assert left_out == (f"{tmp_path}/groups.csv: no two cases share a value in patient, left out",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no table of a case id and at least one column more"),
        ("case\na\n", "no table of a case id and at least one column more"),
        ("case,site\na,Ulm\na,Bern\n", "a stands in two rows"),
        ("case,site\nx,Ulm\ny,Ulm\n", r"no row of any scored case \(a, b.*column case has x, y"),
        ("case,site\na,Ulm\nb,Bern\n", "no two cases share a value in site"),
        ("case,site\na,Ulm,3\n", "a has 3 cells, the header 2"),
    ],
)
def test_what_groups_nothing_is_refused_by_name(text, message, tmp_path):
    with pytest.raises(GroupError, match=rf"groups.csv: {message}"):
        read_groupings(table(tmp_path, text), CASES)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(GroupError, match=r"none\.csv: no table of groups"):
        read_groupings(tmp_path / "none.csv", CASES)
