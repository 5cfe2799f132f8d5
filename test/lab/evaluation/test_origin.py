"""Where label maps come from decides what is a problem of theirs."""

import json
from pathlib import Path

import files
import numpy as np
import pytest

from challenge.provenance import Provenance, content_sha256, write_provenance
from lab.__main__ import main as lab


@pytest.mark.parametrize("verb", ["out-of-fold", "search", ""])
def test_labels_that_rules_read_are_no_problem_on_the_way_to_a_submission(
    tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """PANTHER writes the tumour alone; a container that wrote the pancreas would be told so."""
    labels = np.zeros((4, 6, 8), np.uint8)
    labels[1:3, 1:4, 1:4], labels[1:3, 1:4, 5:7] = 1, 2
    for folder in ("predictions", "references"):
        files.write_nifti(tmp_path / folder / "a.nii.gz", labels)
    if verb:
        sha256 = content_sha256(tmp_path / "predictions")
        record = Provenance("label maps", "predictions", sha256, verb)
        write_provenance(tmp_path / "predictions", record)
    words = ["--predictions", str(tmp_path / "predictions"), "--out", str(tmp_path / "r.json")]
    references = ["--references", str(tmp_path / "references")]
    assert lab(["evaluate", "--scorer", "panther", *words, *references]) == 0
    err = capsys.readouterr().err
    problems = [p["kind"] for p in json.loads((tmp_path / "r.json").read_text())["problems"]]
    if verb:
        assert "1 maps hold labels that panther-t1 does not write, as `lab" in err
        assert problems == []
    else:
        assert "labels that are not written in panther-t1: 2 (12 voxels)" in err
        assert problems == ["unwritten"]
