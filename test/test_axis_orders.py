"""A case gets the same labels however its axes are stored, and as stock nnU-Net's reader has it."""

import json
from pathlib import Path

import files
import numpy as np
import pytest
import SimpleITK
import tiny
import torch
from default_weights import one_member

import inference
from challenge.case import read_case
from challenge.orientation import AXIS_CODES
from challenge.platforms import find_cases
from challenge.scheme import MRI_SEQUENCES
from ensemble.engine import Engine
from ensemble.manifest import verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab

ID = "BraTS-GLI-00001-100"
# Voxel (x, y, z) to mm: axes to posterior, inferior and right, tilted, and of three spacings.
C, S = np.cos(0.1), np.sin(0.1)
TILTED_PIR = np.array(
    [[0, 0, 1.2, 8], [-2 * C, S, 0, 40], [-2 * S, -C, 0, 25], [0, 0, 0, 1]], float
)


def pack(folder: Path, *words: str) -> Path:
    """Pack trained folders as model `m`; return its weights folder."""
    out = ["--model", "m", "--scheme", "brats-gli", "--out", str(folder / "weights")]
    assert lab(["pack", *words, *out]) == 0
    return folder / "weights"


def run(folder: Path, weights: Path, *flags: str) -> int:
    (folder / "out").mkdir(exist_ok=True)
    paths = ("--input", folder / "in", "--output", folder / "out", "--weights", weights)
    return inference.main([*map(str, paths), "--device", "cpu", *flags])


def write_lopsided_case(folder: Path, id: str, affine: np.ndarray = files.LAS) -> None:
    """Write a case in which no axis looks like another, nor like itself from behind."""
    rng = np.random.default_rng(3)
    for sequence in MRI_SEQUENCES:
        image = files.head(5) + rng.integers(0, 300, (18, 22, 20), np.int16)
        image[:4, :6, 15:] = 0
        files.write_nifti(folder / f"{id}-{sequence}.nii.gz", image, affine)


def test_all_48_axis_orders_give_the_same_labels(tmp_path: Path) -> None:
    trained = tiny.train(tmp_path / "m", tiny.plans(spacing_mm=(1.4, 1, 1.2)), tiny.dataset())
    weights = pack(tmp_path, str(trained), "--orientation", "LPS")
    write_lopsided_case(tmp_path / "las", ID)
    for number, code in enumerate(AXIS_CODES):
        id = f"BraTS-GLI-{number:05d}-100"
        for sequence in MRI_SEQUENCES:
            image = SimpleITK.ReadImage(str(tmp_path / "las" / f"{ID}-{sequence}.nii.gz"))
            path = tmp_path / "in" / id / f"{id}-{sequence}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            SimpleITK.WriteImage(SimpleITK.DICOMOrient(image, code), str(path))
    assert run(tmp_path, weights) == 0
    label_maps = []
    for number, code in enumerate(AXIS_CODES):
        id = f"BraTS-GLI-{number:05d}-100"
        labels = SimpleITK.ReadImage(str(tmp_path / "out" / f"{id}.nii.gz"))
        scan = SimpleITK.ReadImage(str(tmp_path / "in" / id / f"{id}-t1c.nii.gz"))
        assert labels.GetDirection() == scan.GetDirection()
        turned = SimpleITK.DICOMOrient(labels, "LAS")
        label_maps.append(SimpleITK.GetArrayFromImage(turned))
        assert np.array_equal(label_maps[-1], label_maps[0]), code
    assert len(np.unique(label_maps[0])) > 2


@pytest.mark.parametrize("reader", ["SimpleITKIOWithReorient", "NibabelIOWithReorient"])
def test_a_reader_that_reorients_is_followed(tmp_path: Path, reader: str) -> None:
    """The report on post-treatment glioma trained with one of them."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    plans = tiny.plans() | {"image_reader_writer": reader}
    trained = tiny.train(tmp_path / "trained", plans, tiny.dataset())
    write_lopsided_case(tmp_path / "in", ID, TILTED_PIR)
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(trained), (0,), "checkpoint_final.pth")
    io = predictor.plans_manager.image_reader_writer_class()
    scans = [str(tmp_path / "in" / f"{ID}-{sequence}.nii.gz") for sequence in MRI_SEQUENCES]
    images, about = io.read_images(scans)
    labels = predictor.predict_single_npy_array(images, about, None, None, False)
    io.write_seg(labels, str(tmp_path / "stock.nii.gz"), about)

    assert run(tmp_path, pack(tmp_path, str(trained))) == 0
    ours = SimpleITK.ReadImage(str(tmp_path / "out" / f"{ID}.nii.gz"))
    theirs = SimpleITK.ReadImage(str(tmp_path / "stock.nii.gz"))
    assert ours.GetDirection() == SimpleITK.ReadImage(scans[1]).GetDirection()
    np.testing.assert_allclose(theirs.GetDirection(), ours.GetDirection(), atol=1e-5)
    a, b = (SimpleITK.GetArrayFromImage(image) for image in (ours, theirs))
    assert len(np.unique(b)) > 2
    assert (a == b).mean() >= 0.9999


def test_members_of_different_axis_orders_are_averaged_in_the_axes_of_the_case(
    tmp_path: Path,
) -> None:
    turned = tiny.plans() | {"image_reader_writer": "SimpleITKIOWithReorient"}
    sources = [
        tiny.train(tmp_path / "ras", turned, tiny.dataset()),
        tiny.train(tmp_path / "stored", tiny.plans(), tiny.dataset(), folds=(1,)),
    ]
    model = verify_model(pack(tmp_path, *map(str, sources)) / "m" / "MANIFEST.json")
    assert [member.orientation for member in model.members] == ["RAS", None]
    assert model.orientation is None
    write_lopsided_case(tmp_path / "in", ID)
    case = read_case(find_cases(tmp_path / "in").cases[0])
    engine = Engine(torch.device("cpu"), "torch")
    each_member = [tiny.predict_member(case, member, model, engine) for member in model.members]
    (both,) = predict(case, model, engine)
    np.testing.assert_allclose(both.probabilities, (each_member[0] + each_member[1]) / 2, atol=1e-6)
    in_ras = tiny.predict_member(case.oriented("RAS"), model.members[0], model, engine)
    turn = case.turn_to("RAS")
    assert turn is not None
    np.testing.assert_array_equal(turn.back(in_ras), each_member[0])


def test_axes_that_training_never_saw_are_warned_of(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    dataset = tiny.dataset() | {"axes": {"LPS": 90, "RAS": 2}}  # as `lab prepare` leaves it
    trained = tiny.train(tmp_path / "trained", tiny.plans(), dataset)
    weights = pack(tmp_path, str(trained))
    write_lopsided_case(tmp_path / "in", ID)
    assert run(tmp_path, weights, "--record", str(tmp_path / "record.json")) == 0
    assert "has axes LAS, training images had LPS, RAS" in capfd.readouterr().out
    outcome = json.loads((tmp_path / "record.json").read_text())["cases"][ID]
    assert (outcome["orientation"], outcome["training_orientations"]) == ("LAS", ["LPS", "RAS"])


def test_axes_of_a_training_cohort_are_counted(tmp_path: Path) -> None:
    for number, affine in enumerate((files.LAS, files.LAS, TILTED_PIR)):
        path = tmp_path / "raw" / "imagesTr" / f"case{number}_0000.nii.gz"
        files.write_nifti(path, files.head(), affine)
    trained = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    weights = pack(tmp_path, str(trained), "--cohort", str(tmp_path / "raw"))
    (member,) = verify_model(weights / "m" / "MANIFEST.json").members
    assert member.training_axes == ("LAS", "PIR")
    assert member.orientation is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--orientation", "LPX"), "orientation 'LPX': three letters expected"),
        (("--orientation", "LPS"), "SimpleITKIOWithReorient trained on RAS"),
        (("--cohort", "nowhere"), "no image *_0000.*"),
    ],
)
def test_what_contradicts_the_training_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], message: str
) -> None:
    plans = tiny.plans() | {"image_reader_writer": "SimpleITKIOWithReorient"}
    trained = tiny.train(tmp_path / "trained", plans, tiny.dataset())
    words = ["pack", str(trained), "--model", "m", "--scheme", "brats-gli", *flags]
    assert lab([*words, "--out", str(tmp_path / "weights")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_glioma_answers_alike_in_other_axis_orders(
    shared_data: Path, tmp_path: Path
) -> None:
    for code in ("LPS", "RAS", "PIR", "ASL"):
        for path in (shared_data / "tcga-fg-6692" / "image").glob("*.nii.gz"):
            turned = SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(path)), code)
            sequence = path.name.split("-")[-1]
            target = tmp_path / "in" / f"case-{code}" / f"case-{code}-{sequence}"
            target.parent.mkdir(parents=True, exist_ok=True)
            SimpleITK.WriteImage(turned, str(target), useCompression=True, compressionLevel=1)
    assert run(tmp_path, one_member(tmp_path)) == 0
    label_maps = [
        SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(path)), "LPS")
        for path in sorted((tmp_path / "out").glob("*.nii.gz"))
    ]
    arrays = [SimpleITK.GetArrayFromImage(image) for image in label_maps]
    assert len(arrays) == 4 and arrays[0].any()
    assert all(np.array_equal(array, arrays[0]) for array in arrays)
