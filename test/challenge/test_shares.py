"""A swapped label map is noticed, and a model that says less than the whole raises no alarm."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from challenge.scheme import SCHEMES, Head
from challenge.shares import SeenShares, labels_of, unusual_shares

GLI, PANTHER = SCHEMES["brats-gli"], SCHEMES["panther-t1"]
USUAL = np.repeat([1, 2, 3], [5, 70, 25]).astype(np.uint8).reshape(1, 10, 10)
SWAPPED = np.array([0, 2, 1, 3], np.uint8)[USUAL]


def test_a_swapped_label_map_is_noticed() -> None:
    assert unusual_shares(USUAL, GLI, GLI.labels) == []
    assert unusual_shares(SWAPPED, GLI, GLI.labels) == [
        "NETC is 70% of WT, usually 0% to 60%",
        "SNFH is 5% of WT, usually 15% to 100%",
    ]
    assert unusual_shares(np.zeros((2, 2, 2), np.uint8), GLI, GLI.labels) == []


def test_real_expert_labels_are_usual_and_noticed_when_swapped(shared_data: Path) -> None:
    path = shared_data / "tcga-fg-6692" / "fusion" / "simple.nii.gz"
    old = np.asarray(nibabel.load(path).dataobj).astype(np.uint8)
    labels = np.array([0, 1, 2, 0, 3], np.uint8)[old]
    assert unusual_shares(labels, GLI, GLI.labels) == []
    # the shift of a published report: 1 taken for ET, 2 for NETC, 3 for SNFH
    assert unusual_shares(np.array([0, 3, 1, 2], np.uint8)[labels], GLI, GLI.labels) != []


ONLY_TUMOUR = Head("softmax", ((), ("tumour",)), ("", "tumour"))
BOTH = Head("softmax", ((), ("tumour",), ("pancreas",)), ("", "tumour", "pancreas"))
WITHOUT_CORE = Head("regions", (("SNFH", "ET"), ("ET",)), ("SNFH", "ET"))


def test_where_the_model_does_not_predict_the_whole_nothing_is_said() -> None:
    """The organisers' own PANTHER baseline has no pancreas; its tumour is all of the whole."""
    tumour = np.ones((1, 10, 10), np.uint8)
    assert unusual_shares(tumour, PANTHER, labels_of(ONLY_TUMOUR)) == []
    message = "tumour is 100% of pancreas, usually 0% to 85%"
    assert unusual_shares(tumour, PANTHER, labels_of(BOTH)) == [message]
    enhancing = np.repeat([2, 3], [10, 90]).astype(np.uint8).reshape(1, 10, 10)
    assert labels_of(WITHOUT_CORE) == {"SNFH", "ET"}
    assert unusual_shares(enhancing, GLI, labels_of(WITHOUT_CORE)) == []
    assert len(unusual_shares(enhancing, GLI, GLI.labels)) == 2


def test_label_maps_alone_are_checked_once_every_label_was_seen() -> None:
    seen = SeenShares(GLI)
    without_core = np.where(SWAPPED == 1, 3, SWAPPED)  # 95 voxels of ET, 5 of SNFH
    assert seen.add("first", without_core) == []
    assert seen.left_out() == "shares of WT not judged: no NETC in the label map"
    assert [id for id, _ in seen.add("second", USUAL)] == ["first", "first"]
    assert seen.left_out() is None
    message = seen.add("third", SWAPPED)
    assert [(id, sentence.split()[0]) for id, sentence in message] == [
        ("third", "NETC"),
        ("third", "SNFH"),
    ]


def test_a_folder_of_tumours_alone_is_not_checked_and_says_so() -> None:
    seen = SeenShares(PANTHER)
    assert [seen.add(id, np.ones((1, 10, 10), np.uint8)) for id in "abc"] == [[], [], []]
    assert seen.left_out() == "shares of pancreas not judged: no pancreas in any of 3 label maps"


@pytest.mark.parametrize("scheme", [GLI, SCHEMES["brats-men-rt"]])
def test_nothing_is_left_out_of_nothing(scheme) -> None:
    seen = SeenShares(scheme)
    assert seen.left_out() is None
    seen.add("a", np.zeros((2, 2, 2), np.uint8), predicted=scheme.labels)
    assert seen.left_out() is None


def test_what_a_model_is_known_to_say_need_not_occur() -> None:
    seen = SeenShares(PANTHER)
    tumour = np.ones((1, 10, 10), np.uint8)
    assert [id for id, _ in seen.add("a", tumour, labels_of(BOTH))] == ["a"]
