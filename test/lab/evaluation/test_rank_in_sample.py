"""A system scored on cases that it was fitted on gets no verdict; the others keep theirs."""

import json

import pytest
from ranker import columns, write_results

from challenge.provenance import Provenance
from lab.__main__ import main


def refined(state: str, **facts: int) -> Provenance:
    """Return the record of scores of label maps in a held-out state."""
    maps = Provenance("label maps", "refined", "0" * 64, facts={"held_out": state, **facts})
    return Provenance("scores", "b.json", "", verb="evaluate", inputs={"predictions": maps})


def test_rules_fitted_on_the_cases_that_are_scored_show_nothing(tmp_path, capsys):
    low = columns(dice=[0.5 + 0.01 * i for i in range(12)])
    high = columns(dice=[0.6 + 0.01 * i for i in range(12)])
    record = refined("in-sample", training_cases=12, cases=12)
    plain, better = write_results(tmp_path / "plain.json", low), tmp_path / "refined.json"
    write_results(better, high, provenance=record)
    out = tmp_path / "out.json"
    words = "refined is refined by rules that were fitted on 12 of its 12 cases"
    assert main(["rank", str(plain), str(better), "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert said.out.startswith(f"IN SAMPLE: {words}.")
    assert f"refined against plain: no verdict; {words}." in " ".join(said.out.split())
    assert "is better than" not in said.out
    assert "--in-sample accepts this" in said.err
    content = json.loads(out.read_text())
    assert content["in_sample"] == {
        "refined": "refined by rules that were fitted on 12 of its 12 cases"
    }
    assert "no verdict" in content["pairs"][0]["sentence"]
    assert main(["rank", str(plain), str(better), "--in-sample"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("IN SAMPLE: refined is refined")
    assert "refined is better than plain: mean score +0.1000" in " ".join(said.out.split())


@pytest.mark.parametrize("state", ["held-out", "unknown", None])
def test_held_out_maps_and_those_of_unknown_origin_are_compared(tmp_path, capsys, state):
    more = {"provenance": refined(state, training_cases=0, cases=12)} if state else {}
    plain = write_results(
        tmp_path / "plain.json", columns(dice=[0.5 + 0.01 * i for i in range(12)])
    )
    other = write_results(
        tmp_path / "b.json", columns(dice=[0.6 + 0.01 * i for i in range(12)]), **more
    )
    assert main(["rank", str(plain), str(other)]) == 0
    said = capsys.readouterr().out
    assert "IN SAMPLE" not in said
    assert "b is better than plain" in said


def test_a_third_system_in_sample_takes_no_verdict_from_the_other_two(tmp_path, capsys):
    record = refined("in-sample")
    paths = [
        write_results(tmp_path / "a.json", columns(dice=[0.5 + 0.01 * i for i in range(12)])),
        write_results(tmp_path / "b.json", columns(dice=[0.6 + 0.01 * i for i in range(12)])),
        write_results(tmp_path / "c.json", columns(dice=[0.7] * 12), provenance=record),
    ]
    assert main(["rank", *map(str, paths)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "b is better than a" in said
    assert said.count("no verdict; c is made with what was fitted on its cases.") == 2
