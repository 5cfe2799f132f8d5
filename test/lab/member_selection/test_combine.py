"""What an ensemble makes of members' probabilities, on cubes that can be checked by hand."""

import numpy as np

from challenge.scheme import SCHEMES, Head
from lab.member_selection.combine import CaseMaps, Ensemble, equal, labels_of, weighted

SCHEME = SCHEMES["brats-gli"]
SOFTMAX = Head("softmax", ((), ("NETC",), ("SNFH",)), ("", "NETC", "SNFH"))
REGIONS = Head("regions", (("NETC", "SNFH", "ET"), ("ET",)), ("SNFH", "ET"))
MM = (1.0, 1.0, 1.0)


def voxel(*members: tuple[float, ...]) -> np.ndarray:
    """Maps (member, channel, 1, 1, 1) of a single voxel."""
    return np.array(members)[..., None, None, None]


def case_maps(maps: np.ndarray, head: Head) -> CaseMaps:
    """Return maps (candidate, channel, z, y, x) of a whole case, all of one head."""
    z, y, x = maps.shape[2:]
    box = (slice(0, z), slice(0, y), slice(0, x))
    return CaseMaps(tuple(maps), (head,) * len(maps), box, (z, y, x), MM)


def label(ensemble: Ensemble, maps: np.ndarray, head: Head = SOFTMAX) -> int:
    return int(labels_of(ensemble, case_maps(maps, head), head, SCHEME)[0, 0, 0])


def test_weights_decide_the_mean() -> None:
    maps = voxel((0.6, 0.4, 0.0), (0.1, 0.3, 0.6))
    assert label(equal(2), maps) == 0  # 0.35, 0.35, 0.3: the first of equals
    assert label(weighted((1, 2)), maps) == 2  # 0.27, 0.33, 0.4
    assert label(weighted((3, 0)), maps) == 0


def test_regions_are_averaged_one_by_one() -> None:
    maps = voxel((0.2, 0.7), (0.9, 0.1))
    assert label(equal(2), maps, REGIONS) == 2  # WT 0.55, ET 0.4
    assert label(weighted((1, 0)), maps, REGIONS) == 3  # WT 0.2, ET 0.7
    assert label(weighted((1, 3)), maps, REGIONS) == 2  # WT 0.725, ET 0.25


def test_a_challenge_without_empty_answers_gets_its_most_probable_voxel() -> None:
    head = Head("softmax", ((), ("tumour",), ("pancreas",)), ("", "tumour", "pancreas"))
    maps = np.zeros((1, 3, 5, 5, 5))
    maps[0, 0], maps[0, 1, 2, 2, 2] = 1.0, 0.3
    labels = labels_of(equal(1), case_maps(maps, head), head, SCHEMES["panther-t1"])
    assert labels.sum() == labels[2, 2, 2] == 1


def test_an_empty_answer_is_replaced_on_the_whole_case_not_in_the_maps_box() -> None:
    """Every voxel of the box is as probable: no part of it stands out, the box does."""
    head = Head("softmax", ((), ("tumour",), ("pancreas",)), ("", "tumour", "pancreas"))
    maps = np.zeros((1, 3, 2, 2, 2))
    maps[0, 0], maps[0, 1] = 0.7, 0.3
    box = (slice(1, 3), slice(1, 3), slice(4, 6))
    whole = CaseMaps(tuple(maps), (head,), box, (7, 7, 7), MM)
    labels = labels_of(equal(1), whole, head, SCHEMES["panther-t1"])
    assert labels.shape == (7, 7, 7)
    assert labels.sum() == labels[box].sum() == 8
