"""What a scorer sees of two files, and what is said about them."""

from pathlib import Path

import files
import numpy as np
import pytest

from challenge.scheme import SCHEMES
from lab.evaluation.label_pairs import Unscored, read_labels, read_pair
from lab.metrics.scorers import SCORERS

AFFINE = np.diag([0.5, 1.0, 2.0, 1.0])


def labels(value: float = 3, dtype: type = np.uint8) -> np.ndarray:
    array = np.zeros((6, 5, 4), dtype)
    array[1:4, 1:4, 1:3] = value
    return array


def write(folder: Path, name: str, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    return files.write_nifti(folder / f"{name}.nii.gz", array, affine)


def read(folder: Path, prediction: Path, scorer: str = "2025-ssa", scheme: str = "brats-ssa"):  # type: ignore[no-untyped-def]
    reference = write(folder, "reference", labels())
    return read_pair("k", (prediction, reference), SCORERS[scorer], SCHEMES[scheme])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_whole_numbers_are_uint8_in_z_y_x(dtype: type, tmp_path: Path) -> None:
    pair, problems = read(tmp_path, write(tmp_path, "p", labels(dtype=dtype)))
    assert pair.prediction.dtype == np.uint8
    assert pair.prediction.shape == (4, 5, 6)
    np.testing.assert_array_equal(pair.prediction, pair.reference)
    assert pair.spacing_mm == (2.0, 1.0, 0.5)
    assert problems == []


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (255, np.uint8, "255 (18 voxels)"),
        (2.9999, np.float32, "2.9999"),
        (-1, np.int16, "-1"),
        (1000, np.int16, "1000"),
        (np.nan, np.float32, "nan"),
    ],
)
def test_values_that_are_no_label_are_named(
    value: float, dtype: type, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, "p", labels(value, dtype))
    pair, (problem,) = read(tmp_path, path)
    assert (problem.kind, problem.case, problem.scored) == ("labels", "k", True)
    assert message in problem.message and str(path) in problem.message
    assert not np.isin(pair.prediction, [1, 2, 3]).any()
    with pytest.raises(Unscored, match="not labels of brats-met-2025"):
        read(tmp_path, path, "2026-mets", "brats-met-2025")


def test_panther_takes_one_value_and_published_refuses_two(tmp_path: Path) -> None:
    both = labels(1)
    both[0, 0, 0] = 2
    two = write(tmp_path, "two", both)
    kinds = [p.kind for p in read(tmp_path, two, "panther", "panther-t1")[1]]
    assert kinds == ["unwritten", "labels"]
    one = write(tmp_path, "one", labels(7))
    reference = write(tmp_path, "r", labels(1))
    for scorer in ("panther", "panther-as-published"):
        read_one = read_pair("k", (one, reference), SCORERS[scorer], SCHEMES["panther-t1"])
        assert [p.kind for p in read_one[1]] == ["labels"]
    with pytest.raises(Unscored, match="2 "):
        read_pair("k", (two, reference), SCORERS["panther-as-published"], SCHEMES["panther-t1"])


def test_another_size_is_no_pair(tmp_path: Path) -> None:
    path = write(tmp_path, "p", labels()[:5])
    with pytest.raises(Unscored, match=r"size \(5, 5, 4\), reference \(6, 5, 4\)") as error:
        read(tmp_path, path)
    assert error.value.kind == "shape"


def test_2026_minds_one_sign_of_an_origin_and_we_name_both(tmp_path: Path) -> None:
    outcomes = {}
    for step in (-1.0, 1.0):
        affine = AFFINE.copy()
        affine[2, 3] = step
        path = write(tmp_path, f"p{step}", labels(), affine)
        try:
            outcomes[step] = read(tmp_path, path, "2026-goat", "brats-goat")[1][0].message
        except Unscored as error:
            outcomes[step] = error.kind
        assert "origin" in read(tmp_path, path)[1][0].message
    assert outcomes[1.0] == "geometry"
    assert "origin (0, 0, -1), reference (0, 0, 0)" in outcomes[-1.0]


def test_panther_minds_the_spacing_alone(tmp_path: Path) -> None:
    wider, moved = np.diag([0.5, 1.0, 2.1, 1.0]), AFFINE.copy()
    moved[0, 3] = 9
    path = write(tmp_path, "moved", labels(), moved)
    assert [p.kind for p in read(tmp_path, path, "panther", "panther-t1")[1]][:1] == ["geometry"]
    with pytest.raises(Unscored, match="spacing"):
        read(tmp_path, write(tmp_path, "wider", labels(), wider), "panther", "panther-t1")
    assert read(tmp_path, write(tmp_path, "wider", labels(), wider))[0].spacing_mm == pytest.approx(
        (2.1, 1.0, 0.5)
    )


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "p", labels())
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(Unscored, match=r"p\.nii\.gz: cannot be read") as error:
        read_labels(path)
    assert error.value.kind == "unreadable"


def test_no_prediction_is_an_empty_one(tmp_path: Path) -> None:
    reference = write(tmp_path, "r", labels())
    pair, problems = read_pair("k", (None, reference), SCORERS["2025-ssa"], SCHEMES["brats-ssa"])
    assert not pair.prediction.any() and pair.prediction.shape == pair.reference.shape
    assert problems == []
