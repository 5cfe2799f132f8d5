"""A weight by channel: which names it may have, and what it means."""

import pytest

from challenge.scheme import SCHEMES, Head
from ensemble.member_weights import (
    WeightError,
    channel_names,
    channel_weights,
    in_words,
    is_zero,
    read_weight,
)

GLI, PANTHER = SCHEMES["brats-gli"], SCHEMES["panther-t1"]
REGIONS = Head(
    "regions",
    (("NETC", "SNFH", "ET"), ("ET", "NETC"), ("ET",), ("RC",)),
    ("SNFH", "NETC", "ET", "RC"),
)
LABELS = ("NETC", "SNFH", "ET", "RC")
SOFTMAX = Head("softmax", ((), *((name,) for name in LABELS)), ("", *LABELS))
ABDOMEN = Head("softmax", ((), ("tumour",), ("pancreas",)), ("", "tumour", "pancreas"))


def test_channels_are_called_as_the_challenge_calls_them() -> None:
    assert channel_names(REGIONS, GLI) == ("WT", "TC", "ET", "RC")
    assert channel_names(SOFTMAX, GLI) == ("background", *LABELS)
    assert channel_names(ABDOMEN, PANTHER) == ("background", "tumour", "pancreas")
    two = Head("regions", (("NETC", "SNFH"),), ("SNFH",))
    assert channel_names(two, GLI) == ("NETC+SNFH",)


def test_every_channel_gets_its_number() -> None:
    weights = {"ET": 3, "WT": 1, "TC": 2, "RC": 0}
    assert channel_weights(weights, REGIONS, GLI, "m") == (1, 2, 3, 0)


def test_a_softmax_label_takes_the_number_of_the_smallest_region_that_holds_it() -> None:
    weights = {"background": 1, "WT": 2, "TC": 3, "ET": 4, "RC": 5}
    assert channel_weights(weights, SOFTMAX, GLI, "m") == (1, 3, 2, 4, 5)
    # PANTHER's region "pancreas" holds the tumour, its label "pancreas" does not.
    both = {"background": 1, "tumour": 2, "pancreas": 3}
    assert channel_weights(both, ABDOMEN, PANTHER, "m") == (1, 2, 3)


@pytest.mark.parametrize(
    ("weights", "head", "message"),
    [
        ({"WT": 1, "ET": 1}, REGIONS, "weight of m says nothing of TC, RC; the ensemble's"),
        ({"ET": 1, "WT": 1}, SOFTMAX, "says nothing of background, RC"),
        ({"WT": 1, "TC": 1, "ET": 1, "RC": 1, "CC": 1}, REGIONS, "weight of m names CC; the"),
        ({"WT": 1, "TC": 1, "ET": 1, "RC": 1, "NETC": 1}, REGIONS, "names NETC; the ensemble's "),
    ],
)
def test_a_channel_without_a_number_and_a_number_without_a_channel_are_named(
    weights: dict[str, float], head: Head, message: str
) -> None:
    with pytest.raises(WeightError, match=message):
        channel_weights(weights, head, GLI, "m")


NAN, INFINITE = float("nan"), float("inf")
NUMBERS = (0, -1, INFINITE, NAN, "1", None, True)
OBJECTS = ({}, {"WT": -1}, {"WT": "1"}, {"WT": NAN}, {"WT": INFINITE})


@pytest.mark.parametrize("value", [*NUMBERS, *OBJECTS])
def test_what_is_no_weight_is_refused_with_its_owner(value: object) -> None:
    with pytest.raises(WeightError, match=" of m"):
        read_weight(value, "m")


def test_weights_in_words() -> None:
    assert in_words(2.0) == "2"
    assert in_words({"WT": 0.5, "TC": 0}) == "WT 0.5, TC 0"
    assert in_words({"WT": 0, "TC": 0}) == "0, not run"
    assert is_zero({"WT": 0}) and not is_zero({"WT": 0, "TC": 1}) and not is_zero(1.0)
