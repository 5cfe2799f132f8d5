"""A 2-D network gives stock nnU-Net's answer, alone and beside 3-D ones."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from small_models import packed, scan
from test_stock import EXACT_BACKENDS, TRANSPOSED, pack, stock_prediction

from challenge.case import Case
from challenge.scheme import SCHEMES, labels_from
from ensemble.engine import Engine
from ensemble.manifest import Model
from ensemble.predict import predict

SCHEME = SCHEMES["brats-gli"]
SEED = 8  # of networks whose answers have three labels at least, in all cases here


def plans_2d(spacing_mm: tuple[float, float] = (1, 1), **changes: object) -> dict:
    return tiny.plans(spacing_mm, (16, 24), **changes)


CASES = {
    "plain": (scan((7, 28, 36), (1, 1, 1), 0), plans_2d()),
    "resampled in plane": (scan((6, 30, 32), (1.3, 0.7, 0.8), 1), plans_2d((1, 0.9))),
    "anisotropic": (scan((5, 30, 32), (5, 0.8, 0.8), 0), plans_2d((1, 1))),
    "cropped": (scan((16, 36, 32), (1.1, 0.9, 1), 5), plans_2d((1.1, 1))),
    "residual": (
        scan((6, 22, 30), (1, 1, 1), 1),
        plans_2d(network="ResidualEncoderUNet", use_mask_for_norm=[False] * 4),
    ),
    "smaller than the patch": (scan((5, 12, 20), (1, 1, 1), 0), plans_2d()),
    "transposed": (scan((26, 34, 9), (1.2, 0.9, 4), 1), plans_2d((1.1, 1)) | TRANSPOSED),
}


def compare(case: Case, model: Model, expected: np.ndarray, expected_labels: np.ndarray) -> None:
    for backend in EXACT_BACKENDS:
        engine = Engine(torch.device("cpu"), backend)
        (prediction,) = predict(case, model, engine)
        labels = labels_from(prediction.probabilities, model.head, SCHEME)
        assert prediction.probabilities.shape == expected.shape
        assert np.abs(prediction.probabilities - expected).max() < 2e-3, backend
        assert (labels == expected_labels).mean() >= 0.9999, backend
        ran = {row["backend"] for row in engine.description()["networks"].values()}
        assert ran == {backend}
    assert len(np.unique(expected_labels)) > 2  # not an agreement on nothing


@pytest.mark.parametrize("mirroring", [False, True], ids=["no mirroring", "mirroring"])
@pytest.mark.parametrize("heads", ["softmax", "regions"])
@pytest.mark.parametrize("name", CASES)
def test_a_2d_member_equals_stock_nnunet(
    tmp_path: Path, name: str, heads: str, mirroring: bool
) -> None:
    case, plans = CASES[name]
    regions = heads == "regions"
    labels, order = (tiny.REGIONS, tiny.REGION_ORDER) if regions else (tiny.SOFTMAX, None)
    dataset = tiny.dataset(labels, order=order)
    folder = tiny.train(tmp_path / "trained", plans, dataset, mirror_axes=(0, 1), seed=SEED)
    expected_labels, expected = stock_prediction(folder, case, mirroring)
    model = pack(folder, tmp_path / "weights", *([] if mirroring else ["--no-mirroring"]))
    compare(case, model, expected, expected_labels)


@pytest.mark.parametrize("axes", [(0,), (1,)])
def test_a_slice_is_mirrored_along_the_axes_of_its_training(
    tmp_path: Path, axes: tuple[int, ...]
) -> None:
    case, plans = CASES["plain"]
    folder = tiny.train(tmp_path / "trained", plans, tiny.dataset(), mirror_axes=axes, seed=SEED)
    expected_labels, expected = stock_prediction(folder, case, True)
    compare(case, pack(folder, tmp_path / "weights"), expected, expected_labels)


@pytest.mark.parametrize("function", ["resample_torch_fornnunet", "no_resampling_hack"])
def test_the_other_resamplings_are_done_in_plane(tmp_path: Path, function: str) -> None:
    keys = ("resampling_fn_data", "resampling_fn_probabilities")
    changes = {key: function for key in keys} | {f"{key}_kwargs": {} for key in keys}
    plans = plans_2d((1, 1.1), **changes)
    folder = tiny.train(tmp_path / "trained", plans, tiny.dataset(), mirror_axes=(0, 1), seed=SEED)
    case = scan((6, 30, 34), (4, 0.8, 0.8), 0)
    expected_labels, expected = stock_prediction(folder, case, True)
    compare(case, pack(folder, tmp_path / "weights"), expected, expected_labels)


def test_folds_of_2d_equal_stock_nnunet(tmp_path: Path) -> None:
    case, plans = CASES["resampled in plane"]
    options = {"folds": (0, 1), "mirror_axes": (0, 1), "seed": SEED}
    folder = tiny.train(tmp_path / "trained", plans, tiny.dataset(), **options)
    expected_labels, expected = stock_prediction(folder, case, True, folds=(0, 1))
    model = pack(folder, tmp_path / "weights")
    (prediction,) = predict(case, model, Engine(torch.device("cpu"), "torch"))
    labels = labels_from(prediction.probabilities, model.head, SCHEME)
    assert np.abs(prediction.probabilities - expected).max() < 5e-3  # stock adds folds in half
    assert (labels == expected_labels).mean() >= 0.9995


@pytest.mark.parametrize("heads", ["softmax", "regions"])
def test_2d_and_3d_together_are_the_mean_of_stocks_probabilities(
    tmp_path: Path, heads: str
) -> None:
    """As nnUNetv2_find_best_configuration and nnUNetv2_ensemble average them."""
    from nnunetv2.ensembling.ensemble import average_probabilities
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    regions = heads == "regions"
    labels, order = (tiny.REGIONS, tiny.REGION_ORDER) if regions else (tiny.SOFTMAX, None)
    dataset = tiny.dataset(labels, order=order)
    case = scan((14, 32, 30), (2, 0.9, 0.9), 1)
    plans_3d = tiny.plans(spacing_mm=(2.2, 1, 1))
    sources = [
        tiny.train(tmp_path / "T__P__2d", plans_2d(), dataset, mirror_axes=(0, 1), seed=SEED),
        tiny.train(tmp_path / "T__P__3d_fullres", plans_3d, dataset, seed=3),
    ]
    files = []
    for source in sources:
        _, probabilities = stock_prediction(source, case, True)
        files.append(str(tmp_path / f"{source.name}.npz"))
        np.savez(files[-1], probabilities=probabilities)
    expected = average_probabilities(files)
    manager = PlansManager(plans_3d).get_label_manager(dataset)
    expected_labels = manager.convert_probabilities_to_segmentation(expected)
    model = packed(tmp_path, *sources)
    compare(case, model, expected, expected_labels)


def test_packing_proves_a_2d_network_on_a_tile_and_a_whole_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lab.packing.proof.SYNTHETIC_LIMIT_S", 300.0)
    folder = tiny.train(
        tmp_path / "T__P__2d", plans_2d((0.9, 1.1)), tiny.dataset(), mirror_axes=(0, 1), seed=SEED
    )
    model = pack(folder, tmp_path / "weights")
    record = json.loads((model.folder / "MANIFEST.json").read_text())["proof"][0]
    assert record["tiles"]["folds"]["0"]["shape"] == [1, 16, 24]
    assert record["tiles"]["folds"]["0"]["as_trained"]["differing"] == 0
    assert record["case"]["agreement"] >= 0.9999
    assert sum(record["case"]["stock_voxels"].values()) > 0
    printed = capsys.readouterr().out
    assert "axes 1, 2, as trained" in printed
