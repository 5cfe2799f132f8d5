"""The rule by which the default weights are chosen, on numbers that can be checked by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.recipes.world_choice import Revision, choose, main, read_revision, table, vetoes

SHIPPED = Revision(
    name="7",
    members=3,
    expert={"WT": 0.9, "TC": 0.9, "ET": 0.8},
    synthetic={"WT": 0.8, "TC": 0.6, "ET": 0.6},
    cavity=0.3,
    invented_ml=1.0,
)


def test_half_expert_a_third_synthetic_a_sixth_cavity() -> None:
    assert SHIPPED.score == pytest.approx((0.9 + 0.9 + 0.8) / 6 + (0.8 + 0.6 + 0.6) / 9 + 0.3 / 6)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expert": {"WT": 0.9, "TC": 0.9, "ET": 0.79}}, "mean on the expert's case"),
        ({"expert": {"WT": 0.87, "TC": 0.9, "ET": 0.9}}, "expert WT"),
        ({"synthetic": {"WT": 0.9, "TC": 0.9, "ET": 0.57}}, "synthetic ET"),
        ({"cavity": 0.27}, "synthetic RC"),
        ({"invented_ml": 1.1}, "invents more cavity"),
    ],
)
def test_what_vetoes_a_better_revision(change: dict, reason: str) -> None:
    better = {"WT": 0.95, "TC": 0.95, "ET": 0.95}
    candidate = replace(SHIPPED, **({"name": "8", "synthetic": better} | change))
    assert vetoes(candidate, SHIPPED) == [reason]
    assert choose([SHIPPED, candidate], SHIPPED) is SHIPPED
    assert table([SHIPPED, candidate], SHIPPED)[-2].endswith(f"vetoed: {reason}")


def test_a_better_revision_ships() -> None:
    candidate = replace(SHIPPED, name="8", synthetic={"WT": 0.8, "TC": 0.62, "ET": 0.63})
    assert candidate.score - SHIPPED.score == pytest.approx(0.05 / 9)
    assert choose([SHIPPED, candidate], SHIPPED) is candidate
    assert table([SHIPPED, candidate], SHIPPED)[-1] == "ships: 8"


def test_of_a_tie_the_fewer_members_ship_then_the_older_revision() -> None:
    older = replace(SHIPPED, name="3", members=2, cavity=0.29)  # 0.0017 less
    assert choose([older, SHIPPED], SHIPPED) is older
    newer = replace(SHIPPED, name="8", cavity=0.32)
    assert choose([SHIPPED, newer], SHIPPED) is SHIPPED


def test_cavities_are_read_from_patients_who_have_one(tmp_path: Path) -> None:
    volumes = {"tp_mm3": 0.0, "fp_mm3": 0.0, "fn_mm3": 0.0}
    cases = {
        "hit": {"RC": {**volumes, "dice": 0.8, "tp_mm3": 500.0}},
        "missed": {"RC": {**volumes, "dice": 0.0, "fn_mm3": 500.0}},
        "invented": {"RC": {**volumes, "dice": 0.0, "fp_mm3": 3000.0}},
        "right": {"RC": {**volumes, "dice": None}},
    }
    folder = tmp_path / "7"
    folder.mkdir()
    scores = {region: {"dice": {"mean": 0.5}} for region in ("WT", "TC", "ET")}
    (folder / "expert.json").write_text(json.dumps({"summary": scores}))
    (folder / "synthetic.json").write_text(json.dumps({"summary": scores, "cases": cases}))
    (folder / "MANIFEST.json").write_text(json.dumps({"members": [{}, {}]}))
    revision = read_revision(folder)
    assert (revision.members, revision.cavity, revision.invented_ml) == (2, 0.4, 1.5)
    assert main(["--shipped", "7", str(folder)]) == 0
    with pytest.raises(SystemExit):
        main(["--shipped", "8", str(folder)])
    del cases["hit"], cases["missed"]
    (folder / "synthetic.json").write_text(json.dumps({"summary": scores, "cases": cases}))
    with pytest.raises(ValueError, match="0 patients have a cavity, 2 have none"):
        read_revision(folder)
