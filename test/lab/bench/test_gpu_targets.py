"""Each target of `bench gpu` is met, missed or not measured, by the rows that it reads."""

import pytest

from lab.bench.gpu_part import Row
from lab.bench.gpu_targets import TARGETS, judge, last_line


def made_up_rows() -> dict[str, list[Row]]:
    """Numbers that meet every target, by hand."""
    times = {"stock_ratio": 3.2, "share_of_peak": 0.41, "warm_s": 4.9}
    limits = {"equal_share": 0.9990, "ladder_steps": 2}
    deadline = {"is_valid": True, "steps_skipped": 1, "late_s": 0.0}
    return {
        "agreement": [
            {"what": "1 fold", "equal_share": 0.99995},
            {"what": "3 folds", "equal_share": 0.9996},
        ],
        "times": [{"what": f"{name}, Podium", **times} for name in ("glioma", "ResEnc-L")],
        "limits": [{"what": f"{gb} GB", **limits} for gb in (24, 16)],
        "deadline": [{"what": "a deadline", **deadline}],
    }


def test_numbers_that_reach_every_target_meet_them_all() -> None:
    assert all(target["is_met"] for target in judge(made_up_rows()))
    assert last_line(made_up_rows()).startswith(f"targets: {len(TARGETS)} of {len(TARGETS)} met;")


@pytest.mark.parametrize(
    ("part", "row", "key", "value"),
    [
        ("agreement", 0, "equal_share", 0.99985),
        ("agreement", 1, "equal_share", 0.9994),
        ("times", 0, "stock_ratio", 2.99),
        ("times", 1, "share_of_peak", 0.39),
        ("times", 0, "warm_s", 5.0),
        ("limits", 0, "equal_share", 0.98),
        ("limits", 1, "ladder_steps", 0),
        ("deadline", 0, "steps_skipped", 0),
        ("deadline", 0, "is_valid", False),
        ("deadline", 0, "late_s", 0.1),
    ],
)
def test_a_number_beyond_its_bound_misses_no_other_target(
    part: str, row: int, key: str, value: float
) -> None:
    rows = made_up_rows()
    rows[part][row][key] = value
    missed = [t for t in judge(rows) if t["is_met"] is False]
    assert [(t["part"], t["key"], t["value"]) for t in missed] == [(part, key, value)]
    assert f"missed: {missed[0]['name']}" in last_line(rows)


def test_a_run_that_failed_misses_its_targets() -> None:
    rows = made_up_rows()
    rows["limits"][1] = {"what": "16 GB", "error": "CUDA out of memory"}
    missed = [t["name"] for t in judge(rows) if t["is_met"] is False]
    assert missed == ["labels within 16 GB", "ladder's steps within 16 GB"]
    line = next(t for t in TARGETS if t.what == "16 GB").line(rows)
    assert line == "  target at least 99.00 %  labels within 16 GB: failed, missed"


def test_what_there_was_no_time_for_is_neither_met_nor_missed() -> None:
    rows = made_up_rows()
    rows["deadline"] = [{"what": "a deadline", "error": "not run: the 9 s of this part were over"}]
    verdicts = {t["name"]: t["is_met"] for t in judge(rows) if t["part"] == "deadline"}
    assert set(verdicts.values()) == {None}
    assert "not measured: steps skipped at a deadline" in last_line(rows)


def test_the_last_limit_that_was_tried_counts() -> None:
    rows = made_up_rows()
    tries = [
        {"what": "a deadline", "is_valid": True, "late_s": 0.0, "steps_skipped": n} for n in (0, 2)
    ]
    rows["deadline"] = tries
    assert all(target["is_met"] for target in judge(rows) if target["part"] == "deadline")


def test_a_target_stands_beside_its_value() -> None:
    line = next(t for t in TARGETS if t.key == "warm_s").line(made_up_rows())
    assert line == "  target under 5.00 s      glioma, warm case: 4.90 s, met"
