"""`lab pack` names post-processing of nnU-Net that it leaves out."""

import json

import pytest
from packer import pack_exit_code, train_softmax

from lab.data.nnunet_postprocessing import KEEP_LARGEST
from lab.packing.left_out_postprocessing import left_out


@pytest.fixture
def trained(tmp_path):
    source = train_softmax(tmp_path / "trained")
    (source / "crossval_results_folds_0").mkdir()
    return source


def lines(source, content):
    """Return what is said of one file of post-processing."""
    path = source / "crossval_results_folds_0" / "postprocessing.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return left_out(source, "mine")


def test_what_nnunet_decided_is_named_with_the_way_to_take_it_over(trained, tmp_path, capsys):
    steps = {
        "postprocessing_fns": [KEEP_LARGEST] * 2,
        "postprocessing_kwargs": [{"labels_or_regions": [1, 2]}, {"labels_or_regions": 3}],
    }
    line = (
        "mine: nnU-Net's post-processing (largest component of 1+2; largest component of 3) is not "
        "packed: take it over by lab import-rules mine/crossval_results_folds_0/postprocessing.json"
    )
    assert lines(trained, steps) == [line]
    assert pack_exit_code(trained, tmp_path / "weights") == 0
    assert line.replace("mine", str(trained)) in capsys.readouterr().out


def test_a_file_that_cannot_be_followed_is_named(trained):
    (line,) = lines(trained, {"for_which_classes": [0]})
    assert "not understood: for_which_classes: 0 is no label value" in line


@pytest.mark.parametrize(
    "content", [{"for_which_classes": []}, {"rules": []}, "[", "[]", "[" * 10**5]
)
def test_nothing_is_said_of_a_decision_to_change_nothing_or_another_s_file(trained, content):
    assert lines(trained, content) == []
