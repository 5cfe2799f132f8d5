"""Members of different heads are averaged in one of them."""

import numpy as np
import pytest

from challenge.scheme import Head
from ensemble.heads import can_become, to_head

NNUNET = Head("regions", (("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",)), ("SNFH", "NETC", "ET"))
MONAI = Head("regions", (("ET", "NETC"), ("ET", "NETC", "SNFH"), ("ET",)), ("NETC", "SNFH", "ET"))


def test_regions_are_those_of_the_same_labels_in_whatever_order() -> None:
    tc, wt, et = (np.full((1, 1, 1), value, np.float32) for value in (0.5, 0.75, 0.25))
    assert can_become(MONAI, NNUNET) and can_become(NNUNET, MONAI)
    np.testing.assert_array_equal(
        to_head(np.stack([tc, wt, et]), MONAI, NNUNET), np.stack([wt, tc, et])
    )


@pytest.mark.parametrize(
    "other",
    [
        Head("regions", NNUNET.channels[:2], NNUNET.paints[:2]),
        Head("regions", (*NNUNET.channels[:2], ("NETC",)), ("SNFH", "NETC", "NETC")),
    ],
)
def test_other_regions_cannot_be_averaged(other: Head) -> None:
    assert not can_become(other, NNUNET) and not can_become(NNUNET, other)
    with pytest.raises(ValueError, match="cannot be brought to"):
        to_head(np.zeros((len(other.channels), 1, 1, 1)), other, NNUNET)
