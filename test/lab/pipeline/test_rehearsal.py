"""Cases are handed to the program as their platform hands them out, whatever a team calls them."""

from pathlib import Path

import files
import numpy as np
import pytest

from challenge.case import CaseFiles
from challenge.scheme import SCHEMES, other_challenge
from lab.data.cohort import CohortCase
from lab.pipeline.rehearsal import lay_out
from lab.submission.file_names import READINGS


def cases_of(folder: Path, sequences: tuple[str, ...]) -> list[CohortCase]:
    cases = []
    for id in ("site7_A", "site7_B"):
        images = {s: folder / f"{id}_{s}.nii.gz" for s in sequences}
        for path in images.values():
            files.write_nifti(path, files.head())
        case = CaseFiles(id, images, sequences[0], Path(f"{id}.nii.gz"), "")
        cases.append(CohortCase(case, folder / f"{id}.nii.gz", np.zeros(256, np.uint8)))
    return cases


@pytest.mark.parametrize("name", [n for n, scheme in SCHEMES.items() if not scheme.has_sockets])
def test_every_platforms_program_reads_the_numbers_of_cases(tmp_path: Path, name: str) -> None:
    scheme = SCHEMES[name]
    (folders,) = lay_out(cases_of(tmp_path, scheme.sequences), scheme, tmp_path / "out")
    ids = sorted(path.name for path in folders.input.iterdir())
    assert len(ids) == 2
    for id in ids:
        images = sorted(path.name for path in (folders.input / id).iterdir())
        assert images == sorted(f"{id}-{s}.nii.gz" for s in scheme.sequences)
        assert all(rule.search(f"{id}.nii.gz") for rule in READINGS.values())
        assert other_challenge(id, scheme) is None


def test_a_socket_gets_one_case_at_a_time(tmp_path: Path) -> None:
    scheme = SCHEMES["panther-t1"]
    first, second = lay_out(cases_of(tmp_path, scheme.sequences), scheme, tmp_path / "out")
    images = [path for folders in (first, second) for path in folders.input.rglob("*.mha")]
    assert [path.parent.name for path in images] == ["abdominal-t1-mri"] * 2
    assert first.input != second.input
