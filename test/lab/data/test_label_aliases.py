"""Which value of dataset.json is which label; where its names may be wrong, the user is asked."""

from dataclasses import replace

import pytest

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.data.label_aliases import agreed_labels, training_values_by_name


def described(labels: dict) -> dict:
    return {"labels": {"background": 0, **labels}}


GLIOMA = {"NETC": 1, "SNFH": 2, "ET": 3}
AGREED = [
    ({"NCR": 1, "ED": 2, "ET": 3}, "brats-ssa", {"NETC": 1, "SNFH": 2, "ET": 3}),
    ({"NCR": "1", "ED": "2", "ET": "3"}, "brats-ssa", {"NETC": 1, "SNFH": 2, "ET": 3}),
    (
        {"whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]},
        "brats-goat",
        {"NETC": 1, "SNFH": 2, "ET": 3},
    ),
    ({"tumor": 1}, "panther-t1", {"tumour": 1}),
    ({"ET": 1, "NETC": 2, "CC": 3, "ED": 4}, "brats-ped", {"ET": 1, "NETC": 2, "CC": 3, "ED": 4}),
    ({"GTV": 1, "ignore": 2}, "brats-men-rt", {"GTV": 1}),
    # As public folders of BraTS have them.
    ({"NCR_NET": 1, "Edema": 2, "EnhancingTumour": 3}, "brats-ssa", GLIOMA),
    ({"NCR_or_NETC": 1, "SNFH": 2, "ET": 3}, "brats-goat", GLIOMA),
    ({"necrotic/non-enhancing tumor": 1, "oedema": 2, "enhancing": 3}, "brats-ssa", GLIOMA),
    (
        {
            "non_enhancing_tumor_core": 1,
            "surrounding_flair_hyperintensity": 2,
            "enhancing_tissue": 3,
            "resection_cavity": 4,
        },
        "brats-gli",
        GLIOMA | {"RC": 4},
    ),
]
# A team's own order, or wrong names: the folder does not tell.
OTHERWISE = [
    # The published post-treatment report.
    (
        {"ET": 1, "NETC": 2, "SNFH": 3, "RC": 4},
        "brats-gli",
        {"ET": 1, "NETC": 2, "SNFH": 3, "RC": 4},
        "NETC=1,SNFH=2,ET=3,RC=4",
    ),
    (
        {"edema": 1, "necrosis": 2, "enhancing tumor": 3},
        "brats-ssa",
        {"SNFH": 1, "NETC": 2, "ET": 3},
        "NETC=1,SNFH=2,ET=3",
    ),
    # Regions of two real teams (nnU-Net plans of Dataset232 and Dataset241).
    (
        {"whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": 3},
        "brats-goat",
        {"SNFH": 1, "NETC": 2, "ET": 3},
        "NETC=1,SNFH=2,ET=3",
    ),
    (
        {
            "whole tumor": [1, 2, 3],
            "tumor core": [2, 3],
            "enhancing tumor": 3,
            "resection cavity": 4,
        },
        "brats-gli",
        {"SNFH": 1, "NETC": 2, "ET": 3, "RC": 4},
        "NETC=1,SNFH=2,ET=3,RC=4",
    ),
    # MSD's order.
    (
        {"pancreas": 1, "cancer lesion": 2, "lesion": 2},
        "panther-t1",
        {"pancreas": 1, "tumour": 2},
        "tumour=1,pancreas=2",
    ),
    (
        {"pancreas": 1, "cancer": 2},
        "panther-t1",
        {"pancreas": 1, "tumour": 2},
        "tumour=1,pancreas=2",
    ),
    # Numbered without a gap, since nnU-Net asks for it.
    (
        {"NETC": 1, "SNFH": 2, "RC": 3},
        "brats-gli",
        {"NETC": 1, "SNFH": 2, "RC": 3},
        "NETC=1,SNFH=2,ET=3",
    ),
    ({"NETC": 1, "SNFH": 2, "ET": 3}, "brats-ped", {"NETC": 1, "ED": 2, "ET": 3}, None),
]


@pytest.mark.parametrize(("labels", "scheme", "expected"), AGREED)
def test_names_that_agree_with_the_challenge(labels: dict, scheme: str, expected: dict) -> None:
    dataset = described(labels)
    assert agreed_labels(dataset, SCHEMES[scheme]) == expected
    assert training_values_by_name(dataset, SCHEMES[scheme]) == expected


@pytest.mark.parametrize(("labels", "scheme", "expected", "other"), OTHERWISE[:-1])
def test_names_at_other_values_are_asked_about(
    labels: dict, scheme: str, expected: dict, other: str
) -> None:
    dataset = described(labels)
    assert training_values_by_name(dataset, SCHEMES[scheme]) == expected
    with pytest.raises(Refusal, match="say which of them the training labels hold") as refusal:
        agreed_labels(dataset, SCHEMES[scheme])
    named = ",".join(f"{name}={value}" for name, value in expected.items())
    assert f"--labels {named} or --labels {other}" in str(refusal.value)


def test_values_that_have_gaps_may_be_numbered_without() -> None:
    """The challenge's values are 1, 2, 3 and 5; nnU-Net trains on 1 to 4."""
    scheme = replace(SCHEMES["brats-gli"], labels={"NETC": 1, "SNFH": 2, "ET": 3, "RC": 5})
    numbered = {"NETC": 1, "SNFH": 2, "ET": 3, "RC": 4}
    assert agreed_labels(described(numbered), scheme) == numbered
    otherwise = {"ET": 1, "NETC": 2, "SNFH": 3, "RC": 4}
    with pytest.raises(Refusal, match="say which of them the training labels hold"):
        agreed_labels(described(otherwise), scheme)


def test_names_that_prepare_wrote_are_believed() -> None:
    """A source without ET: what it has is numbered 1, 2, 3, where the challenge has RC at 4."""
    dataset = described({"NETC": 1, "SNFH": 2, "RC": 3})
    prepared = dataset | {"prepared_from": ["brats-gli=downloads"]}
    assert agreed_labels(prepared, SCHEMES["brats-gli"]) == {"NETC": 1, "SNFH": 2, "RC": 3}
    with pytest.raises(Refusal, match="say which of them the training labels hold"):
        agreed_labels(dataset, SCHEMES["brats-gli"])


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [
        ({"class 1": 1, "class 2": 2}, "brats-gli"),
        ({"WT": 1}, "brats-gli"),
        ({"WT": [1, 2, 3, 4], "TC": [1, 2, 3], "ET": 1}, "brats-ped"),
        OTHERWISE[-1][:2],
    ],
)
def test_names_that_do_not_tell(labels: dict, scheme: str) -> None:
    with pytest.raises(Refusal, match="--labels NAME=VALUE"):
        training_values_by_name(described(labels), SCHEMES[scheme])
