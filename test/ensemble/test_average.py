"""The mean of members' probabilities and the count of their votes, by hand."""

import numpy as np
import pytest

from challenge.scheme import SCHEMES, Head
from ensemble.average import ProbabilityMean, VoteCount

SOFTMAX = Head("softmax", ((), ("NETC",)), ("", "NETC"))
REGIONS = Head("regions", (("NETC", "SNFH", "ET"),), ("SNFH",))


def test_the_mean_is_weighted() -> None:
    mean = ProbabilityMean(SOFTMAX)
    for value, weight in ((0.2, 1.0), (0.8, 2.0), (0.5, 3.0)):
        mean.add(np.full((2, 1, 1, 2), value, np.float32), weight)
    expected = (0.2 * 1 + 0.8 * 2 + 0.5 * 3) / 6
    np.testing.assert_allclose(mean.value((1, 1, 2)), np.full((2, 1, 1, 2), expected), atol=1e-6)


@pytest.mark.parametrize(("head", "expected"), [(SOFTMAX, [1, 0]), (REGIONS, [0])])
def test_without_members_everything_is_background(head: Head, expected: list[int]) -> None:
    mean = ProbabilityMean(head)
    assert mean.is_empty
    assert mean.value((1, 1, 1))[:, 0, 0, 0].tolist() == expected


def test_votes_are_the_share_of_members_that_predict_tumour() -> None:
    scheme = SCHEMES["brats-gli"]
    votes = VoteCount((1, 1, 4))
    for names in (("ET", "NETC", "RC", ""), ("SNFH", "", "RC", "")):
        values = [scheme.labels[name] if name else 0 for name in names]
        votes.add(np.array([[values]], np.uint8), scheme)
    assert votes.shares()[0, 0].tolist() == [1.0, 0.5, 0.0, 0.0]  # a cavity is no tumour
    assert VoteCount((1, 1, 1)).shares().tolist() == [[[0.0]]]


def voxels(*channels: float) -> np.ndarray:
    """Probabilities (channel, 1, 1, 1) of a single voxel."""
    return np.array(channels, np.float32)[:, None, None, None]


THREE = Head("softmax", ((), ("NETC",), ("SNFH",)), ("", "NETC", "SNFH"))
NESTED = Head("regions", (("NETC", "SNFH", "ET"), ("ET",)), ("SNFH", "ET"))


def mean_of(head: Head, *members: tuple[np.ndarray, float, tuple[float, ...]]) -> list[float]:
    mean = ProbabilityMean(head)
    for probabilities, weight, by_channel in members:
        mean.add(probabilities.copy(), weight, by_channel)
    return [float(value) for value in mean.value((1, 1, 1))[:, 0, 0, 0]]


def test_each_region_is_the_mean_by_its_weights() -> None:
    first, second = voxels(0.9, 0.1), voxels(0.5, 0.7)
    mean = mean_of(NESTED, (first, 2.0, (3, 1)), (second, 2.0, (1, 3)))
    # WT (3 x 0.9 + 0.5) / 4, ET (0.1 + 3 x 0.7) / 4
    assert mean == pytest.approx([0.8, 0.55])
    mean = mean_of(NESTED, (first, 0.5, (1, 0)), (second, 0.5, (0, 1)))
    assert mean == [first[0].item(), second[1].item()]  # to the bit


def test_the_means_of_a_softmax_head_are_divided_by_their_sum() -> None:
    first, second = voxels(0.2, 0.8, 0.0), voxels(0.6, 0.1, 0.3)
    members = (first, 2 / 3, (1, 0, 1)), (second, 2 / 3, (1, 1, 0))
    # background 0.4, NETC 0.1 (second's), SNFH 0.0 (first's): together 0.5
    assert mean_of(THREE, *members) == pytest.approx([0.8, 0.2, 0.0])


def test_a_softmax_voxel_without_any_probability_is_background() -> None:
    first, second = voxels(1.0, 0.0, 0.0), voxels(0.0, 1.0, 0.0)
    members = (first, 1.0, (0, 1, 1)), (second, 1.0, (1, 0, 1))
    assert mean_of(THREE, *members) == [1.0, 0.0, 0.0]


def test_weights_that_are_the_same_for_all_channels_change_no_bit() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.random((2, 3, 4, 5)).astype(np.float32) for _ in range(3)]
    plain, by_channel = ProbabilityMean(NESTED), ProbabilityMean(NESTED)
    for array, weight in zip(arrays, (1.0, 0.3, 2.5), strict=True):
        plain.add(array.copy(), weight)
        by_channel.add(array.copy(), weight, (weight, weight))
    np.testing.assert_array_equal(plain.value((3, 4, 5)), by_channel.value((3, 4, 5)))


def test_a_channel_without_any_weight_so_far_is_the_mean_of_the_others() -> None:
    """The one member with a weight for ET was left out by the deadline, or comes last."""
    first, second, third = voxels(0.9, 0.1), voxels(0.5, 0.7), voxels(0.0, 1.0)
    members = [(first, 1.0, (2, 0)), (second, 3.0, (6, 0))]
    assert mean_of(NESTED, *members) == pytest.approx([0.6, 0.55])  # ET (0.1 + 3 x 0.7) / 4
    mean = ProbabilityMean(NESTED)
    for probabilities, weight, by_channel in members:
        mean.add(probabilities.copy(), weight, by_channel)
    assert mean.unweighted == (1,)
    mean.add(third.copy(), 1.0, (0, 2))
    assert mean.unweighted == ()
    assert mean.value((1, 1, 1))[1].item() == 1.0
