"""What a system makes of members' probabilities, on cubes that can be checked by hand."""

import numpy as np
import pytest

from challenge.scheme import SCHEMES, Head
from lab.member_selection.combine import System, equal, labels_of, weighted

SCHEME = SCHEMES["brats-gli"]
SOFTMAX = Head("softmax", ((), ("NETC",), ("SNFH",)), ("", "NETC", "SNFH"))
REGIONS = Head("regions", (("NETC", "SNFH", "ET"), ("ET",)), ("SNFH", "ET"))
MM = (1.0, 1.0, 1.0)


def voxel(*members: tuple[float, ...]) -> np.ndarray:
    """Maps (member, channel, 1, 1, 1) of a single voxel."""
    return np.array(members)[..., None, None, None]


def label(system: System, maps: np.ndarray, head: Head = SOFTMAX) -> int:
    return int(labels_of(system, maps, head, SCHEME, MM)[0, 0, 0])


def test_weights_turn_the_mean() -> None:
    maps = voxel((0.6, 0.4, 0.0), (0.1, 0.3, 0.6))
    assert label(equal(2), maps) == 0  # 0.35, 0.35, 0.3: the first of equals
    assert label(weighted((1, 2)), maps) == 2  # 0.27, 0.33, 0.4
    assert label(weighted((3, 0)), maps) == 0


def test_a_weight_for_each_channel() -> None:
    maps = voxel((0.2, 0.7), (0.9, 0.1))
    assert label(equal(2), maps, REGIONS) == 2  # WT 0.55, ET 0.4
    assert label(System("probability", ((1.0, 0.0), (0.0, 1.0))), maps, REGIONS) == 0
    assert label(System("probability", ((0.0, 1.0), (1.0, 0.0))), maps, REGIONS) == 3


def test_logits_weigh_certainty() -> None:
    """One is nearly certain, two are mildly against: probabilities and logits disagree."""
    maps = voxel((0.999, 0.0), (0.3, 0.0), (0.3, 0.0))
    assert label(equal(3), maps, REGIONS) == 2  # mean 0.533
    maps = voxel((0.9, 0.0), (0.32, 0.0), (0.32, 0.0))
    assert label(equal(3), maps, REGIONS) == 2  # mean 0.513
    # logits 2.197, -0.754, -0.754: mean 0.23
    assert label(equal(3, "logit"), maps, REGIONS) == 2
    maps = voxel((0.9, 0.0), (0.2, 0.0), (0.2, 0.0))
    assert label(equal(3), maps, REGIONS) == 0  # mean 0.433
    assert label(equal(3, "logit"), voxel((0.999, 0), (0.1, 0), (0.1, 0)), REGIONS) == 2


def test_a_vote_counts_decisions() -> None:
    maps = voxel((1.0, 0.0, 0.0), (0.4, 0.6, 0.0), (0.4, 0.6, 0.0))
    assert label(equal(3), maps) == 0
    assert label(equal(3, "majority"), maps) == 1


def test_staple_agrees_with_members_who_agree() -> None:
    rng = np.random.default_rng(0)
    truth = np.zeros((12, 12, 12), bool)
    truth[3:9, 3:9, 3:9] = True
    masks = [truth ^ (rng.random(truth.shape) < 0.03) for _ in range(5)]
    maps = np.array([[~mask, mask, np.zeros_like(mask)] for mask in masks], float)
    found = labels_of(equal(5, "staple"), maps, SOFTMAX, SCHEME, MM)
    assert ((found == 1) == truth).mean() > 0.999


@pytest.mark.parametrize(("bias", "expected"), [(1.0, 0), (2.0, 1), (0.5, 0)])
def test_a_bias_multiplies_the_odds_of_the_foreground(bias: float, expected: int) -> None:
    system = System("probability", ((1.0,),), bias)
    assert label(system, voxel((0.55, 0.45, 0.0))) == expected
    assert label(system, voxel((0.4, 0.1)), REGIONS) == (2 if bias == 2.0 else 0)


def test_an_answer_that_may_not_be_empty_is_not() -> None:
    head = Head("softmax", ((), ("tumour",), ("pancreas",)), ("", "tumour", "pancreas"))
    maps = np.zeros((1, 3, 5, 5, 5))
    maps[0, 0], maps[0, 1, 2, 2, 2] = 1.0, 0.3
    found = labels_of(equal(1), maps, head, SCHEMES["panther-t1"], MM)
    assert found.sum() == found[2, 2, 2] == 1
