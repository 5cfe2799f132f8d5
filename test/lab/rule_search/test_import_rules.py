"""`python -m lab import-rules` converts files and refuses what has no counterpart."""

import json
import re

import pytest

from lab.__main__ import main

SIZES = {"BraTS-PED": {"cluster_0": {"label_1": {"th": 5}, "label_2": {"th": 0}}}}
SHARES = {"BraTS-PED": {"cluster_0": {"label_4": {"th": 0.5, "redefine_to": 2}}}}
STEPS = [
    {
        "transform": "remove_small_objects",
        "apply_to_labels": [3],
        "per_label": True,
        "kwargs": {"small_object_threshold": 9},
    }
]
ROWS = {
    "cluster_0": [
        {"kind": "remove-small", "label": "ET", "becomes": "background", "min_voxels": 5},
        {"kind": "relabel-minor", "label": "ED", "becomes": "NETC", "min_share": 0.5},
    ]
}


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def convert(*args):
    return main(["import-rules", *map(str, args)])


def test_two_tables_become_one_file_of_rules_and_come_back(write, tmp_path, capsys):
    out, folder = tmp_path / "rules.json", tmp_path / "back"
    files = write("cc.json", SIZES), write("redefine.json", SHARES)
    assert convert(*files, "--scheme", "brats-ped", "--out", out) == 0
    assert json.loads(out.read_text()) == ROWS
    assert "cluster_0: 2 rules" in capsys.readouterr().out
    back = ("--scheme", "brats-ped", "--export", "hope", "--task", "BraTS-PED", "--out", folder)
    assert convert(out, *back) == 0
    assert json.loads((folder / "lblredef_thresholds_cv.json").read_text()) == SHARES
    sizes = json.loads((folder / "cc_thresholds_cv.json").read_text())["BraTS-PED"]["cluster_0"]
    assert {key: row["th"] for key, row in sizes.items()} == {
        "label_1": 5,
        "label_2": 0,
        "label_3": 0,
        "label_4": 0,
    }


def test_a_strategy_comes_and_goes(write, tmp_path):
    out, folder = tmp_path / "rules.json", tmp_path / "back"
    assert convert(write("strategy.json", STEPS), "--scheme", "brats-gli", "--out", out) == 0
    row = {"kind": "remove-small", "label": "ET", "becomes": "background", "min_voxels": 9}
    assert json.loads(out.read_text()) == {"all": [row]}
    assert convert(out, "--scheme", "brats-gli", "--export", "mist", "--out", folder) == 0
    assert json.loads((folder / "all.json").read_text()) == STEPS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ([{"transform": "smooth"}], "step 0: smooth"),
        ({"BraTS-PED": {"cluster_0": {"label_7": {"th": 5}}}}, "cluster_0 label_7: label 7"),
        (3, "should be an object"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(write, tmp_path, content, message, capsys):
    flags = ("--scheme", "brats-ped", "--out", tmp_path / "x")
    assert convert(write("wrong.json", content), *flags) == 2
    assert re.search(f"wrong.json: .*{message}", capsys.readouterr().err)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": [{"kind": "remove-all"}]}, "rules.json: not a rule of a known kind"),
        ({"a": 5}, "rules.json: not an object with a list"),
        ([], "rules.json: not an object with a list"),
        ({"a": [{"kind": "keep-one", "region": "WT"}]}, "rules.json: a: .*no keep-one"),
        ({"../a": []}, "cannot be a file name"),
    ],
)
def test_rules_that_cannot_be_written_are_named(write, tmp_path, content, message, capsys):
    out = tmp_path / "x"
    flags = ("--scheme", "brats-ped", "--export", "mist", "--out", out)
    assert convert(write("rules.json", content), *flags) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not out.exists()


def test_one_strategy_and_one_rules_file_at_a_time(write, tmp_path, capsys):
    rest = ("--scheme", "brats-gli", "--out", tmp_path / "x")
    assert convert(write("a.json", STEPS), write("b.json", STEPS), *rest) == 2
    assert "only HOPE's tables can be merged with other files" in capsys.readouterr().err
    assert convert(write("a.json", {}), write("b.json", {}), *rest, "--export", "mist") == 2
    assert "one file at a time" in capsys.readouterr().err
