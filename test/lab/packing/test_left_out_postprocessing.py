"""`lab pack` names post-processing of nnU-Net that it leaves out."""

import json

import pytest
from packer import train_softmax

from lab.data.nnunet_postprocessing import KEEP_LARGEST
from lab.packing.left_out_postprocessing import print_left_out
from lab.packing.trained_folder import trained_folder


@pytest.fixture
def trained(tmp_path):
    source = train_softmax(tmp_path / "trained")
    (source / "crossval_results_folds_0").mkdir()
    return source


def left_out(source, content, capsys):
    """Return what is printed of one file of post-processing."""
    path = source / "crossval_results_folds_0" / "postprocessing.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with trained_folder(source) as folder:
        print_left_out(folder)
    return capsys.readouterr().out


def test_what_nnunet_decided_is_named_with_the_way_to_take_it_over(trained, capsys):
    steps = {
        "postprocessing_fns": [KEEP_LARGEST] * 2,
        "postprocessing_kwargs": [{"labels_or_regions": [1, 2]}, {"labels_or_regions": 3}],
    }
    path = trained / "crossval_results_folds_0" / "postprocessing.json"
    assert left_out(trained, steps, capsys) == (
        f"{trained}: nnU-Net's post-processing (largest component of 1+2; largest component of 3) "
        f"is not packed: take it over by lab import-rules {path}\n"
    )


def test_a_file_that_cannot_be_followed_is_named(trained, capsys):
    printed = left_out(trained, {"for_which_classes": [0]}, capsys)
    assert "not understood: for_which_classes: 0 is no label value" in printed


@pytest.mark.parametrize(
    "content", [{"for_which_classes": []}, {"rules": []}, "[", "[]", "[" * 10**5]
)
def test_nothing_is_said_of_a_decision_to_change_nothing_or_another_s_file(
    trained, content, capsys
):
    assert left_out(trained, content, capsys) == ""
