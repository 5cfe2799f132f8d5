"""Features of a training case: what cannot be described is a reason, never the end of the run."""

import json
from pathlib import Path

import files
import numpy as np
import pytest
import tiny

from challenge.case import CaseFiles
from challenge.scheme import SCHEMES
from lab.data.cohort import CohortCase, read_cohort
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.features import available_features, describe_case, describe_cohort
from lab.rule_search.workspace import Setup

ID = "BraTS-GLI-00001-100"


@pytest.fixture
def case(tmp_path: Path) -> CohortCase:
    """A case without t2w, and the prediction of it."""
    present = ("t1n", "t1c", "t2f")
    home = files.write_brats_case(tmp_path / "scans", ID, sequences=present)
    labels = np.zeros((18, 22, 20), np.uint8)
    labels[5:12, 6:13, 5:12] = 2
    labels[7:9, 8:10, 7:9] = 3
    for folder in ("labels", "predictions"):
        files.write_nifti(tmp_path / folder / f"{ID}.nii.gz", labels)
    scans = {sequence: home / f"{ID}-{sequence}.nii.gz" for sequence in present}
    case_files = CaseFiles(ID, scans, "t1c", Path(f"{ID}.nii.gz"), "brats-gli", ("t2w",))
    table = np.arange(256, dtype=np.uint8)
    return CohortCase(case_files, tmp_path / "labels" / f"{ID}.nii.gz", table)


@pytest.mark.parametrize("config", SEARCH_CONFIGS)
def test_a_missing_sequence_is_a_reason(case: CohortCase, config: str) -> None:
    folder = case.reference.parents[1]
    setup = Setup("brats-gli", config, str(folder), str(folder / "predictions"), None, ())
    names = available_features(setup, has_values=False)
    values, reason = describe_case(case, names, setup)
    assert reason == "no image of sequence t2w"
    assert np.isnan(values).all()
    others = tuple(name for name in names if not name.startswith("t2w_"))
    values, reason = describe_case(case, others, setup)
    assert (reason, np.isfinite(values).all()) == ("", True)
    assert len(names) == len(others) + 93
    assert set(SCHEMES["brats-gli"].sequences) - set(case.files.images) == {"t2w"}


def test_numbers_of_a_cohorts_json_inputs_are_features(tmp_path: Path) -> None:
    """As the program reads them at run time; a missing one is what the challenge says."""
    folder = tmp_path / "Dataset601_Stroke"
    labels = np.zeros((18, 22, 20), np.uint8)
    labels[5:12, 6:13, 5:12] = 1
    for id in ("sub-1", "sub-2"):
        files.write_nifti(folder / "imagesTr" / f"{id}_0000.nii.gz", files.head())
        for home in (folder / "labelsTr", tmp_path / "predictions"):
            files.write_nifti(home / f"{id}.nii.gz", labels)
    description = tiny.dataset({"background": 0, "lesion": 1}, ["T1w"])
    (folder / "dataset.json").write_text(json.dumps(description))
    (folder / "valuesTr").mkdir()
    value = folder / "valuesTr" / "sub-1_stroke-metadata.json"
    value.write_text('{"CENTER": "R001", "CHRONICITY": null, "DAYS_POST_STROKE": 471.0}')
    setup = Setup("isles-2026", "validated", str(folder), str(tmp_path / "predictions"), None, ())
    table = describe_cohort(read_cohort(folder, SCHEMES["isles-2026"]), setup)
    numbers = [name for name in table.names if name.startswith("input_")]
    assert numbers == ["input_stroke-metadata.CHRONICITY", "input_stroke-metadata.DAYS_POST_STROKE"]
    columns = [table.names.index(name) for name in numbers]
    assert table.rows[:, columns].tolist() == [[-1.0, 471.0], [-1.0, -1.0]]
