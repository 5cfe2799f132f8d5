"""What is corrupted, and that a drop shows in Dice; the prediction is a function of this test."""

from dataclasses import replace

import numpy as np
import pytest

from challenge.case import Case
from challenge.scheme import MRI_SEQUENCES
from lab.stress.robustness import biased, corrupted_cases, corruptions, noisy, rows_of, thick


@pytest.fixture
def case() -> Case:
    rng = np.random.default_rng(0)
    images = {s: np.zeros((24, 26, 28), np.float32) for s in MRI_SEQUENCES}
    for image in images.values():
        image[3:21, 4:22, 5:23] = rng.normal(100, 3, (18, 18, 18))
        image[8:14, 8:14, 8:14] = 200
    return Case("a", images, (1.0, 1.0, 1.0))


def of_flair(case: Case) -> np.ndarray:
    """Predict by FLAIR alone, whatever its unit: what is well above the head's median."""
    image = case.images["t2f"]
    return image > 1.5 * np.median(image[image != 0])


def test_rows_by_hand(case: Case) -> None:
    rows = {row.name: row for row in rows_of(case, of_flair)}
    assert len(rows) == 1 + corruptions(len(case.images))  # what the bar counts to
    assert len(rows) == 1 + 4 * 4 + 3
    assert rows["clean"].volume_ml == pytest.approx(0.216)  # 6 x 6 x 6 mm
    for name in ("t2f x 0.1", "t2f x 10", "t1c moved by 2 voxels", "t1n bias field"):
        assert rows[name].dice == 1.0
    assert rows["t2f moved by 2 voxels"].dice == pytest.approx(4 / 6)  # 2 of 6 rows are off
    assert 0.9 < rows["all noise, SNR 10"].dice <= 1.0


def test_one_sequence_is_corrupted_at_a_time_and_the_case_stays_as_it_was(case: Case) -> None:
    before = {s: image.copy() for s, image in case.images.items()}
    for name, corrupted in corrupted_cases(case):
        changed = [s for s in MRI_SEQUENCES if not np.array_equal(corrupted.images[s], before[s])]
        assert changed == (list(MRI_SEQUENCES) if name.startswith("all") else [name.split()[0]]), (
            name
        )
    for sequence, image in case.images.items():
        np.testing.assert_array_equal(image, before[sequence])


def test_a_missing_sequence_is_not_corrupted(case: Case) -> None:
    case.images["t1n"][:] = 0
    lacking = replace(case, missing_sequences=("t1n",))
    rows = dict(corrupted_cases(lacking))
    assert len(rows) == 3 * 4 + 3
    assert not any(name.startswith("t1n") for name in rows)
    assert not any(corrupted.images["t1n"].any() for corrupted in rows.values())


def test_how_much_is_corrupted(case: Case) -> None:
    image = case.images["t1n"]
    inside = image != 0
    noise = (noisy(image, case) - image)[inside]
    assert noise.std() == pytest.approx(image[inside].mean() / 10, rel=0.05)
    assert not noisy(image, case)[~inside].any()
    shade = biased(image, case)[inside] / image[inside]
    assert 1.2 < shade.max() / shade.min() < 4
    slices = thick(np.where(inside, np.float32(100), np.float32(0)), case)
    assert slices[12, 12, 12] == pytest.approx(100)  # what is even stays
    assert slices[3, 12, 12] < 100  # the head's end is averaged with what is outside
