"""dataset.json means what nnU-Net takes it for, in each of its spellings."""

import json

import pytest
import tiny
from nnunetv2.utilities.label_handling.label_handling import (
    LabelManager,
    determine_num_input_channels,
)
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from challenge.scheme import SCHEMES
from ensemble.dataset import channel_names, channel_order, label_values, read_head
from ensemble.plans import PlansError

GLI = SCHEMES["brats-gli"]
NAMES = {1: "NETC", 2: "SNFH", 3: "ET", 4: "RC"}

READ = {
    "plain": {"background": 0, "NETC": 1, "SNFH": 2, "ET": 3, "RC": 4},
    "text": {"background": "0", "NETC": "1", "SNFH": "2", "ET": "3", "RC": "4"},
    "lists of one": {"background": 0, "NETC": [1], "SNFH": [2], "ET": [3], "RC": [4]},
    "a name more": {"background": 0, "NETC": 1, "SNFH": 2, "ET": 3, "RC": 4, "cavity": 4},
    "unordered": {"RC": 4, "ET": 3, "background": 0, "SNFH": 2, "NETC": 1},
    "two backgrounds": {"background": 0, "air": 0, "NETC": 1, "SNFH": 2, "ET": 3, "RC": 4},
    "ignored": {"background": 0, "NETC": 1, "SNFH": 2, "ET": 3, "RC": 4, "ignore": 5},
    "fewer": {"background": 0, "NETC": 1, "SNFH": 2},
}
REGIONS = {
    "plain": (tiny.REGIONS, [2, 1, 3, 4]),
    "a number for a list": ({"background": 0, "WT": [1, 2, 3], "TC": [1, 3], "ET": 3}, [2, 1, 3]),
    "text": ({"background": 0, "WT": ["1", "2", "3"], "TC": ["1", "3"], "ET": "3"}, [2, 1, 3]),
    "a background's list": ({"background": 0, "air": [0], "WT": [1, 2], "ET": 2}, [1, 2]),
    "ignored": ({"background": 0, "WT": [1, 2, 3], "ET": 3, "ignore": 4}, [1, 3]),
}
REFUSED = {
    "the first nnU-Net's": ({"0": "background", "1": "NETC"}, None, "write them as nnU-Net 2 does"),
    "no background": ({"NETC": 1}, None, "name no background"),
    "background is 1": ({"background": 1, "NETC": 2}, None, "background 1 is not 0"),
    "background is a list": ({"background": [0], "NETC": 1}, None, "is not 0"),
    "ignore within": ({"background": 0, "NETC": 2, "ignore": 1}, None, "ignore label 1 is not"),
    "no order": ({"background": 0, "WT": [1, 2], "ET": 2}, None, "regions_class_order None"),
    "a short order": ({"background": 0, "WT": [1, 2], "ET": 2}, [1], r"2 regions but .* \[1\]"),
    "background is text": ({"background": "0", "WT": [1, 2], "ET": 2}, [1, 2], "3 regions but"),
}


def described(labels: dict, order: list | None = None) -> dict:
    return json.loads(json.dumps(tiny.dataset(labels, order=order)))


@pytest.mark.parametrize("name", READ)
def test_labels_as_nnunet_reads_them(name: str) -> None:
    dataset = described(READ[name])
    theirs = LabelManager(dataset["labels"], dataset.get("regions_class_order"))
    head = read_head(dataset, NAMES)
    assert (head.kind, len(head.channels)) == ("softmax", theirs.num_segmentation_heads)
    assert label_values(dataset) == theirs.foreground_labels
    assert head.paints == ("", *(NAMES[value] for value in theirs.foreground_labels))


@pytest.mark.parametrize("name", REGIONS)
def test_regions_as_nnunet_reads_them(name: str) -> None:
    dataset = described(*REGIONS[name])
    theirs = LabelManager(dataset["labels"], dataset["regions_class_order"])
    head = read_head(dataset, NAMES)
    assert theirs.has_regions
    assert (head.kind, len(head.channels)) == ("regions", theirs.num_segmentation_heads)
    regions = [each if isinstance(each, tuple) else (each,) for each in theirs.foreground_regions]
    assert [len(channel) for channel in head.channels] == [len(region) for region in regions]
    assert head.channels == tuple(tuple(NAMES[int(v)] for v in region) for region in regions)
    assert head.paints == tuple(NAMES[value] for value in theirs.regions_class_order)


@pytest.mark.parametrize("name", REFUSED)
def test_what_nnunet_refuses_is_refused_in_a_sentence(name: str) -> None:
    labels, order, message = REFUSED[name]
    with pytest.raises((AssertionError, RuntimeError, ValueError)):
        LabelManager(labels, order)
    with pytest.raises(PlansError, match=message):
        read_head(described(labels, order), NAMES)


def test_what_is_no_number_or_has_gaps_is_refused() -> None:
    with pytest.raises(PlansError, match="label value 'one' is not a whole number"):
        read_head(described({"background": 0, "NETC": "one"}), NAMES)
    with pytest.raises(PlansError, match=r"labels \[1, 3\] are not consecutive from 1"):
        read_head(described({"background": 0, "NETC": 1, "ET": 3}), NAMES)
    with pytest.raises(PlansError, match="are not an object of names"):
        read_head({"labels": ["NETC"]}, NAMES)


SEQUENCES = {"0": "t1n", "1": "t1c", "2": "t2w", "3": "t2f"}
SPELT = [
    {"channel_names": SEQUENCES},
    {"modality": SEQUENCES},
    {"channel_names": SEQUENCES, "modality": dict.fromkeys("0123", "MRI")},
    {"channel_names": list(SEQUENCES.values())},
    {"channel_names": dict(reversed(SEQUENCES.items()))},
]


@pytest.mark.parametrize("channels", SPELT)
def test_channels_as_nnunet_counts_them(channels: dict) -> None:
    dataset = {"labels": tiny.SOFTMAX, **channels}
    plans = PlansManager(tiny.plans())
    assert len(channel_names(dataset)) == determine_num_input_channels(plans, "3d_fullres", dataset)
    assert channel_order(dataset, GLI) == ("t1n", "t1c", "t2w", "t2f")


def test_more_than_nine_channels_are_in_order() -> None:
    names = {str(channel): f"c{channel}" for channel in range(12)}
    assert channel_names({"channel_names": dict(sorted(names.items()))}) == list(names.values())


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ({}, "no channel_names; name them with --channels"),
        ({"channel_names": {"0": "t1n"}, "modality": SEQUENCES}, "1 and 4 channel_names"),
        ({"channel_names": {"t1n": "0"}}, "are not numbered"),
        ({"channel_names": dict.fromkeys("0123", "noNorm")}, "--channels"),
        ({"channel_names": SEQUENCES | {"4": "mask"}}, "--channels"),
    ],
)
def test_channels_that_have_no_names(channels: dict, message: str) -> None:
    with pytest.raises(PlansError, match=message):
        channel_order({"labels": tiny.SOFTMAX, **channels}, GLI)


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["t1c", "t1", "t2f", "t2"], ("t1c", "t1n", "t2f", "t2w")),
        (["T1", "T1ce", "T2", "FLAIR"], ("t1n", "t1c", "t2w", "t2f")),
        (["T1_Gd", "T1-w", "T2 FLAIR", "T2w"], ("t1c", "t1n", "t2f", "t2w")),
        (["t2f", "t1n", "t1c", "t2w"], ("t2f", "t1n", "t1c", "t2w")),
    ],
)
def test_channel_order_is_data(names: list[str], order: tuple[str, ...]) -> None:
    assert channel_order(tiny.dataset(channels=names), GLI) == order


def test_one_channel_is_the_challenges_whatever_it_is_called() -> None:
    assert channel_order(tiny.dataset(channels=["MRI"]), SCHEMES["panther-t1"]) == ("t1",)
