"""--labels and --channels say what the challenge knows, or are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.packing.label_options import one_each, parse_channels, parse_labels

GLI = SCHEMES["brats-gli"]


def test_labels_are_read_by_name() -> None:
    assert parse_labels("ET=1,NETC=2,SNFH=3", [1, 2, 3], GLI) == {"ET": 1, "NETC": 2, "SNFH": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NETC", "'NETC' is not NAME=VALUE; write NETC=1,SNFH=2,ET=3,RC=4"),
        ("NETC=", "is not NAME=VALUE"),
        ("NETC=one", "is not NAME=VALUE"),
        ("NETC=1=2", "is not NAME=VALUE"),
        ("NETC=-1", "is not NAME=VALUE"),
        ("NETC=²", "is not NAME=VALUE"),
        ("NETC=1, SNFH=2", "a blank or an empty name"),
        ("NETC=1,,SNFH=2", "a blank or an empty name"),
        (",", "a blank or an empty name"),
        ("netc=1,SNFH=2,ET=3", "'netc' is no label of brats-gli, which has NETC, SNFH, ET, RC"),
        ("CC=1,SNFH=2,ET=3", "'CC' is no label"),
        ("WT=1,SNFH=2,ET=3", "'WT' is no label"),
        ("NETC=1,NETC=2,ET=3", "NETC=2 names a label or a value twice"),
        ("NETC=1,SNFH=1,ET=3", "SNFH=1 names a label or a value twice"),
        ("NETC=1,SNFH=2", r"values \[1, 2\], dataset.json has \[1, 2, 3\]"),
        ("NETC=1,SNFH=2,ET=3,RC=4", r"values \[1, 2, 3, 4\], dataset.json has"),
    ],
)
def test_labels_that_inference_would_not_know(text: str, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        parse_labels(text, [1, 2, 3], GLI)


@given(st.text(alphabet="NETCSFHR=,0123456 \t\n", max_size=24))
def test_any_text_is_labels_or_refused(text: str) -> None:
    try:
        names = parse_labels(text, [1, 2], GLI)
    except Refusal:
        return
    assert set(names) <= set(GLI.labels) and sorted(names.values()) == [1, 2]


def test_channels_become_the_challenges_names() -> None:
    assert parse_channels("T1ce,FLAIR,t2w,T1", GLI) == ["t1c", "t2f", "t2w", "t1n"]
    assert parse_channels("t1", SCHEMES["panther-t1"]) == ["t1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t1n, t1c, t2w, t2f", "a blank or an empty name; write t1n,t1c,t2w,t2f"),
        ("t1n,t1c,t2w,", "a blank or an empty name"),
        ("t1n,t1c,t2w,mra", "'mra' is none of them"),
        ("t1n,t1c,t2w", "brats-gli has t1n, t1c, t2w, t2f; 3 names"),
        ("t1n,t1n,t2w,t2f", "4 names"),
        ("t1n,t1c,t2w,t2f,t2f", "5 names"),
    ],
)
def test_channels_that_inference_would_not_know(text: str, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        parse_channels(text, GLI)
    with pytest.raises(Refusal, match="'MRI' is none of them"):
        parse_channels("MRI", SCHEMES["panther-t1"])


def test_one_for_all_or_one_for_each() -> None:
    assert one_each(None, 2, "--labels") == ["", ""]
    assert one_each(["a"], 2, "--labels") == ["a", "a"]
    assert one_each(["a", "b"], 2, "--labels") == ["a", "b"]
    with pytest.raises(Refusal, match="--labels: 2 values for 3 sources"):
        one_each(["a", "b"], 3, "--labels")
