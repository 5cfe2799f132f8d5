"""A whole case goes through stock nnU-Net and Podium; what each option changes is counted apart."""

from pathlib import Path
from typing import Any

import files
import numpy as np
import pytest
import tiny
import torch
from packer import change_checkpoint, pack_exit_code, proof_of, train_softmax

from challenge.case import Case
from challenge.scheme import MRI_SEQUENCES
from lab.packing import proof, proof_case

Say = pytest.CaptureFixture[str]


def stock_labels(folder: Path, case: Path, mirroring: bool) -> np.ndarray:
    """Labels of nnU-Net's own predictor, by its own reader."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        use_mirroring=mirroring, perform_everything_on_device=False, device=torch.device("cpu")
    )
    predictor.initialize_from_trained_model_folder(str(folder), (0,))
    reader = predictor.plans_manager.image_reader_writer_class()
    paths = [str(case / f"{case.name}-{sequence}.nii.gz") for sequence in MRI_SEQUENCES]
    return np.asarray(predictor.predict_single_npy_array(*reader.read_images(paths)))


def test_what_half_precision_and_no_mirroring_change_is_counted_apart(
    tmp_path: Path, capsys: Say
) -> None:
    source = train_softmax(tmp_path / "gli", spacing_mm=(1.2, 1, 1))
    case = files.write_brats_case(tmp_path / "BraTS-GLI-00001-000", "BraTS-GLI-00001-000")
    stock = stock_labels(source, case, True)
    flags = ["--prove", str(case)]
    assert pack_exit_code(source, tmp_path, "--half", "--no-mirroring", *flags) == 0
    record, out = proof_of(tmp_path)["case"], capsys.readouterr().out
    rounded = int((stock_labels(tmp_path / "m" / "gli", case, True) != stock).sum())
    unmirrored = int((stock_labels(source, case, False) != stock).sum())
    both = int((stock_labels(tmp_path / "m" / "gli", case, False) != stock).sum())
    assert 0 < rounded < unmirrored
    assert record["changes"] == ["half precision", "no mirroring"]
    assert record["cost"]["half precision"]["differing"] == rounded
    assert record["cost"]["no mirroring"]["differing"] == unmirrored
    assert (record["differing"], record["exact"]["differing"]) == (both, 0)
    for text in (
        f"{both:,} of 7,920 voxels differ from stock",
        f"half precision changes {rounded:,} of 7,920 voxels",
        f"no mirroring changes {unmirrored:,} of 7,920 voxels",
        "with nothing changed 0 of 7,920 voxels differ from stock",
    ):
        assert f"case BraTS-GLI-00001-000: {text}" in out


def test_networks_trained_without_mirroring_lose_nothing_by_no_mirroring(tmp_path: Path) -> None:
    plans, dataset = tiny.plans(), tiny.dataset()
    source = tiny.train(tmp_path / "gli", plans, dataset, mirror_axes=None)
    assert pack_exit_code(source, tmp_path, "--no-mirroring") == 0
    case = proof_of(tmp_path)["case"]
    assert (case["changes"], case["differing"]) == ([], 0)


def test_folds_of_different_axes_are_compared_and_not_refused(tmp_path: Path) -> None:
    """Stock takes the axes of its first fold for all; here each fold has its own."""
    source = train_softmax(tmp_path / "gli", folds=(0, 1))
    change_checkpoint(source, fold=1, inference_allowed_mirroring_axes=(2,))
    assert pack_exit_code(source, tmp_path) == 0
    assert proof_of(tmp_path)["case"]["changes"] == []


def test_a_synthetic_case_that_takes_long_is_not_compared_unless_something_is_changed(
    tmp_path: Path, capsys: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "SYNTHETIC_LIMIT_S", 0.0)
    source = train_softmax(tmp_path / "gli")
    assert pack_exit_code(source, tmp_path / "a") == 0
    text = "synthetic case: not compared with stock: it would take about 1 min on this processor"
    assert text in capsys.readouterr().out
    assert "differing" not in proof_of(tmp_path / "a")["case"]
    assert pack_exit_code(source, tmp_path / "b", "--half") == 0
    assert "synthetic case: half precision changes " in capsys.readouterr().out


@pytest.mark.parametrize("layout", ["case folder", "input folder", "nnU-Net"])
def test_a_real_case_goes_both_ways(tmp_path: Path, capsys: Say, layout: str) -> None:
    source = tiny.train(
        tmp_path / "gli", tiny.plans(spacing_mm=(1.2, 1, 1)), tiny.dataset(), (0, 1)
    )
    case = tmp_path / "in" / "BraTS-GLI-00001-000"
    files.write_brats_case(case, case.name)
    if layout == "input folder":
        case = case.parent
    if layout == "nnU-Net":
        for number, sequence in enumerate(MRI_SEQUENCES):
            name = f"{case.name}-{sequence}.nii.gz"
            (case / name).rename(case / f"x_{number:04d}.nii.gz")
        case = case / "x_0000.nii.gz"
    assert pack_exit_code(source, tmp_path, "--prove", str(case)) == 0
    record = proof_of(tmp_path)["case"]
    assert record["id"] == ("x" if layout == "nnU-Net" else "BraTS-GLI-00001-000")
    assert record["voxels"] == 18 * 22 * 20 and record["agreement"] >= 0.9995
    assert sum(record["stock_voxels"].values()) > 0 and record["mirroring"] is True
    assert min(d for d in record["dice"].values() if d is not None) > 0.99
    assert f"case {record['id']}: " in capsys.readouterr().out


def test_a_real_case_of_one_sequence_is_a_file(tmp_path: Path) -> None:
    abdomen = tiny.dataset({"background": 0, "pancreas": 1, "tumour": 2}, ["MRI"])
    source = tiny.train(tmp_path / "t1", tiny.plans(channels=1), abdomen)
    folder = files.write_panther_case(tmp_path / "in")
    (scan,) = folder.glob("images/*/*.mha")
    flags = ["--prove", str(scan), "--labels", "pancreas=1,tumour=2"]
    assert pack_exit_code(source, tmp_path, *flags, scheme="panther-t1") == 0
    record = proof_of(tmp_path)["case"]
    # the reader of a NIfTI cohort reads a MetaImage too; values 1 and 2 mean what they are named
    assert record["agreement"] >= 0.9999 and record["voxels"] == 18 * 22 * 20
    assert sum(record["stock_voxels"].values()) > 0


def test_a_case_that_both_ways_answer_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    source = tiny.train(tmp_path / "gli", tiny.plans(), tiny.dataset())
    case = files.write_brats_case(tmp_path / "in", "BraTS-GLI-00001-000")
    true_reader = proof_case.read_case

    def turned(files: Any) -> Case:
        seen = true_reader(files)
        images = {name: image[:, ::-1].copy() for name, image in seen.images.items()}
        return Case(seen.id, images, seen.spacing_mm)

    monkeypatch.setattr(proof_case, "read_case", turned)
    assert pack_exit_code(source, tmp_path, "--prove", str(case)) == 2
    assert "our labels agree with nnU-Net 2.8.1's on " in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a_0000", "a_0001", "a_0002"), "a_0003.nii.gz missing"),
        (("a_0000", "b_0000"), "2 cases, one expected"),
        ((), "no case found"),
    ],
)
def test_a_case_that_is_not_exactly_one_is_refused(
    tmp_path: Path, capsys: Say, names: tuple[str, ...], message: str
) -> None:
    source = tiny.train(tmp_path / "gli", tiny.plans(), tiny.dataset())
    (tmp_path / "in").mkdir()
    for name in names:
        files.write_nifti(tmp_path / "in" / f"{name}.nii.gz", files.head())
    assert pack_exit_code(source, tmp_path, "--prove", str(tmp_path / "in")) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_weights_that_ship_on_a_real_glioma(tmp_path: Path, shared_data: Path) -> None:
    source = Path(__file__).resolve().parents[3] / "weights/brats-gli/long__nnUNetPlans__world"
    case = shared_data / "tcga-fg-6692" / "image"
    assert pack_exit_code(source, tmp_path, "--prove", str(case)) == 0
    record = proof_of(tmp_path)
    for fold in record["tiles"]["folds"].values():
        assert fold["shape"] == [64, 80, 64] and fold["as_packed"]["differing"] <= 5
        assert fold["as_packed"]["logits_in_deviations"] < 1e-3
        assert fold["rounding"]["logits"] == 0  # they are in half precision already
        assert set(fold["decided"]) == {"NETC", "SNFH", "ET", "RC"}
    assert record["case"]["differing"] <= 10 and record["case"]["voxels"] == 8_928_000
    assert min(d for d in record["case"]["dice"].values() if d is not None) > 0.999
