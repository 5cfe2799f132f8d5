"""What a search prints about itself."""

from dataclasses import replace

import pytest

from challenge.scheme import SCHEMES
from lab.metrics.objective import selection_columns
from lab.metrics.scorers import SCORERS
from lab.metrics.search_columns import search_columns
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.summary import gate_lines, objective_line

VALIDATED = SEARCH_CONFIGS["validated"]

PANTHER = "dice, surface_dice_5mm, hd95, masd"


@pytest.mark.parametrize(
    ("scorer", "scheme", "objective", "line"),
    [
        ("2025-gli", "brats-gli", "overlap", "dice, nsd_0.5, nsd_1.0; not optimised: hd95"),
        ("2025-gli", "brats-gli", "dice", "dice; not optimised: nsd_0.5, nsd_1.0, hd95"),
        ("2024-gli", "brats-gli", "overlap", "dice; not optimised: hd95"),
        ("2024-gli", "brats-gli", "rank", "dice, hd95"),
        (
            "panther",
            "panther-t1",
            "volume",
            f"volume_error_mm3; not optimised: {PANTHER}",
        ),
        (
            "panther",
            "panther-t1",
            "positions",
            f"{PANTHER}, volume_error_mm3",
        ),
        (
            "panther",
            "panther-t1",
            "overlap",
            "dice, surface_dice_5mm; not optimised: hd95, masd, volume_error_mm3",
        ),
    ],
)
def test_an_objective_names_what_it_counts_and_what_it_leaves_out(
    scorer: str, scheme: str, objective: str, line: str
) -> None:
    columns = search_columns(SCORERS[scorer], SCHEMES[scheme], objective)
    leaderboard = selection_columns(SCORERS[scorer], SCHEMES[scheme])
    assert objective_line(objective, columns, leaderboard) == f"objective {objective}: {line}"


def test_nothing_left_out_is_not_mentioned() -> None:
    columns = (("WT", "dice"), ("TC", "dice"))
    assert objective_line("dice", columns, columns) == "objective dice: dice"


def test_what_does_not_ship_says_which_condition_it_fails() -> None:
    numbers = {"gain": 0.01, "low": -0.002, "high": 0.02, "p": 0.2, "cases": 12}
    numbers["lost"] = {"cases": 12, "mean": 0.0, "at_most": 0.17, "groups": []}
    numbers["common_support"] = {"high": 0.0}
    rows = [{"method": "identity", **numbers}, {"method": "pooled", **numbers}]
    clear = {"method": "adaptive", **numbers, "low": 0.004, "p": 0.01}
    assert gate_lines([*rows, clear], VALIDATED) == [
        "pooled does not pass: interval -0.0020 to +0.0200 is not above zero; "
        "p = 0.2 is not below 0.05"
    ]
    limited = replace(VALIDATED, lost_at_most=0.05)
    assert gate_lines([clear, clear], limited) == [
        "adaptive does not pass: up to 17.0% of lesions may be lost, more than 5.0%"
    ]
