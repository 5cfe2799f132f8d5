"""The rule by which PANTHER's default weights are chosen, on numbers checked by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.recipes.panther_choice import Candidate, choose, main, read_candidate, replaces, table

SHIPPED = Candidate("old", dice=(0.8, 0.6, 0.0), missed=1, false_ml=(0.0, 2.0, 1.0))


@pytest.mark.parametrize(
    ("change", "worse", "better"),
    [
        ({"dice": (0.8, 0.6, 0.02)}, [], []),  # 0.007 of the mean
        ({"dice": (0.8, 0.6, 0.06), "missed": 0}, [], ["Dice", "missed tumours"]),
        ({"dice": (0.8, 0.56, 0.0)}, ["Dice"], []),
        ({"missed": 2, "false_ml": (0.0, 0.0, 1.0)}, ["missed tumours"], ["false alarms"]),
        ({"false_ml": (0.1, 2.0, 1.0)}, ["false alarms"], []),
        ({"false_ml": (0.0, 9.0, 0.0)}, [], ["false alarms"]),
    ],
)
def test_a_candidate_ships_if_nothing_is_worse_and_something_better(
    change: dict, worse: list[str], better: list[str]
) -> None:
    candidate = replace(SHIPPED, name="new", **change)
    assert replaces(candidate, SHIPPED) == (worse, better)
    ships = candidate if better and not worse else SHIPPED
    assert choose([SHIPPED, candidate], SHIPPED) is ships
    assert table([SHIPPED, candidate], SHIPPED)[-1] == f"ships: {ships.name}"


def test_of_two_that_may_ship_the_better_dice_does() -> None:
    first = replace(SHIPPED, name="first", dice=(0.9, 0.6, 0.0))
    second = replace(SHIPPED, name="second", dice=(0.9, 0.7, 0.0))
    assert choose([SHIPPED, second, first], SHIPPED) is second


def write(folder: Path, name: str, *volumes: tuple[float, float, float]) -> None:
    """Write scores of patients with these true positives, false positives, misses (mm3)."""
    cases = {}
    for number, (tp, fp, fn) in enumerate(volumes):
        dice = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None
        scores = {"dice": dice, "tp_mm3": tp, "fp_mm3": fp, "fn_mm3": fn}
        cases[f"patient-{number}"] = {"tumour": scores}
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"cases": cases}))


def test_folders_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "old"
    write(folder, "seed-21", (500, 500, 500), (0, 0, 900))
    write(folder, "seed-7", (800, 0, 0))
    write(folder, "healthy", (0, 0, 0), (0, 3000, 0))
    assert read_candidate(folder) == Candidate("old", (0.5, 0.0, 1.0), 1, (0.0, 3.0))
    assert main([str(folder), "--shipped", "old"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == (
        ["old", "0.500", "0.500", "1", "of", "3", "1", "of", "2", "1.50"]
    )
    with pytest.raises(SystemExit):
        main([str(folder), "--shipped", "older"])


def test_a_healthy_patient_among_the_ill_is_an_error_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    write(folder, "seed-21", (500, 0, 0))
    write(folder, "seed-7", (0, 100, 0))
    write(folder, "healthy", (0, 0, 0))
    with pytest.raises(ValueError, match=r"seed-7.json: patient-0 has 0.00 mL of tumour"):
        read_candidate(folder)
