"""nnU-Net's post-processing becomes rules that give the labels that nnU-Net gives."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.__main__ import main
from lab.data.nnunet_postprocessing import KEEP_LARGEST
from lab.rule_search.nnunet_rules import rules_from_nnunet
from postprocess.apply_rules import apply_rules
from postprocess.rule_kinds import rule_from
from postprocess.rules_by_size import KeepLargest

MM = (1.0, 1.0, 1.0)
GLI, PANTHER = SCHEMES["brats-gli"], SCHEMES["panther-t1"]


def decided(*label_sets):
    """What nnU-Net 2 writes, without its scores."""
    return {
        "postprocessing_fns": [KEEP_LARGEST] * len(label_sets),
        "postprocessing_kwargs": [{"labels_or_regions": s} for s in label_sets],
    }


def rules_of(content, scheme=GLI):
    return rules_from_nnunet(content, scheme.labels, scheme)


def test_a_set_of_labels_is_a_label_a_region_or_the_foreground():
    assert rules_of(decided([1, 2, 3, 4], 4, [3, 1])) == [
        KeepLargest(region="foreground", k=1, ties="all"),
        KeepLargest("RC", k=1, ties="all"),
        KeepLargest(region="TC", k=1, ties="all"),
    ]
    (rule,) = rules_of({"for_which_classes": [[1, 2, 3]]})
    assert rule == KeepLargest(region="WT", k=1, ties="all", connectivity=6)


def test_values_are_those_of_the_training():
    medical_decathlon = {"pancreas": 1, "tumour": 2}
    (rule,) = rules_from_nnunet(decided(1), medical_decathlon, PANTHER)
    assert rule.label == "pancreas"


def test_a_set_that_is_no_region_is_refused_by_name():
    with pytest.raises(Refusal, match="ET, SNFH together are no region of brats-gli"):
        rules_of(decided([2, 3]))
    with pytest.raises(Refusal, match="label 5 is not one of the training: 1 NETC, 2 SNFH"):
        rules_of(decided(5))


# Few labels in a small box: many components of equal size.
MAPS = st.integers(0, 10**6).map(
    lambda seed: (
        np.random.default_rng(seed)
        .choice(5, (5, 6, 7), p=[0.6, 0.1, 0.1, 0.1, 0.1])
        .astype(np.uint8)
    )
)
SETS = st.lists(st.sampled_from([1, 2, 3, 4, [1, 3], [1, 2, 3], [1, 2, 3, 4]]), max_size=4)


@settings(max_examples=60, deadline=None)
@given(labels=MAPS, label_sets=SETS)
def test_labels_equal_those_of_nnunet_2(labels, label_sets):
    from nnunetv2.postprocessing.remove_connected_components import (
        apply_postprocessing,
        remove_all_but_largest_component_from_segmentation,
    )

    content = decided(*label_sets)
    steps = [remove_all_but_largest_component_from_segmentation] * len(label_sets)
    expected = apply_postprocessing(labels, steps, content["postprocessing_kwargs"])
    assert np.array_equal(apply_rules(labels, rules_of(content), GLI, MM).labels, expected)


@settings(max_examples=60, deadline=None)
@given(labels=MAPS, label_sets=SETS)
def test_labels_equal_those_of_nnunet_1(labels, label_sets):
    expected = labels.copy()
    for values in label_sets:
        mask = np.isin(expected, values)
        ids, n = ndimage.label(mask)
        sizes = ndimage.sum_labels(mask, ids, range(n + 1))
        if n:
            expected[mask & (sizes[ids] < sizes[1:].max())] = 0
    rules = rules_of({"for_which_classes": label_sets})
    assert np.array_equal(apply_rules(labels, rules, GLI, MM).labels, expected)


# The verb


def import_rules(path, out, *options):
    words = ["import-rules", str(path), "--scheme", "brats-gli", "--out", str(out), *options]
    return main(words)


def rules_in(out):
    return [rule_from(row, GLI) for row in json.loads(out.read_text())["all"]]


@pytest.fixture
def results(tmp_path):
    """A cross-validation folder of nnU-Net whose training numbered labels as the challenge does."""
    folder = tmp_path / "trained" / "crossval_results_folds_0_1_2_3_4"
    folder.mkdir(parents=True)
    labels = {"background": 0, "NETC": 1, "SNFH": 2, "ET": 3, "RC": 4}
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    (folder / "postprocessing.json").write_text(json.dumps(decided(3)))
    return folder


def test_the_verb_reads_the_labels_of_the_dataset_beside_the_file(results, tmp_path, capsys):
    path, out = results / "postprocessing.json", tmp_path / "rules.json"
    assert import_rules(path, out) == 0
    assert rules_in(out) == [KeepLargest("ET", k=1, ties="all")]
    printed = capsys.readouterr().out
    assert "labels 1 NETC, 2 SNFH, 3 ET, 4 RC (by " in printed
    assert "all: 1 rules" in printed


def test_the_dataset_may_lie_in_the_trained_folder(results, tmp_path):
    (results / "dataset.json").rename(results.parent / "dataset.json")
    labels = {"background": 0, "ET": 1, "NETC": 2, "SNFH": 3, "RC": 4}
    (results.parent / "dataset.json").write_text(
        json.dumps({"labels": labels, "prepared_from": "brats"})
    )
    assert import_rules(results / "postprocessing.json", tmp_path / "rules.json") == 0
    assert rules_in(tmp_path / "rules.json") == [KeepLargest("SNFH", k=1, ties="all")]


def test_names_that_may_be_wrong_need_labels(results, tmp_path, capsys):
    labels = {"background": 0, "ET": 1, "NETC": 2, "SNFH": 3, "RC": 4}
    (results / "dataset.json").write_text(json.dumps({"labels": labels}))
    path, out = results / "postprocessing.json", tmp_path / "rules.json"
    assert import_rules(path, out) == 2
    assert "--labels ET=1,NETC=2,SNFH=3,RC=4 or --labels NETC=1" in capsys.readouterr().err
    assert import_rules(path, out, "--labels", "ET=1,NETC=2,SNFH=3,RC=4") == 0
    assert rules_in(out) == [KeepLargest("SNFH", k=1, ties="all")]


def test_without_a_dataset_the_values_are_the_challenge_s_and_the_verb_says_so(tmp_path, capsys):
    path, out = tmp_path / "postprocessing.json", tmp_path / "rules.json"
    path.write_text(json.dumps(decided(3)))
    assert import_rules(path, out) == 0
    assert rules_in(out) == [KeepLargest("ET", k=1, ties="all")]
    assert "those of brats-gli, since no dataset.json lies beside it" in capsys.readouterr().out
    assert import_rules(path, out, "--labels", "ET=1,SNFH=3") == 0
    assert rules_in(out) == [KeepLargest("SNFH", k=1, ties="all")]


def test_a_decision_to_change_nothing_is_said(results, tmp_path, capsys):
    (results / "postprocessing.json").write_text(json.dumps(decided()))
    assert import_rules(results / "postprocessing.json", tmp_path / "rules.json") == 0
    assert rules_in(tmp_path / "rules.json") == []
    assert "nnU-Net decided to change nothing" in capsys.readouterr().out


def test_a_pickle_and_other_files_are_refused_by_name(results, tmp_path, capsys):
    out, pickle = tmp_path / "rules.json", results / "postprocessing.pkl"
    pickle.write_bytes(b"\x80")
    assert import_rules(pickle, out) == 2
    assert "postprocessing.pkl: a pickle is not opened; give postprocessing.json" in (
        capsys.readouterr().err
    )
    other = tmp_path / "steps.json"
    other.write_text("[]")
    assert import_rules(other, out, "--labels", "ET=1") == 2
    assert "--labels is for nnU-Net's postprocessing.json" in capsys.readouterr().err
    files = [str(results / "postprocessing.json"), str(other)]
    assert main(["import-rules", *files, "--scheme", "brats-gli", "--out", str(out)]) == 2
    assert "can be merged with other files" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.slow
def test_what_nnunet_itself_decides_and_applies_is_imported(tmp_path):
    """nnU-Net determines post-processing of eight cases with false islands, and applies it."""
    import SimpleITK
    from nnunetv2.postprocessing.remove_connected_components import determine_postprocessing

    rng = np.random.default_rng(0)
    folders = [tmp_path / name for name in ("predictions", "references")]
    for folder in folders:
        folder.mkdir()
    for i in range(8):
        reference = np.zeros((12, 14, 16), np.uint8)
        reference[2:7, 2:8, 2:9] = 2
        reference[3:6, 3:6, 3:7] = 3
        prediction = reference.copy()
        prediction[tuple(rng.integers(8, 11, 3))] = 3
        for folder, labels in zip(folders, (prediction, reference), strict=True):
            image = SimpleITK.GetImageFromArray(labels)
            SimpleITK.WriteImage(image, str(folder / f"case_{i}.nii.gz"))
    dataset = {
        "labels": {"background": 0, "NETC": 1, "SNFH": 2, "ET": 3, "RC": 4},
        "file_ending": ".nii.gz",
        "channel_names": {"0": "t1c"},
    }
    plans = {"image_reader_writer": "SimpleITKIO", "configurations": {}, "plans_name": "p"}
    (folders[0] / "dataset.json").write_text(json.dumps(dataset))
    (folders[0] / "plans.json").write_text(json.dumps(plans))
    steps, _ = determine_postprocessing(*map(str, folders), plans, dataset, 1)
    assert steps

    out = tmp_path / "rules.json"
    assert import_rules(folders[0] / "postprocessing.json", out) == 0
    rules = rules_in(out)
    assert rules
    for i in range(8):
        predicted, expected = (
            SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(f / f"case_{i}.nii.gz")))
            for f in (folders[0], folders[0] / "postprocessed")
        )
        assert (predicted != expected).any()
        assert np.array_equal(apply_rules(predicted, rules, GLI, MM).labels, expected)
