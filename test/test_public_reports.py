"""Inputs from public bug reports, each with a script that shows what the program does with it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import inference

pytestmark = pytest.mark.slow

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases"
# Case -> what its script must print, in this order, as regular expressions of whole lines.
EXPECTED: dict[str, tuple[str, ...]] = {
    "checkpoint-numpy1": ("pack exit 0", ".*: 1 members, .*"),
    "dataset-json-modality": ("pack exit 0", ".*: 1 members, .*"),
    "evaluate-sheared-affine": tuple(
        f"{scorer}: exit 0, result file yes, tracebacks 0"
        for scorer in ("2023-gli", "2025-gli", "voxel")
    ),
    "fold-all-beside-folds": (
        "pack exit 0",
        ".*: 1 members, .*",
        "inference exit 0",
        # The script's nnU-Net does not mirror, as packed models did not by default.
        "agreement with nnUNetPredictor: .*",
    ),
    "gap-and-radiomic-rules": (
        "pack exit 0",
        "inference exit 0",
        "WARNING .* falls back to pooled",
        "BraTS-GLI-00001-000.nii.gz",
        "BraTS-GLI-00002-000.nii.gz",
    ),
    "met-2025-cavity-dropped": ("pack exit 0", "inference exit 0", "labels written .* 4: .*"),
    "mha-metadata-line-break": ("pack exit 0", "SimpleITK reads .*", "inference exit 0"),
    "nifti-micrometres": ("SimpleITK reads .*0.9.*", "inference exit 0"),
    "nifti-quaternion-rounding": ("SimpleITK reads .*", "inference exit 0"),
    "normalisation-unknown": ("pack exit 2", ".*input/model: .*RGBTo01Normalization.*"),
    # The first of the four is a reader that reorients, which is followed.
    "pack-refusals-are-tracebacks": (
        "pack exit 0, tracebacks 0",
        "pack exit 2, tracebacks 0",
        r".*/b: --channels .*",
        "pack exit 2, tracebacks 0",
        r".*/b: --labels .*",
        "pack exit 2, tracebacks 0",
        r"--weight: 2 for 1 sources \(.*/b\)",
    ),
    "panther-tumour-only": ("pack exit 0", "inference exit 0"),
    "plans-own-preprocessor": ("pack exit 2", ".*input/model: plans.json: preprocessor_name .*"),
    "prepare-drops-cases": (
        ".*BraTS-GLI-00003-000 has scans and no labels.*",
        "prepare exit 1",
        "case folders 3, prepared 2",
    ),
    "slurm-multi-cluster": ("train --slurm exit 0", "submit exit 0", "--dependency=afterok:1"),
}
NEVER = {"panther-tumour-only": "swapped", "met-2025-cavity-dropped": "not written"}


@pytest.mark.parametrize("case", EXPECTED)
def test_what_a_public_report_found_wrong_is_right(case: str) -> None:
    if not (CASES / case).is_dir():
        pytest.skip(f"no case at {CASES / case}")
    done = subprocess.run(
        ["bash", CASES / case / "run.sh"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PODIUM": str(Path(inference.__file__).parent), "PY": sys.executable},
    )
    lines = iter(done.stdout.splitlines())
    for wanted in EXPECTED[case]:
        assert any(re.fullmatch(wanted, line) for line in lines), (wanted, done.stdout)
    assert "Traceback" not in done.stdout
    assert NEVER.get(case, "Traceback") not in done.stdout
