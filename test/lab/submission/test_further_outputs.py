"""Probability maps, values and single masks are checked as strictly as the label map."""

from pathlib import Path

import files
import numpy as np
import pytest

from challenge.case import CaseFiles
from challenge.description import OutputSocket
from challenge.platforms import find_cases
from lab.submission.further_outputs import check_further_output

MAP = OutputSocket("chance", "probability", region="lesion")


@pytest.fixture
def case(tmp_path: Path) -> CaseFiles:
    (case,) = find_cases(files.write_isles_case(tmp_path / "in")).cases
    return case


def findings(case: CaseFiles, path: Path, socket: OutputSocket = MAP) -> list[str]:
    return [finding.line for finding in check_further_output("ab-12", path, socket, case)]


def chance(high: float = 1.0) -> np.ndarray:
    return np.linspace(0, high, 720, dtype=np.float32).reshape(8, 9, 10)


@pytest.mark.parametrize(
    ("array", "origin", "lines"),
    [
        (chance(), 0.0, []),
        (chance(1.5), 0.0, ["FAULT ab-12: chance: values from 0 to 1.5 are no probabilities"]),
        (chance() * np.nan, 0.0, ["FAULT ab-12: chance: values from nan to nan are no prob"]),
        (chance() * 0, 0.0, ["WARN ab-12: chance: every voxel is 0"]),
        (chance().astype(np.float64), 0.0, ["FAULT ab-12: chance: stored as float64, float32 exp"]),
        (chance(), 1.0, ["FAULT ab-12: chance: not the geometry of ab-12.mha: origin"]),
    ],
)
def test_a_probability_map(
    tmp_path: Path, case: CaseFiles, array: np.ndarray, origin: float, lines: list[str]
) -> None:
    path = files.write_metaimage(tmp_path / "chance.mha", array, origin=origin)
    got = findings(case, path)
    assert len(got) == len(lines)
    assert all(line.startswith(expected) for line, expected in zip(got, lines, strict=True))


def test_a_mask_of_one_label(tmp_path: Path, case: CaseFiles) -> None:
    socket = OutputSocket("mask", labels={"lesion": 7})
    mask = np.zeros((8, 9, 10), np.uint8)
    mask[0, 0, 0] = 7
    assert findings(case, files.write_metaimage(tmp_path / "a.mha", mask), socket) == []
    mask[0, 0, 1] = 1
    (line,) = findings(case, files.write_metaimage(tmp_path / "b.mha", mask), socket)
    assert line == "FAULT ab-12: mask: values other than 0, 7: [1]"


def test_a_value(tmp_path: Path, case: CaseFiles) -> None:
    socket = OutputSocket("volume", "value", region="lesion", value="volume-ml")
    (tmp_path / "volume.json").write_text("12.5")
    assert findings(case, tmp_path / "volume.json", socket) == []
    (tmp_path / "volume.json").write_text("12,5")
    (line,) = findings(case, tmp_path / "volume.json", socket)
    assert line.startswith("FAULT ab-12: volume.json: not JSON (")
