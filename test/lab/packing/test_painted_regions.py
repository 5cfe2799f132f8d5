"""A region that paints a label of a smaller one: pack says so, and paints it as nnU-Net does."""

from pathlib import Path

import pytest
import tiny
from packer import pack

from challenge.scheme import Head
from ensemble.manifest import verify_model
from lab.packing.painted_regions import contradictions, order_without_any

WT, TC, ET, RC = ("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",), ("RC",)
VALUES = {"NETC": 1, "SNFH": 2, "ET": 3, "RC": 4}


def head(regions: tuple, paints: tuple[str, ...]) -> Head:
    return Head("regions", regions, paints)


def test_nothing_is_said_of_regions_painted_as_they_are_nested() -> None:
    assert not [*contradictions(head((WT, TC, ET, RC), ("SNFH", "NETC", "ET", "RC")))]
    assert not [*contradictions(head((WT, RC, TC, ET), ("SNFH", "RC", "NETC", "ET")))]
    assert not [*contradictions(Head("softmax", ((), WT), ("", "ET")))]


def test_labels_in_ascending_order_call_the_oedema_a_core() -> None:
    """nnU-Net's documentation has 1, 2, 3 for labels that are numbered from outside to inside."""
    ascending = head((WT, TC, ET), ("NETC", "SNFH", "ET"))
    assert [*contradictions(ascending)] == [
        "NETC + SNFH + ET paints NETC, also where no smaller region with NETC is predicted",
        "NETC + ET paints SNFH, which is no part of it",
    ]
    assert order_without_any(ascending, VALUES) == [2, 1, 3]


def test_small_regions_first_have_no_order_that_helps() -> None:
    inside_out = head((ET, TC, WT), ("ET", "NETC", "SNFH"))
    assert len([*contradictions(inside_out)]) == 2
    assert order_without_any(inside_out, VALUES) == []


def test_pack_says_so_and_paints_as_nnunet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = tiny.dataset(tiny.REGIONS, order=[1, 2, 3, 4])
    source = tiny.train(tmp_path / "trained", tiny.plans(), dataset)
    folder = pack(source, tmp_path / "weights")
    out = capsys.readouterr().out
    assert "regions_class_order [1, 2, 3, 4]: NETC + SNFH + ET paints NETC" in out
    assert "as in nnU-Net; [2, 1, 3, 4] would contradict no region" in out
    assert verify_model(folder / "MANIFEST.json").head.paints == ("NETC", "SNFH", "ET", "RC")
