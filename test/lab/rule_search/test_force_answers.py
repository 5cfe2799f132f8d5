"""Answers that a person chooses when an artefact is frozen."""

import json
from dataclasses import replace

import pytest
from cubes import GLI, make_artefacts

from challenge.refusal import Refusal
from lab.__main__ import main
from lab.rule_search.force_answers import with_forced_answers
from postprocess.artefacts import Fallback, load_artefacts
from postprocess.declared_answers import AS_PREDICTED, EMPTY, POOLED
from postprocess.rule_kinds import row_from
from postprocess.rules_by_size import RemoveSmall

RULE = RemoveSmall("ET", "background", min_voxels=5)
SEARCH = {"pooled": {"rules": [row_from(RULE)]}}


def test_answers_are_changed_as_they_are_given_and_the_artefact_says_so() -> None:
    artefacts = make_artefacts()
    assert with_forced_answers(artefacts, None, None, None) is artefacts
    forced = with_forced_answers(artefacts, AS_PREDICTED, AS_PREDICTED, None)
    assert (forced.fallback, forced.empty_answer) == (Fallback(AS_PREDICTED), AS_PREDICTED)
    names = {"fallback": AS_PREDICTED, "no_credible_component": AS_PREDICTED}
    assert forced.fit["forced"] == names
    assert with_forced_answers(artefacts, POOLED, EMPTY, None).fallback == artefacts.fallback


def test_pooled_rules_that_a_search_took_out_come_back() -> None:
    decided = replace(make_artefacts(), fallback=Fallback(AS_PREDICTED))
    assert with_forced_answers(decided, POOLED, None, SEARCH).fallback.rules == (RULE,)
    for fallback, search in ((AS_PREDICTED, None), ("identity", SEARCH)):
        artefacts = replace(decided, fallback=Fallback(fallback))
        with pytest.raises(Refusal, match="--far-answer pooled: no pooled rules ship"):
            with_forced_answers(artefacts, POOLED, None, search)


def freeze(tmp_path, scheme: str, rule: dict, *options: str) -> int:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"all": [rule]}))
    words = ["freeze", "--rules", path, "--scheme", scheme, "--out", tmp_path / "frozen", *options]
    return main(list(map(str, words)))


def test_freeze_refuses_what_the_challenge_forbids_by_name(tmp_path, capsys) -> None:
    rule = {"kind": "keep-largest", "label": "tumour", "becomes": "background", "k": 1}
    answer = ("--no-component-answer", "empty")
    assert freeze(tmp_path, "panther-t1", rule, *answer) == 2
    assert "'empty': panther-t1 allows no empty answer" in capsys.readouterr().err
    assert freeze(tmp_path, "panther-t1", rule, "--far-answer", "as-predicted") == 2
    assert "without features no case is far from others" in capsys.readouterr().err


def test_freeze_ships_what_is_asked_for_and_prints_it(tmp_path, capsys) -> None:
    rule = {"kind": "keep-largest", "label": "ET", "becomes": "background", "k": 1}
    assert freeze(tmp_path, "brats-gli", rule, "--no-component-answer", "as-predicted") == 0
    line = "cases far from all others: pooled; cases without a credible component: as-predicted"
    assert line in capsys.readouterr().out.splitlines()
    assert load_artefacts(tmp_path / "frozen", GLI).empty_answer == AS_PREDICTED
