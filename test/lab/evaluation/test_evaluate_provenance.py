"""Scores say what the predictions were made from, and if they are held out."""

import json
from pathlib import Path

from evaluator import run

from challenge.provenance import Provenance, content_sha256, hash_json, write_provenance
from lab.__main__ import main as lab
from lab.evaluation.formats import read_results
from lab.evaluation.origin import in_sample


def test_results_say_what_the_predictions_were_made_from(cohort: Path, capsys) -> None:
    folder = cohort / "predictions"
    facts = {"held_out": "in-sample", "training_cases": 2, "cases": 3}
    record = Provenance(
        "label maps", "predictions", content_sha256(folder), "postprocess", facts=facts
    )
    write_provenance(folder, record)
    assert run(cohort) == 0
    words = "refined by rules that were fitted on 2 of its 3 cases"
    assert f"predictions: {words}; no evidence of what they gain" in capsys.readouterr().err
    results = read_results(cohort / "r.json")
    assert in_sample(results) == words
    made = results.provenance
    assert made is not None
    assert (made.product, made.verb, made.options) == ("scores", "evaluate", {"scorer": "2025-ssa"})
    assert made.inputs["predictions"] == record
    assert made.inputs["references"].facts == {"files": 3}
    content = json.loads((cohort / "r.json").read_text())
    assert made.sha256 == hash_json({k: v for k, v in content.items() if k != "provenance"})
    assert lab(["trace", str(cohort / "r.json")]) == 0
    assert "by `python -m postprocess`" in capsys.readouterr().out


def test_results_of_maps_without_a_record_are_of_unknown_origin(cohort: Path, capsys) -> None:
    assert run(cohort) == 0
    results = read_results(cohort / "r.json")
    assert results.provenance is not None
    assert results.provenance.inputs["predictions"].held_out == "unknown"
    assert in_sample(results) == ""
    assert "no evidence" not in capsys.readouterr().err


def test_maps_that_changed_since_their_record_are_refused(cohort: Path, capsys) -> None:
    record = Provenance("label maps", "predictions", "0" * 64, "out-of-fold")
    write_provenance(cohort / "predictions", record)
    assert run(cohort) == 2
    assert "files were changed, added or removed" in capsys.readouterr().err
