"""The sentence on two systems claims a difference only where score and rank show one."""

import math
from dataclasses import replace

import pytest

from lab.evaluation.number_text import letter
from lab.evaluation.pair import MEAN_RANK, MEAN_SCORE, Pair, PairedDifference
from lab.evaluation.pair_text import sentence

NAN = math.nan


def row(what: str, difference: float, p: float) -> PairedDifference:
    better = "lower" if what == MEAN_RANK else "higher"
    means = (1.0, 1.0 + difference)
    interval = (difference - 0.1, difference + 0.2)
    return PairedDifference(what, better, *means, difference, *interval, p, p, 9, 5, 4)


@pytest.mark.parametrize(
    ("score", "rank", "message"),
    [
        ((0.3, 0.01), (-0.4, 0.02), "b is better than a: mean score +0.3000 [+0.2000, +0.5000], p"),
        ((-0.3, 0.01), (0.4, 0.02), "a is better than b: mean score +0.3000 [+0.1000, +0.4000], p"),
        (
            (-0.3, 0.01),
            (0.4, 0.20),
            "a is better than b: mean score +0.3000 [+0.1000, +0.4000], "
            "p = 0.0100; not shown by mean rank -0.4000",
        ),
        ((0.3, 0.01), (0.4, 0.02), "b against a: score and rank contradict each other; mean score"),
        ((0.3, 0.06), (-0.4, 0.05), "b against a: no difference shown; mean score +0.3000"),
        ((NAN, NAN), (-0.4, 0.05), "b against a: no difference shown; mean score -, not tested;"),
    ],
)
def test_the_sentence_says_what_is_shown(score, rank, message):
    pair = Pair("a", "b", (row(MEAN_SCORE, *score), row(MEAN_RANK, *rank)))
    assert sentence(pair).startswith(message)


def test_a_difference_must_be_shown_after_the_adjustment():
    output = row(MEAN_SCORE, 0.3, 0.01)
    assert sentence(Pair("a", "b", (output,))).startswith("b is better than a")
    adjusted = replace(output, p_holm=0.06)
    assert sentence(Pair("a", "b", (adjusted,))) == (
        "b against a: no difference shown; mean score +0.3000 [+0.2000, +0.5000], "
        "p = 0.0100 (Holm 0.0600)."
    )


def test_letters_do_not_run_out():
    assert [letter(i) for i in (0, 25, 26, 53)] == ["A", "Z", "A2", "B3"]
