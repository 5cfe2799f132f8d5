"""Features of a training case: what cannot be described is a reason, never the end of the run."""

from pathlib import Path

import files
import numpy as np
import pytest

from challenge.case import CaseFiles
from challenge.scheme import SCHEMES
from lab.data.cohort import CohortCase
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.features import available_features, describe_case
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
    names = available_features(setup)
    values, reason = describe_case(case, names, setup)
    assert reason == "no image of sequence t2w"
    assert np.isnan(values).all()
    others = tuple(name for name in names if not name.startswith("t2w_"))
    values, reason = describe_case(case, others, setup)
    assert (reason, np.isfinite(values).all()) == ("", True)
    assert len(names) == len(others) + 93
    assert set(SCHEMES["brats-gli"].sequences) - set(case.files.images) == {"t2w"}
