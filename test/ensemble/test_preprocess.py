"""What a network sees of a case: refused in one sentence where it is nothing or has no end."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny

from challenge.case import Case, CaseError
from ensemble import preprocess as module
from ensemble.plans import Plan, read_plan
from ensemble.preprocess import find_nonzero_region, preprocess, preprocessed_shape


def cube(spacing_mm: tuple[float, float, float]) -> Case:
    """4 x 6 x 10 voxels (z, y, x) of which the first slice is empty."""
    image = np.ones((4, 6, 10), np.float32)
    image[0] = 0
    return Case("case", {"t1c": image}, spacing_mm, source=Path("case-t1c.nii.gz"))


@pytest.fixture
def plan() -> Plan:
    """A network whose axes are y, z, x, of 2 x 1 x 0.5 mm."""
    plans = tiny.plans(spacing_mm=(2.0, 1.0, 0.5), channels=1)
    swapped = {"transpose_forward": [1, 0, 2], "transpose_backward": [1, 0, 2]}
    return read_plan(plans | swapped, "3d_fullres")


def test_the_size_is_reported_before_it_is_made(plan: Plan) -> None:
    case = cube((3.0, 1.0, 1.0))
    nonzero = find_nonzero_region(case, ("t1c",))
    shape = preprocessed_shape(case, plan, nonzero)
    assert shape == preprocess(case, ("t1c",), plan, nonzero).data.shape[1:]


def test_a_grid_of_nothing_is_one_sentence(plan: Plan) -> None:
    case = cube((0.3, 0.1, 0.1))
    with pytest.raises(CaseError) as caught:
        preprocess(case, ("t1c",), plan, find_nonzero_region(case, ("t1c",)))
    assert str(caught.value) == (
        "case-t1c.nii.gz: 10 x 6 x 3 voxels of 0.1 x 0.1 x 0.3 mm come to 2 x 0 x 1 at the "
        "network's 0.5 x 2 x 1 mm"
    )


def test_terabytes_are_one_sentence_before_memory_is_asked_for(plan: Plan) -> None:
    case = cube((900.0, 900.0, 900.0))
    with pytest.raises(CaseError, match=r"come to 18000 x 2700 x 2700, 489 GiB, at the network's"):
        preprocessed_shape(case, plan, find_nonzero_region(case, ("t1c",)))


def test_the_limit_is_of_all_sequences_together(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cube((2.0, 2.0, 2.0))
    nonzero = find_nonzero_region(case, ("t1c",))
    needed = int(np.prod(preprocessed_shape(case, plan, nonzero))) * 4
    monkeypatch.setattr(module, "MOST_GRID_BYTES", needed)
    assert preprocessed_shape(case, plan, nonzero)
    two = replace(case, images={**case.images, "t2f": case.images["t1c"]})
    with pytest.raises(CaseError, match="GiB"):
        preprocessed_shape(two, plan, nonzero)
