"""One member gives stock nnU-Net's labels: the independent check of the whole pipeline."""

import json
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from small_models import scan

from challenge.case import Case
from challenge.scheme import MRI_SEQUENCES, SCHEMES, labels_from
from ensemble.engine import Engine
from ensemble.manifest import Model, verify_model
from ensemble.predict import predict
from ensemble.torchvision_operations import import_torchvision
from lab.__main__ import main as lab


def pack(trained: Path, weights: Path, *flags: str) -> Model:
    words = ["--model", "m", "--scheme", "brats-gli", "--out", str(weights)]
    assert lab(["pack", str(trained), *words, *flags]) == 0
    return verify_model(weights / "m" / "MANIFEST.json")


def stock_prediction(
    folder: Path,
    case: Case,
    mirroring: bool,
    folds: tuple[int, ...] = (0,),
    previous: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of nnU-Net's predictor; `previous` is what a cascade is handed."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_mirroring=mirroring,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(str(folder), folds, "checkpoint_final.pth")
    images = np.stack([case.images[sequence] for sequence in MRI_SEQUENCES])
    spacing = {"spacing": list(case.spacing_mm)}
    before = None if previous is None else previous[None].astype(np.int16)
    return predictor.predict_single_npy_array(images, spacing, before, None, True)


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
EXACT_BACKENDS = ("torch", "openvino")
TRANSPOSED = {"transpose_forward": [2, 0, 1], "transpose_backward": [1, 2, 0]}


@pytest.mark.parametrize("mirroring", [False, True], ids=["no mirroring", "mirroring"])
@pytest.mark.parametrize("heads", ["softmax", "regions"])
@pytest.mark.parametrize("name", [*CASES, "transposed"])
def test_one_member_equals_stock_nnunet(
    tmp_path: Path, name: str, heads: str, mirroring: bool
) -> None:
    """On every exact backend; stock nnU-Net and the packing are the same for all."""
    case, plans = CASES["cropped" if name == "transposed" else name]
    plans = plans | (TRANSPOSED if name == "transposed" else {})
    regions = heads == "regions"
    labels, order = (tiny.REGIONS, tiny.REGION_ORDER) if regions else (tiny.SOFTMAX, None)
    folder = tiny.train(tmp_path / "trained", plans, tiny.dataset(labels, order=order))
    expected_labels, expected = stock_prediction(folder, case, mirroring)

    flags = [] if mirroring else ["--no-mirroring"]
    model = pack(folder, tmp_path / "weights", *flags)
    for backend in EXACT_BACKENDS:
        (prediction,) = predict(case, model, Engine(torch.device("cpu"), backend))
        probabilities = prediction.probabilities
        labels = labels_from(probabilities, model.head, SCHEMES["brats-gli"])
        assert probabilities.shape == expected.shape == (4 + (not regions), *labels.shape)
        # Both round logits to half precision: a last bit that a processor sums otherwise is 0.002.
        assert np.abs(probabilities - expected).max() < 2e-3, backend
        assert (labels == expected_labels).mean() >= 0.9999, backend
    assert len(np.unique(expected_labels)) > 2  # not an agreement on nothing


def test_folds_together_equal_stock_nnunet(tmp_path: Path) -> None:
    case, plans = CASES["cropped"]
    source = tiny.train(tmp_path / "trained", plans, tiny.dataset(), folds=(0, 1, 2))
    expected_labels, expected = stock_prediction(source, case, True, folds=(0, 1, 2))
    model = pack(source, tmp_path / "weights")
    for backend in EXACT_BACKENDS:
        (prediction,) = predict(case, model, Engine(torch.device("cpu"), backend))
        labels = labels_from(prediction.probabilities, model.head, SCHEMES["brats-gli"])
        # Stock nnU-Net adds folds in half precision.
        assert np.abs(prediction.probabilities - expected).max() < 5e-3, backend
        assert (labels == expected_labels).mean() >= 0.9995, backend
    assert len(np.unique(expected_labels)) > 2


@pytest.fixture
def tiny_primus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Primus-S two narrow blocks, for nnU-Net's trainers and for us; prove a whole case."""
    import_torchvision()
    monkeypatch.setattr("lab.packing.proof.SYNTHETIC_LIMIT_S", 300.0)
    from dynamic_network_architectures.architectures import primus
    from nnunetv2.training.nnUNetTrainer.primus import primus_trainers

    def small(inputs: int, *sizes: Any, **settings: Any) -> torch.nn.Module:
        _, token, outputs, _, _, patch = sizes
        return primus.PrimusS(inputs, outputs, token, patch, **settings)

    sizes = {"eva_depth": 2, "eva_numheads": 2, "embed_dim": 12}
    monkeypatch.setitem(primus._PRIMUS_CONFIGS, "S", sizes)
    monkeypatch.setattr(primus_trainers, "Primus", small)  # its trainers give all sizes
    channels = (4, 6, 8, 10)
    monkeypatch.setattr(
        primus.PrimusV3, "__init__", partialmethod(primus.PrimusV3.__init__, ch_per_level=channels)
    )


TRANSFORMERS = {
    "nnUNet_Primus_S_Trainer": "PrimusS",
    "nnUNet_PrimusV2S_Trainer": "PrimusV2S",
    "nnUNet_PrimusV3S_Trainer": "PrimusV3S",
}


@pytest.mark.usefixtures("tiny_primus")
@pytest.mark.parametrize(
    "trainer",
    [
        "nnUNet_Primus_S_Trainer",
        pytest.param("nnUNet_PrimusV2S_Trainer", marks=pytest.mark.slow),
        "nnUNet_PrimusV3S_Trainer",
    ],
)
def test_a_transformer_that_its_trainer_names_equals_stock_nnunet(
    tmp_path: Path, trainer: str, caplog: pytest.LogCaptureFixture
) -> None:
    """plans.json names a U-Net; OpenVINO does not take the network, says so, and torch runs it."""
    case = CASES["plain"][0]
    folder = tiny.train_as(tmp_path / "trained", trainer, mirror_axes=(1,), seed=3)
    expected_labels, expected = stock_prediction(folder, case, True)
    model = pack(folder, tmp_path / "weights")
    assert model.members[0].plan.network == TRANSFORMERS[trainer]
    proof = json.loads((model.folder / "MANIFEST.json").read_text())["proof"][0]
    assert proof["network_of"] == trainer
    assert proof["tiles"]["folds"]["0"]["as_trained"]["differing"] == 0
    assert proof["case"]["agreement"] >= 0.9999
    for backend in EXACT_BACKENDS:
        caplog.clear()
        engine = Engine(torch.device("cpu"), backend)
        (prediction,) = predict(case, model, engine)
        labels = labels_from(prediction.probabilities, model.head, SCHEMES["brats-gli"])
        assert np.abs(prediction.probabilities - expected).max() < 2e-3, backend
        assert (labels == expected_labels).mean() >= 0.9999, backend
        assert (f"backend {backend} does not take" in caplog.text) == (backend == "openvino")
        assert {row["backend"] for row in engine.description()["networks"].values()} == {"torch"}
    assert len(np.unique(expected_labels)) > 2


MEDNEXT = """
from ensemble.mednext import MedNeXt
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

class nnUNetTrainerMedNeXt_S_kernel3(nnUNetTrainer):
    @staticmethod
    def build_network_architecture(
        plans_manager, configuration_manager, channels_in, channels_out, enable_deep_supervision
    ):
        return MedNeXt(input_channels=channels_in, num_classes=channels_out)
"""


@pytest.mark.slow
def test_a_mednext_of_a_teams_trainer_equals_stock_nnunet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its trainer lies in nnUNet_extTrainer, as a team has it; plans.json names a U-Net."""
    import_torchvision()  # stock looks through all of its trainers first
    (tmp_path / "extension").mkdir()
    trainer = "nnUNetTrainerMedNeXt_S_kernel3"
    (tmp_path / "extension" / f"{trainer}.py").write_text(MEDNEXT)
    monkeypatch.setenv("nnUNet_extTrainer", str(tmp_path / "extension"))
    case = CASES["plain"][0]
    folder = tiny.train_as(tmp_path / "trained", trainer, (32, 16, 16), mirror_axes=(1,), seed=1)
    expected_labels, expected = stock_prediction(folder, case, True)
    with pytest.raises(AssertionError):
        pack(folder, tmp_path / "weights")
    assert (
        "--foreign-trainer takes it for the authors' MedNeXt-S_kernel3" in capsys.readouterr().err
    )
    model = pack(folder, tmp_path / "weights", "--foreign-trainer")
    manifest = json.loads((model.folder / "MANIFEST.json").read_text())
    assert manifest["members"][0]["provenance"]["foreign_trainer"] is True
    assert manifest["proof"][0]["network_of"] == trainer
    assert manifest["proof"][0]["tiles"]["folds"]["0"]["as_trained"]["differing"] == 0
    for backend in EXACT_BACKENDS:
        (prediction,) = predict(case, model, Engine(torch.device("cpu"), backend))
        labels = labels_from(prediction.probabilities, model.head, SCHEMES["brats-gli"])
        assert np.abs(prediction.probabilities - expected).max() < 2e-3, backend
        assert (labels == expected_labels).mean() >= 0.9999, backend
    assert len(np.unique(expected_labels)) > 2


def by_modality(plans: dict) -> dict:
    key = "foreground_intensity_properties_per_channel"
    plans["foreground_intensity_properties_by_modality"] = plans.pop(key)
    return plans


def with_keywords(**keywords: object) -> dict:
    """Plans of 2 mm slices: coarse only where a keyword says so; stock's defaults elsewhere."""
    plans = tiny.plans(spacing_mm=(2.2, 1.1, 1.1))
    plans["configurations"]["3d_fullres"] |= {
        "resampling_fn_data_kwargs": {"order": 3, **keywords},
        "resampling_fn_probabilities_kwargs": {"order": 1, **keywords},
    }
    return plans


def doubling(plans: dict) -> dict:
    settings = plans["configurations"]["3d_fullres"]
    settings["architecture"]["arch_kwargs"]["features_per_stage"] = [5, 10, 10]
    return plans


def resampled_by(function: str, logits: str, **keywords: object) -> dict:
    """Plans of another resampling than nnU-Net's default; of logits, "" is the default."""
    plans = tiny.plans(spacing_mm=(2.8, 1.6, 1.5))
    settings = plans["configurations"]["3d_fullres"]
    for key in ("resampling_fn_data", *(["resampling_fn_probabilities"] if logits else [])):
        settings |= {key: function, f"{key}_kwargs": keywords}
    return plans


THICK = scan((18, 40, 36), (2, 1, 1), 0)
OLDER = {
    "by modality": (CASES["plain"][0], by_modality(tiny.plans()), {}),
    "before 2.4": (CASES["plain"][0], tiny.before_2_4(doubling(tiny.plans())), {}),
    "modality and text": (
        CASES["plain"][0],
        tiny.plans(),
        {
            "labels": {name: str(value) for name, value in tiny.SOFTMAX.items()},
            "modality": {str(i): s for i, s in enumerate(MRI_SEQUENCES)},
        },
    ),
    "no keywords": (THICK, with_keywords(), {}),
    "threshold": (
        THICK,
        with_keywords(force_separate_z=None, separate_z_anisotropy_threshold=1.5),
        {},
    ),
    "torch": (THICK, resampled_by("resample_torch_fornnunet", "too", force_separate_z=False), {}),
    "torch, slices apart": (
        THICK,
        resampled_by("resample_torch_fornnunet", "too", force_separate_z=True),
        {},
    ),
    "torch of images": (THICK, resampled_by("resample_torch_fornnunet", "", num_threads=8), {}),
    "no resampling": (CASES["plain"][0], resampled_by("no_resampling_hack", "too"), {}),
    "no resampling of images": (CASES["plain"][0], resampled_by("no_resampling_hack", ""), {}),
}


@pytest.mark.filterwarnings("ignore:Detected old nnU-Net plans format")
@pytest.mark.parametrize("name", OLDER)
def test_every_spelling_that_stock_reads_gives_stocks_answer(tmp_path: Path, name: str) -> None:
    case, plans, described = OLDER[name]
    folder = tiny.train(tmp_path / "trained", plans, tiny.dataset())
    dataset = {**tiny.dataset(), **described}
    if "modality" in described:
        del dataset["channel_names"]
    (folder / "dataset.json").write_text(json.dumps(dataset))
    tiny.as_numpy_1(folder / "fold_0" / "checkpoint_final.pth")
    expected_labels, expected = stock_prediction(folder, case, True)
    model = pack(folder, tmp_path / "weights")
    (prediction,) = predict(case, model, Engine(torch.device("cpu"), "torch"))
    labels = labels_from(prediction.probabilities, model.head, SCHEMES["brats-gli"])
    assert np.abs(prediction.probabilities - expected).max() < 2e-3
    assert (labels == expected_labels).mean() >= 0.9999
    assert len(np.unique(expected_labels)) > 2
