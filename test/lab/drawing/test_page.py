"""Numbers have one format on every page, and text from files cannot change a table."""

from lab.drawing.page import bins, interval, markdown_cell, number, signed


def test_markdown_cells_cannot_break_out_of_their_table():
    assert str(markdown_cell("a|b\n![x](y) `c` <b>")) == r"a\|b !\[x\](y) \`c\` &lt;b&gt;"


def test_numbers_are_formatted_alike_everywhere():
    assert [number(v) for v in (0.12345, None, float("nan"), float("inf"), -0.0001)] == [
        "0.123",
        "-",
        "n/a",
        "∞",
        "0.000",
    ]
    assert (number(1234567.8, "mm3"), number(3.14159, "mm")) == ("1\u202f234\u202f568", "3.14")
    assert [signed(v) for v in (0.5, -0.5, 0.0)] == ["+0.500", "−0.500", "0.000"]
    assert interval({"low": float("nan"), "high": 1.0}) == "no interval"
    assert bins([0, 10, 50, float("inf")]) == ["≤ 10", "10–50", "> 50"]
