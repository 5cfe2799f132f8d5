"""splits_final.json: what is read, and what would predict a case with a network that saw it."""

import json
from pathlib import Path
from typing import Any

import pytest

from challenge.refusal import Refusal
from lab.member_selection.splits import read_splits

COHORT = ("a", "b", "c")


def written(folder: Path, content: Any) -> Path:
    path = folder / "splits_final.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("folds", [1, 3])
def test_any_number_of_folds(folds: int, tmp_path: Path) -> None:
    splits = [
        {"train": [other for other in COHORT if other != id], "val": [id]} for id in COHORT[:folds]
    ]
    assert read_splits(written(tmp_path, splits), COHORT) == splits


def test_further_entries_of_a_fold_are_passed_over(tmp_path: Path) -> None:
    splits = [{"split_id": "centre_1", "train": ["a"], "val": ["b"], "test": ["c"]}]
    assert read_splits(written(tmp_path, splits), COHORT) == splits


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"train": ["a"], "val": ["a"]}], "a trained on and validated alike"),
        ([{"train": ["a"], "val": ["b"]}, {"train": ["c"], "val": ["b"]}], "b validated twice"),
        ([{"train": ["a"], "val": ["b.nii.gz"]}], "b.nii.gz not in the cohort"),
        # Ids that a script wrote as numbers ended in a traceback; a text was read letter by letter.
        ([{"train": [10001], "val": [10002]}], r"\[10001\] is no list of case ids"),
        ([{"train": ["a"], "val": "b"}], "b is no list of case ids"),
        ([{"train": ["a"], "validation": ["b"]}], "not nnU-Net's splits .*val"),
        ({"fold_0": {"train": ["a"], "val": ["b"]}}, "not nnU-Net's splits"),
        ([["a"], ["b"]], "not nnU-Net's splits"),
        (None, "not nnU-Net's splits"),
    ],
)
def test_splits_that_are_refused(content: Any, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(Refusal, match=rf"splits_final.json: .*{message}"):
        read_splits(path, COHORT)
