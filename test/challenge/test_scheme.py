"""Labels by name: the numbers of every challenge, and what probabilities become."""

import numpy as np
import pytest

from challenge.scheme import (
    SCHEMES,
    Head,
    labels_from,
    probability_of,
    restrict,
    volumes_mm3,
    voxels_changed,
)

GLI = SCHEMES["brats-gli"]
SOFTMAX = Head("softmax", ((), ("NETC",), ("SNFH",), ("ET",)), ("", "NETC", "SNFH", "ET"))
NESTED = Head("regions", (("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",)), ("SNFH", "NETC", "ET"))


@pytest.mark.parametrize(
    ("scheme", "labels"),
    [
        ("brats-gli", {"NETC": 1, "SNFH": 2, "ET": 3, "RC": 4}),
        ("brats-gli-2023", {"NETC": 1, "SNFH": 2, "ET": 3}),
        ("brats-ssa", {"NETC": 1, "SNFH": 2, "ET": 3}),
        ("brats-met", {"NETC": 1, "SNFH": 2, "ET": 3}),
        ("brats-goat", {"NETC": 1, "SNFH": 2, "ET": 3}),
        ("brats-ped", {"ET": 1, "NETC": 2, "CC": 3, "ED": 4}),
        ("panther-t1", {"tumour": 1, "pancreas": 2}),
        ("panther-t2", {"tumour": 1, "pancreas": 2}),
    ],
)
def test_the_challenges_own_numbers(scheme: str, labels: dict[str, int]) -> None:
    assert SCHEMES[scheme].labels == labels


def test_whole_tumour_leaves_the_cavity_out() -> None:
    labels = np.array([[[0, 1, 2, 3, 4]]], np.uint8)
    assert GLI.mask(labels, "WT").tolist() == [[[False, True, True, True, False]]]
    assert GLI.mask(labels, "TC").tolist() == [[[False, True, False, True, False]]]
    assert GLI.mask(labels, "RC").tolist() == [[[False, False, False, False, True]]]


def test_softmax_takes_the_most_probable() -> None:
    probabilities = np.array([[0.4, 0.1], [0.3, 0.2], [0.2, 0.3], [0.1, 0.4]]).reshape(4, 1, 1, 2)
    assert labels_from(probabilities, SOFTMAX, GLI).tolist() == [[[0, 3]]]


def test_regions_paint_in_order_and_need_more_than_half() -> None:
    wt, tc, et = [0.9, 0.9, 0.9, 0.5], [0.1, 0.8, 0.8, 0.5], [0.1, 0.2, 0.7, 0.5]
    probabilities = np.array([wt, tc, et]).reshape(3, 1, 1, 4)
    assert labels_from(probabilities, NESTED, GLI).tolist() == [[[2, 1, 3, 0]]]


def test_probability_of_a_set_of_labels() -> None:
    softmax = np.array([0.1, 0.2, 0.3, 0.4]).reshape(4, 1, 1, 1)
    assert probability_of(softmax, SOFTMAX, ("NETC", "ET")).item() == pytest.approx(0.6)
    regions = np.array([0.9, 0.6, 0.5]).reshape(3, 1, 1, 1)
    assert probability_of(regions, NESTED, ("NETC", "ET")).item() == 0.6
    with pytest.raises(ValueError, match="no channel"):
        probability_of(regions, NESTED, ("RC",))


def test_nested_regions_tell_what_lies_between_them() -> None:
    regions = np.array([0.75, 0.5, 0.125]).reshape(3, 1, 1, 1)
    assert probability_of(regions, NESTED, ("NETC",)).item() == 0.375
    assert probability_of(regions, NESTED, ("SNFH",)).item() == 0.25
    assert probability_of(regions, NESTED, ("SNFH", "NETC")).item() == 0.625
    assert probability_of(regions[[1, 0, 2]], NESTED, ("SNFH",)).item() == 0  # core over whole
    with pytest.raises(ValueError, match=r"separates .*'ET'.* from \['NETC'\]"):
        probability_of(regions, NESTED, ("SNFH", "ET"))


def test_only_what_the_challenge_asks_is_written() -> None:
    labels = np.array([[[0, 1, 2, 3, 4]]], np.uint8)
    assert restrict(labels, GLI, SCHEMES["brats-ssa"]).tolist() == [[[0, 1, 2, 3, 0]]]
    panther = SCHEMES["panther-t1"]
    assert restrict(labels[..., :3], panther, panther).tolist() == [[[0, 1, 0]]]
    with pytest.raises(ValueError, match="CC"):
        restrict(labels, GLI, SCHEMES["brats-ped"])


def test_volumes() -> None:
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[:5] = 2
    assert volumes_mm3(labels, GLI, 3.0) == {"NETC": 0, "SNFH": 1500, "ET": 0, "RC": 0}


def test_voxels_changed() -> None:
    before = np.array([[[0, 1, 1, 2, 3, 3]]], np.uint8)
    after = np.array([[[3, 1, 3, 0, 3, 3]]], np.uint8)
    assert voxels_changed(before, after, GLI) == {
        "NETC": {"lost": 1, "gained": 0},
        "SNFH": {"lost": 1, "gained": 0},
        "ET": {"lost": 0, "gained": 2},
    }
    assert voxels_changed(before, before, GLI) == {}
