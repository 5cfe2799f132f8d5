"""Chance is set: folds and seeds begin with weights of their own, and the same ones each time."""

import pytest

from lab.training.fold import FoldTraining, seed_of
from lab.training.trainers import Settings


@pytest.mark.parametrize(
    ("fold", "seed", "expected"), [(0, 0, 0), (3, 0, 3), ("all", 0, 0), (3, 2, 2003)]
)
def test_folds_and_seeds_begin_with_different_weights(
    fold: int | str, seed: int, expected: int
) -> None:
    settings = Settings.of({"seed": str(seed)})
    assert seed_of(FoldTraining("Dataset001_X", "iso", fold, "stage", settings)) == expected
