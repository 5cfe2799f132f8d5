"""A case on its way to the networks: prepared once for members that see it alike, and back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_models import CASE, engine, folds

from challenge.scheme import SCHEMES
from ensemble import prepared_case as module
from ensemble.cascade import Stages
from ensemble.manifest import Member
from ensemble.prepared_case import prepare, prepare_groups


@pytest.fixture
def preprocessed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The sequences of every call to `preprocess`."""
    calls, real = [], module.preprocess

    def record(case: object, sequences: tuple[str, ...], *arguments: object) -> object:
        calls.append(sequences)
        return real(case, sequences, *arguments)

    monkeypatch.setattr(module, "preprocess", record)
    return calls


def stages_of(members: list[Member]) -> Stages:
    return Stages(members, members[0].head, SCHEMES["brats-gli"], {})


def shapes(members: list[Member]) -> list[tuple[int, ...]]:
    groups = [[member] for member in members]
    prepared = prepare_groups(prepare(CASE, members), groups, engine(), stages_of(members))
    return [case.shape for _, case in prepared]


def test_members_that_see_a_case_alike_share_its_preprocessing(
    tmp_path: Path, preprocessed: list[tuple[str, ...]]
) -> None:
    first, second = folds(tmp_path, 2).members
    preprocessed.clear()  # packing took a case through them too
    # The head of 16 x 14 x 18 voxels, padded to a patch of 16 x 16 x 16.
    assert shapes([first, second]) == [(16, 16, 18)] * 2
    assert len(preprocessed) == 1
    finer = replace(second, plan=replace(second.plan, spacing_mm=(0.5, 1.0, 1.0)))
    assert shapes([first, finer]) == [(16, 16, 18), (32, 16, 18)]
    assert len(preprocessed) == 3


def test_each_axis_order_is_made_once(tmp_path: Path) -> None:
    first, second = folds(tmp_path, 2).members
    case = replace(CASE, orientation="LPS")
    turned = [replace(member, orientation="RAS") for member in (first, second)]
    orientations = prepare(case, [first, *turned]).orientations
    assert list(orientations) == [None, "RAS"]
    assert orientations[None].case is case
    assert orientations[None].turn is None
    image, ras = case.images["t1c"], orientations["RAS"].case.images["t1c"]
    np.testing.assert_array_equal(ras, image[:, ::-1, ::-1])  # left and posterior are reversed


def test_logits_return_to_the_grid_of_the_case_with_background_outside(tmp_path: Path) -> None:
    (member,) = folds(tmp_path, 1).members
    ((_, prepared),) = prepare_groups(
        prepare(CASE, [member]), [[member]], engine(), stages_of([member])
    )
    logits = np.zeros((5, *(side.stop - side.start for side in prepared.inner)), np.float32)
    logits[3] = 20
    probabilities = prepared.restored(logits)
    assert probabilities.shape == (5, *CASE.shape)
    assert probabilities[3, 10, 9, 11] > 0.999
    assert probabilities[:, 0, 0, 0].tolist() == [1, 0, 0, 0, 0]  # two zero voxels on every side
