"""A cascade gives stock nnU-Net's answer: of the second stage, and of both in a row."""

from dataclasses import replace
from pathlib import Path

import cascades
import numpy as np
import pytest
import tiny
import torch
from small_models import packed, scan
from test_stock import EXACT_BACKENDS, TRANSPOSED, stock_prediction

from challenge.case import Case
from challenge.scheme import SCHEMES, labels_from
from ensemble.engine import Engine
from ensemble.manifest import Model
from ensemble.predict import Prediction, predict, prepare_case

SCHEME = SCHEMES["brats-gli"]
FOLDS = (0, 1)


def stock(
    folder: Path, case: Case, previous: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of nnU-Net's predictor, both folds mirrored."""
    return stock_prediction(folder, case, True, FOLDS, previous)


def labels_of(prediction: Prediction, model: Model) -> np.ndarray:
    return labels_from(prediction.probabilities, model.head, SCHEME)


def by_torch(**keywords: object) -> dict:
    """Changes of plans to torch's interpolation."""
    keys = [f"resampling_fn_{what}" for what in ("data", "seg", "probabilities")]
    changes: dict = dict.fromkeys(keys, "resample_torch_fornnunet")
    changes |= {f"{key}_kwargs": {"is_seg": key == keys[1], **keywords} for key in keys}
    return changes


CASES = {
    "cropped": (
        scan((34, 36, 32), (1.1, 0.9, 1), 5),
        cascades.plans((2.2, 2, 2), (1.2, 1.1, 1)),
    ),
    "the second stage on the case's grid": (
        scan((20, 24, 22), (1, 1, 1), 0),
        cascades.plans((1.5, 1.5, 1.5), (1, 1, 1)),
    ),
    "anisotropic": (
        scan((10, 36, 30), (4, 1, 1.2), 1),
        cascades.plans((4.5, 2.2, 2.2), (3.5, 1.3, 1.3)),
    ),
    "torch": (
        scan((26, 28, 24), (1, 1, 1), 3),
        cascades.plans((2, 2, 2), (1.3, 1.2, 1.1), **by_torch(force_separate_z=False)),
    ),
    "torch, slices apart": (
        scan((12, 30, 28), (3, 1, 1), 2),
        cascades.plans((3, 2, 2), (2.5, 1.2, 1.1), **by_torch(force_separate_z=True)),
    ),
    "transposed": (
        scan((34, 30, 26), (1.1, 0.9, 1), 4),
        cascades.plans((2, 2, 2), (1.2, 1.1, 1)) | TRANSPOSED,
    ),
}


@pytest.mark.parametrize("heads", ["softmax", pytest.param("regions", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name",
    [name if name == "torch" else pytest.param(name, marks=pytest.mark.slow) for name in CASES],
)
def test_a_cascade_of_two_folds_equals_stock_nnunet(tmp_path: Path, name: str, heads: str) -> None:
    case, plans = CASES[name]
    names, order = (tiny.REGIONS, tiny.REGION_ORDER) if heads == "regions" else (tiny.SOFTMAX, None)
    axes = (0, 1, 2) if name == "cropped" else (1,)
    lowres, cascade = cascades.train(
        tmp_path / "results", plans, tiny.dataset(names, order=order), FOLDS, mirror_axes=axes
    )
    model = packed(tmp_path, lowres, cascade)
    first = replace(model, members=tuple(replace(m, feeds_only=False) for m in model.members[:2]))
    second = replace(model, members=model.averaged)
    assert [member.channels_in for member in model.members] == [4, 4, 8, 8]
    previous, _ = stock(lowres, case)
    expected_labels, expected = stock(cascade, case, previous)
    without, _ = stock(cascade, case, np.zeros_like(previous))
    assert (without != expected_labels).mean() > 0.02  # the masks matter
    assert len(np.unique(previous)) > 2
    assert len(np.unique(expected_labels)) > 2
    for backend in EXACT_BACKENDS:
        engine = Engine(torch.device("cpu"), backend)
        known = {lowres.name: previous.astype(np.uint8)}
        preparation = replace(prepare_case(case, second, engine), stage_labels=known)
        (second_stage,) = predict(case, second, engine, preparation=preparation)
        # Stock nnU-Net adds folds in half precision; OpenVINO sums in another order.
        most = 5e-3 if backend == "torch" else 1e-2
        assert np.abs(second_stage.probabilities - expected).max() < most, backend
        assert (labels_of(second_stage, model) == expected_labels).mean() >= 0.9995, backend
    # In a row: one voxel of the first stage beside a tie would be several of the second.
    (seen,) = predict(case, first, engine)
    assert (labels_of(seen, model) == previous).mean() >= 0.9995
    (both,) = predict(case, model, engine)
    in_a_row, _ = stock(cascade, case, labels_of(seen, model))
    assert (labels_of(both, model) == in_a_row).mean() >= 0.9995
    assert both.members_run == 4
