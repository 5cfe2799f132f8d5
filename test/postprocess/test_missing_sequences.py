"""Missing sequences and radiomic rules together, from folder to folder, in every setting."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import files
import pytest
import tiny
from cubes import make_artefacts

import inference
from lab.__main__ import main as lab
from lab.rule_search.config import SEARCH_CONFIGS
from postprocess.artefacts import save_artefacts
from postprocess.features import DEFAULT_SETTINGS

WHOLE, LACKING = "BraTS-GLI-00001-100", "BraTS-GLI-00002-100"
SETTINGS = {"default": DEFAULT_SETTINGS, **{name: r.settings for name, r in SEARCH_CONFIGS.items()}}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    source = tiny.train(folder / "trained", tiny.plans(), tiny.dataset())
    flags = ["--scheme", "brats-gli", "--accepts-missing", "--out", str(folder / "weights")]
    assert lab(["pack", str(source), "--model", "gli", *flags]) == 0
    return folder / "weights" / "gli"


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_whole_case_gets_its_cluster_and_the_one_with_a_gap_the_fallback(
    tmp_path: Path,
    packed: Path,
    settings: Mapping[str, Any],
    capfd: pytest.CaptureFixture[str],
) -> None:
    save_artefacts(packed, replace(make_artefacts(), settings=settings))
    files.write_brats_case(tmp_path / "in" / WHOLE, WHOLE)
    files.write_brats_case(tmp_path / "in" / LACKING, LACKING, sequences=("t1n", "t1c", "t2f"))
    (tmp_path / "out").mkdir()
    paths = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--weights", packed]
    assert inference.main([*map(str, paths), "--record", str(tmp_path / "r.json")]) == 0
    assert len([*(tmp_path / "out").iterdir()]) == 2
    cases = json.loads((tmp_path / "r.json").read_text())["cases"]
    whole, lacking = (cases[id]["postprocessing"] for id in (WHOLE, LACKING))
    assert (whole["fallback"], whole["cluster"] in (0, 1)) == (None, True)
    reason = "no image of sequence t2w"
    assert lacking["fallback"] == {"name": "pooled", "reason": reason}
    out = capfd.readouterr().out
    assert f"WARNING {LACKING}: {reason}; post-processing falls back to pooled" in out
    assert "GLCM" not in out  # what PyRadiomics logs, also where cases run side by side
