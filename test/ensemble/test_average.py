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
