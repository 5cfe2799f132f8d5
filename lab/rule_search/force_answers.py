"""Answers that a person chooses for an artefact, whatever held-out cases say of them."""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from challenge.refusal import Refusal
from postprocess.artefacts import Artefacts, Fallback
from postprocess.declared_answers import AS_PREDICTED, EMPTY_ANSWERS, POOLED
from postprocess.rule_kinds import rule_from

FORCED = "forced"  # of `fit`: which answers a person chose


def add_answers(parser: argparse._ActionsContainer) -> None:
    """Add --far-answer and --no-component-answer."""
    far = "what a case far from all others gets (default: as the search decided)"
    parser.add_argument("--far-answer", choices=(POOLED, AS_PREDICTED), help=far)
    nothing = "what a case gets that gates and rules leave no tumour of (default: as decided)"
    parser.add_argument("--no-component-answer", choices=EMPTY_ANSWERS, help=nothing)


def with_forced_answers(
    artefacts: Artefacts,
    far_answer: str | None,
    no_component_answer: str | None,
    search: Mapping[str, Any] | None,
) -> Artefacts:
    """Return artefacts with the answers that are given; None leaves one as it is.

    Whether the challenge allows them is checked when the artefacts are saved.

    Args:
        artefacts: as they would ship.
        far_answer: pooled or as-predicted.
        no_component_answer: one of `EMPTY_ANSWERS`.
        search: of search.json, with the pooled rules; None where no search was made.

    Raises:
        Refusal: pooled rules are asked for, and none ship.
    """
    answers = {"fallback": far_answer, "no_credible_component": no_component_answer}
    forced = {key: answer for key, answer in answers.items() if answer}
    if far_answer and far_answer != artefacts.fallback.name:
        artefacts = replace(artefacts, fallback=_fallback(artefacts, far_answer, search))
    if no_component_answer:
        artefacts = replace(artefacts, no_credible_component=no_component_answer)
    return replace(artefacts, fit={**artefacts.fit, FORCED: forced}) if forced else artefacts


def _fallback(artefacts: Artefacts, far_answer: str, search: Mapping[str, Any] | None) -> Fallback:
    """Return the fallback of another answer; as predicted, pooled rules were taken out before."""
    if far_answer == AS_PREDICTED:
        return Fallback(AS_PREDICTED)
    if search is None or artefacts.fallback.name != AS_PREDICTED:
        raise Refusal(f"--far-answer {POOLED}: no pooled rules ship")
    rules = search["pooled"]["rules"]
    return Fallback(POOLED, tuple(rule_from(row, artefacts.scheme) for row in rules))
