"""One member gives stock nnU-Net's answer: the independent check of the whole way."""

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from challenge.case import Case
from challenge.scheme import SCHEMES, labels_from
from ensemble.engine import Engine
from ensemble.manifest import verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab

SEQUENCES = ("t1n", "t1c", "t2w", "t2f")


def scan(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], margin: int) -> Case:
    """Smooth random images with `margin` zero voxels on every side."""
    rng = np.random.default_rng(0)
    inner = tuple(side - 2 * margin for side in shape)
    images = {}
    for sequence in SEQUENCES:
        coarse = torch.from_numpy(rng.normal(300, 90, (1, 1, 7, 7, 7))).float()
        image = np.zeros(shape, np.float32)
        place = tuple(slice(margin, side - margin) for side in shape)
        image[place] = torch.nn.functional.interpolate(coarse, inner, mode="trilinear")[0, 0]
        images[sequence] = image
    return Case("case", images, spacing_mm)


def stock_answer(
    folder: Path, case: Case, mirroring: bool, folds: tuple[int, ...] = (0,)
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of nnU-Net's own predictor."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=0.5, use_mirroring=mirroring, perform_everything_on_device=False,
        device=torch.device("cpu"), allow_tqdm=False,
    )  # fmt: skip
    predictor.initialize_from_trained_model_folder(str(folder), folds, "checkpoint_final.pth")
    images = np.stack([case.images[sequence] for sequence in SEQUENCES])
    return predictor.predict_single_npy_array(
        images, {"spacing": list(case.spacing_mm)}, None, None, True
    )


CASES = {
    "plain": (scan((24, 28, 26), (1, 1, 1), 0), tiny.plans()),
    "anisotropic": (scan((14, 40, 36), (4, 1, 1.2), 0), tiny.plans(spacing_mm=(4.5, 1.3, 1.3))),
    "cropped": (scan((34, 36, 32), (1.1, 0.9, 1), 5), tiny.plans(spacing_mm=(1.2, 1.1, 1))),
    "residual": (
        scan((22, 20, 24), (1, 1, 1), 2),
        tiny.plans(network="ResidualEncoderUNet", use_mask_for_norm=[False] * 4),
    ),
    "gated": (scan((34, 36, 32), (1, 1, 1), 5), tiny.plans(network="AttentionUNet")),
    "smaller than the patch": (scan((12, 30, 10), (1, 1, 1), 0), tiny.plans()),
}
TRANSPOSED = {"transpose_forward": [2, 0, 1], "transpose_backward": [1, 2, 0]}


@pytest.mark.parametrize("mirroring", [False, True], ids=["no mirroring", "mirroring"])
@pytest.mark.parametrize("heads", ["softmax", "regions"])
@pytest.mark.parametrize("name", [*CASES, "transposed"])
@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_one_member_equals_stock_nnunet(
    tmp_path: Path, backend: str, name: str, heads: str, mirroring: bool
) -> None:
    case, plans = CASES["cropped" if name == "transposed" else name]
    plans = plans | (TRANSPOSED if name == "transposed" else {})
    regions = heads == "regions"
    labels, order = (tiny.REGIONS, tiny.REGION_ORDER) if regions else (tiny.SOFTMAX, None)
    folder = tiny.train(tmp_path / "trained", plans, tiny.dataset(labels, order=order))
    expected_labels, expected = stock_answer(folder, case, mirroring)

    flags = ["--mirroring"] if mirroring else []
    lab(["pack", str(folder), "--model", "m", "--scheme", "brats-gli", "--out",
         str(tmp_path / "weights"), *flags])  # fmt: skip
    model = verify_model(tmp_path / "weights" / "m" / "MANIFEST.json")
    engine = Engine(torch.device("cpu"), backend)
    (told,) = predict(case, model, engine)
    probabilities = told.probabilities
    found = labels_from(probabilities, model.head, SCHEMES["brats-gli"])

    assert probabilities.shape == expected.shape == (4 + (not regions), *found.shape)
    # Both round logits to half precision: a last bit that a processor sums otherwise is 0.002.
    assert np.abs(probabilities - expected).max() < 2e-3
    assert (found == expected_labels).mean() >= 0.9999
    assert len(np.unique(expected_labels)) > 2  # not an agreement on nothing


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_folds_together_equal_stock_nnunet(tmp_path: Path, backend: str) -> None:
    case, plans = CASES["cropped"]
    source = tiny.train(tmp_path / "trained", plans, tiny.dataset(), folds=(0, 1, 2))
    expected_labels, expected = stock_answer(source, case, False, folds=(0, 1, 2))
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out",
         str(tmp_path / "weights")])  # fmt: skip
    model = verify_model(tmp_path / "weights" / "m" / "MANIFEST.json")
    (told,) = predict(case, model, Engine(torch.device("cpu"), backend))
    found = labels_from(told.probabilities, model.head, SCHEMES["brats-gli"])
    assert np.abs(told.probabilities - expected).max() < 5e-3  # stock adds folds in half precision
    assert (found == expected_labels).mean() >= 0.9995
    assert len(np.unique(expected_labels)) > 2
