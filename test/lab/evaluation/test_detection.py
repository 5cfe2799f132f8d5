"""Patients with a region who are hit or missed, and patients without it who get one."""

import json
import math
from pathlib import Path

import files
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.__main__ import main as lab
from lab.evaluation.detection import detection_lines, wilson_rate

AFFINE = np.diag([-10.0, 10.0, 10.0, 1.0])
# Six patients of PANTHER: tumour of the reference and of the prediction, as cubes by first corner
# and edge in voxels of 10 mm, so that a voxel is 1 mL; None: no tumour, "absent": no file.
PATIENTS = {
    "hit by one voxel": ((2, 3), (4, 3)),
    "missed, another place": ((0, 2), (6, 2)),
    "missed, nothing predicted": ((0, 1), None),
    "healthy": (None, None),
    "healthy, false": (None, (5, 3)),
    "no prediction": ((0, 4), "absent"),
}


def cube(corner_and_edge: tuple[int, int] | None, around: int) -> np.ndarray:
    labels = np.full((9, 9, 9), around, np.uint8)
    if corner_and_edge:
        corner, edge = corner_and_edge
        labels[(slice(corner, corner + edge),) * 3] = 1
    return labels


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    for number, (reference, prediction) in enumerate(PATIENTS.values()):
        name = f"1000{number}_0001.nii.gz"
        files.write_nifti(tmp_path / "references" / name, cube(reference, 2), AFFINE)
        if prediction != "absent":
            files.write_nifti(tmp_path / "predictions" / name, cube(prediction, 0), AFFINE)
    return tmp_path


@pytest.mark.parametrize(
    "scorer", [("voxel", "--scheme=panther-t1"), ("panther",)], ids=["voxel", "panther"]
)
def test_patients_with_a_tumour_and_without_are_counted_apart(
    scorer: tuple[str, ...], cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the scorer; a patient without a prediction is neither missed nor right."""
    folders = [f"--{name}={cohort / name}" for name in ("predictions", "references")]
    assert lab(["evaluate", "--scorer", *scorer, *folders, f"--out={cohort / 'r.json'}"]) == 0
    content = json.loads((cohort / "r.json").read_text())["detection"]
    assert list(content) == ["tumour"]  # predictions hold no pancreas, which is no error
    row = content["tumour"]
    assert (row["n_with"], row["n_hit"], row["n_without"], row["n_false"]) == (3, 1, 2, 1)
    assert row["missed_ml"] == pytest.approx((8 + 1) / 2)
    assert row["false_ml"] == pytest.approx(27)
    assert row["sensitivity"]["value"] == pytest.approx(1 / 3)
    assert row["false_rate"]["value"] == 0.5
    printed = next(
        line.split()
        for line in capsys.readouterr().out.partition("patients with a region")[2].splitlines()
        if line.startswith("tumour")
    )
    rates = "tumour 3 1 0.333 [0.061, 0.792] 4.50 2 1 0.500 [0.095, 0.905] 27.00"
    assert " ".join(printed) == rates


def test_a_rate_of_no_patients_has_no_number() -> None:
    rate = wilson_rate(0, 0)
    assert all(math.isnan(value) for value in vars(rate).values())
    assert detection_lines(()) == []


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(count: int, n: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17, table I, score method without correction."""
    rate = wilson_rate(count, n)
    assert (rate.low, rate.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=15)
def test_at_its_ends_the_score_test_is_on_the_verge_of_rejecting(pair: tuple[int, int]) -> None:
    count, n = pair
    rate = wilson_rate(count, n)
    for end in (rate.low, rate.high):
        if 1e-9 < end < 1 - 1e-9:
            z = abs(rate.value - end) / math.sqrt(end * (1 - end) / n)
            assert z == pytest.approx(1.959964, abs=1e-4)
