"""Inputs and outputs that are good in every respect, for tests that break one thing."""

import json
import shutil
from pathlib import Path

import files
import numpy as np
import pytest
import report_cases
import tiny
from outputs import FIRST, SECOND, Say, ball, cohort, write_all

from lab.__main__ import main
from lab.evaluation.results import write_json

RECIPE = Path(__file__).resolve().parents[2] / "lab" / "recipes" / "phantom_augmentation.sh"
ID = "BraTS-GLI-00001-000"


@pytest.fixture
def brats(tmp_path: Path) -> Path:
    return cohort(tmp_path, FIRST, SECOND)


@pytest.fixture
def panther(tmp_path: Path) -> Path:
    files.write_panther_case(tmp_path / "input")
    (tmp_path / "output").mkdir()
    write_all(tmp_path, ball())
    return tmp_path


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run the verb on folder/input and folder/output; return exit code and lines of stdout."""

    def run(folder: Path, platform: str = "brats", *options: str) -> tuple[int, list[str]]:
        paths = ["--input", str(folder / "input"), "--output", str(folder / "output")]
        capsys.readouterr()
        code = main(["check", "--platform", platform, *paths, *options])
        return code, capsys.readouterr().out.splitlines()

    return run


@pytest.fixture(scope="session")
def valid_paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files and folders that verbs can use, by name; tests read them and write elsewhere."""
    home = tmp_path_factory.mktemp("good")
    files.write_brats_case(home / "brats" / ID, ID)
    labels = (files.head() > 500).astype(np.uint8)
    files.write_nifti(home / "brats" / ID / f"{ID}-seg.nii.gz", labels)
    for channel in range(4):
        files.write_nifti(
            home / "cohort" / "imagesTr" / f"a_{channel:04d}.nii.gz", files.head(channel)
        )
    files.write_nifti(home / "cohort" / "labelsTr" / "a.nii.gz", labels)
    (home / "cohort" / "dataset.json").write_text(json.dumps(tiny.dataset()))
    shutil.copytree(home / "cohort" / "labelsTr", home / "predictions")
    source = tiny.train(home / "trained", tiny.plans(), tiny.dataset())
    words = ["--model", "m", "--scheme", "brats-gli", "--out", str(home / "weights")]
    assert main(["pack", str(source), *words]) == 0
    candidate = {
        "schema": 2,
        "name": "c",
        "scheme": "brats-gli",
        "members_of": {"a": ["fold_0"]},
        "case_s": 1.0,
        "model": None,
        "head": {
            "kind": "softmax",
            "channels": [[], ["NETC"], ["SNFH"], ["ET"], ["RC"]],
            "paints": ["", "NETC", "SNFH", "ET", "RC"],
        },
    }
    (home / "candidate").mkdir()
    (home / "candidate" / "candidate.json").write_text(json.dumps(candidate))
    row = {"kind": "remove-small", "label": "ET", "becomes": "background", "min_voxels": 5}
    (home / "rules.json").write_text(json.dumps({"a": [row]}))
    table = {"GLI": {"cluster_0": {"label_3": {"th": 5}}}}
    (home / "tables.json").write_text(json.dumps(table))
    for name in ("results", "other"):
        tables = {id: report_cases.table((1, 1, 9), (0, 0, 99)) for id in "ab"}
        write_json(report_cases.results(tables), home / f"{name}.json")
    return {
        "brats": home / "brats",
        "cohort": home / "cohort",
        "predictions": home / "predictions",
        "weights": home / "weights",
        "model": home / "weights" / "m",
        "candidate": home / "candidate",
        "results": home / "results.json",
        "other": home / "other.json",
        "recipe": RECIPE,
        "labels": home / "cohort" / "labelsTr" / "a.nii.gz",
        "rules": home / "rules.json",
        "tables": home / "tables.json",
    }
