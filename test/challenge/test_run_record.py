"""What is written for a finished case and what the record says of it and of the run."""

import json
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest

from challenge.case import CaseFiles, read_case
from challenge.case_outputs import Answer, OutputFolders
from challenge.run_record import SCHEMA, Run, write_case, write_record
from challenge.scheme import SCHEMES

GLI, SSA = SCHEMES["brats-gli"], SCHEMES["brats-ssa"]


@pytest.fixture
def case_files(tmp_path: Path) -> CaseFiles:
    """One scan of 4 x 5 x 6 voxels (x, y, z) of 2 x 3 x 4 mm."""
    scan = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
    path = files.write_nifti(tmp_path / "x-t1c.nii.gz", scan, np.diag([-2.0, -3.0, 4.0, 1.0]))
    return CaseFiles("x", {"t1c": path}, "t1c", Path("x.nii.gz"), "brats-ped", unused=("t2w",))


def test_labels_of_the_challenge_are_written_and_others_are_recorded(
    tmp_path: Path, case_files: CaseFiles
) -> None:
    """A model with a resection cavity for a challenge without one."""
    labels = np.zeros((6, 5, 4), np.uint8)  # z, y, x
    labels[0, 0, :3] = GLI.labels["ET"]
    labels[5, 4, 2:] = GLI.labels["RC"]
    case = read_case(case_files)
    outcome = write_case(Answer(labels, GLI), case, case_files, SSA, OutputFolders(tmp_path))
    written = nibabel.load(tmp_path / "x.nii.gz").get_fdata()
    assert written[:, 0, 0].tolist() == [SSA.labels["ET"]] * 3 + [0]
    assert np.count_nonzero(written) == 3
    assert outcome == {
        "scheme": "brats-ssa",
        "named_scheme": "brats-ped",
        "output": "x.nii.gz",
        "further_outputs": [],
        "probability_maps": [],
        "input_values": {},
        "output_values": {},
        "missing_sequences": [],
        "unused_sequences": ["t2w"],
        "further_inputs": [],
        "orientation": "LPS",
        "remarks": [],
        "volumes_mm3": {"NETC": 0.0, "SNFH": 0.0, "ET": 72.0},
        "unwritten_mm3": {"RC": 48.0},
    }


def test_a_record_has_a_schema_number_and_its_cases_in_order(tmp_path: Path) -> None:
    outcomes = {"b": {"error": "a reason"}, "a": {"model": "m"}}
    device = {"device": {"type": "cuda", "card": "T4"}, "networks": {"m/fold_0": {"batch": 8}}}
    run = Run("brats-folder", {"m": ["m/fold_0"]}, {"read": 1.23456}, device)
    write_record(tmp_path / "r.json", run, outcomes)
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["schema"] == SCHEMA == 2
    assert record["device"] == {"type": "cuda", "card": "T4"}
    assert record["networks"] == {"m/fold_0": {"batch": 8}}
    assert record["models"] == {"m": ["m/fold_0"]}
    assert record["seconds"] == {"read": 1.235}
    assert record["peak_memory_mib"] > 0
    assert list(record["cases"]) == ["a", "b"]
    assert record["cases"]["b"] == {"error": "a reason"}
