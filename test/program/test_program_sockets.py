"""Challenges with several sockets, whole: ISLES'26, and one that is a description alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import files
import numpy as np
import pytest
import SimpleITK
import tiny
import torch

import inference
from challenge.challenges import SCHEMES
from challenge.cli import parse
from challenge.read_challenge import read_challenges
from inference import Session
from lab.__main__ import main as lab

MASK = "images/stroke-lesion-segmentation/ab-12.mha"
MAP = "images/lesion-probability-map/ab-12.mha"
HEAD = files.head().transpose(2, 1, 0)  # (z, y, x)

# 40 vessels with gaps in their numbers, an angiography in CT and one in MR on another grid.
VESSELS = {f"vessel-{number}": number + number // 10 for number in range(1, 41)}
DESCRIPTION = f"""
sequences = ["cta", "mra"]
labels = {{ {", ".join(f"{name} = {value}" for name, value in VESSELS.items())} }}
tumour = "vessels"
file_ending = ".mha"
time_limit_s = 900

[regions]
vessels = {json.dumps(list(VESSELS))}
vessel-1 = ["vessel-1"]

[[inputs]]
slug = "head-ct-angiography"
sequence = "cta"

[[inputs]]
slug = "head-mr-angiography"
sequence = "mra"
resampling = "linear"

[[outputs]]
slug = "head-angio-segmentation"

[[outputs]]
slug = "vessel-volume"
kind = "value"
region = "vessels"
value = "volume-ml"
"""


def stock_prediction(trained: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of nnU-Net's predictor for images (channel, z, y, x) of 2 mm."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(trained), (0,), "checkpoint_final.pth")
    spacing = {"spacing": [2.0, 2.0, 2.0]}
    return predictor.predict_single_npy_array(
        images.astype(np.float32), spacing, None, None, save_or_return_probabilities=True
    )


def array(path: Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def pack_isles(folder: Path, **changes: Any) -> Path:
    """Write a tiny random network as nnU-Net leaves it, `trained`, and packed, `weights`."""
    description = tiny.dataset({"background": 0, "lesion": 1}, ["T1w"])
    source = tiny.train(folder / "trained", tiny.plans(channels=1, **changes), description)
    words = ["--model", "isles", "--scheme", "isles-2026", "--out", str(folder / "weights")]
    assert lab(["pack", str(source), *words]) == 0
    return folder / "weights"


@pytest.fixture(scope="module")
def isles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("isles")
    pack_isles(folder)
    return folder


@pytest.fixture
def run_isles(tmp_path: Path, isles: Path) -> Callable[..., int]:
    def run(*flags: str) -> int:
        (tmp_path / "out").mkdir(exist_ok=True)
        paths = ["--input", tmp_path / "in", "--output", tmp_path / "out"]
        words = [*map(str, paths), "--weights", str(isles / "weights"), "--device", "cpu"]
        return inference.main([*words, "--record", str(tmp_path / "record.json"), *flags])

    return run


def test_isles_gets_a_mask_and_the_probabilities_of_stock_nnunet(
    tmp_path: Path, isles: Path, run_isles: Callable[..., int]
) -> None:
    files.write_isles_case(tmp_path / "in", image=HEAD)
    assert run_isles() == 0
    assert files.written(tmp_path / "out") == [MAP, MASK]
    labels, probabilities = stock_prediction(isles / "trained", HEAD[None])
    np.testing.assert_array_equal(array(tmp_path / "out" / MASK), labels)
    assert np.abs(array(tmp_path / "out" / MAP) - probabilities[1]).max() < 2e-3
    assert 0 < labels.mean() < 1


def test_isles_record_has_what_was_handed_in_and_check_finds_no_fault(
    tmp_path: Path, run_isles: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    files.write_isles_case(tmp_path / "in", image=HEAD)
    assert run_isles() == 0
    case = json.loads((tmp_path / "record.json").read_text())["cases"]["ab-12"]
    assert case["input_values"]["stroke-metadata"]["DAYS_POST_STROKE"] == 471.0
    assert (case["output"], case["further_outputs"]) == (MASK, [MAP])
    words = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    assert lab(["check", "--platform", "grand-challenge", *words]) == 0
    assert "1 case checked, all is well" in capsys.readouterr().out
    (tmp_path / "out" / MAP).unlink()
    assert lab(["check", "--platform", "grand-challenge", *words]) == 1
    assert "FAULT ab-12: no .mha in images/lesion-probability-map" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("break_input", "code", "reason"),
    [
        (lambda f: (f / "stroke-metadata.json").unlink(), 2, "stroke-metadata.json: no such file"),
        (
            lambda f: (f / "stroke-metadata.json").write_text("{,}"),
            1,
            "stroke-metadata.json: not JSON",
        ),
        (lambda f: files.write_isles_case(f, files.ISLES_SLUGS[:1]), 2, "missing stroke-metadata"),
        (lambda f: files.write_isles_case(f, [*files.ISLES_SLUGS, "ct"]), 2, "unknown ct"),
        (lambda f: (f / "inputs.json").write_text("{"), 2, "inputs.json: not JSON"),
    ],
    ids=["no value", "no JSON", "one socket", "a third socket", "no inputs"],
)
def test_bad_input_is_named_and_nothing_is_written(
    tmp_path: Path,
    run_isles: Callable[..., int],
    capfd: pytest.CaptureFixture[str],
    break_input: Callable[[Path], object],
    code: int,
    reason: str,
) -> None:
    break_input(files.write_isles_case(tmp_path / "in"))
    assert run_isles() == code
    assert reason in capfd.readouterr().err.strip().splitlines()[-1]
    assert files.written(tmp_path / "out") == []


@pytest.mark.slow
def test_a_server_takes_the_sample_case_and_writes_probability_maps_too(tmp_path: Path) -> None:
    sample = Path(__file__).parents[1] / "input" / "isles-2026"
    weights = pack_isles(tmp_path, spacing_mm=(4, 4, 4), patch=(32, 32, 32))
    (tmp_path / "out").mkdir()
    folders = ["--input", sample, "--output", tmp_path / "out", "--weights", weights]
    maps = ["--probabilities", str(tmp_path / "maps"), "--device", "cpu"]
    call = Session(parse(["serve", *map(str, folders), *maps])).open_for_calls()
    call()
    chance, mask = files.written(tmp_path / "out")
    (region,) = files.written(tmp_path / "maps")
    assert region == f"{Path(mask).stem}_lesion.mha"
    np.testing.assert_array_equal(
        array(tmp_path / "maps" / region), array(tmp_path / "out" / chance)
    )
    np.testing.assert_array_equal(
        array(tmp_path / "out" / chance) > 0.5, array(tmp_path / "out" / mask) == 1
    )


def test_files_of_an_earlier_run_do_not_pass_for_this_ones(
    tmp_path: Path, run_isles: Callable[..., int]
) -> None:
    files.write_isles_case(tmp_path / "in", image=HEAD)
    assert run_isles() == 0
    (tmp_path / "in" / "stroke-metadata.json").write_text("no JSON")
    assert run_isles() == 1
    assert files.written(tmp_path / "out") == []


def test_a_challenge_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Packed, run, checked: two images on two grids in, forty labels and a number out."""
    (tmp_path / "vessels.toml").write_text(DESCRIPTION)
    assert lab(["challenge", str(tmp_path / "vessels.toml")]) == 0
    assert "in head-mr-angiography       image of mra at images/head-mr-angiography, linear" in (
        capsys.readouterr().out
    )
    monkeypatch.setitem(SCHEMES, "vessels", read_challenges(tmp_path)["vessels"])  # type: ignore[misc]
    trained = {name: number for number, name in enumerate(["background", *VESSELS])}
    source = tiny.train(
        tmp_path / "trained", tiny.plans(channels=2), tiny.dataset(trained, ["cta", "mra"])
    )
    weights = ["--weights", str(tmp_path / "weights")]
    flags = ["--model", "vessels", "--scheme", "vessels", "--out", weights[1]]
    assert lab(["pack", str(source), *flags]) == 0
    images = tmp_path / "in" / "images"
    files.write_metaimage(images / "head-ct-angiography" / "a.mha", HEAD)
    mra = files.write_metaimage(images / "head-mr-angiography" / "b.mha", HEAD[::2, ::2, ::2], 4.0)
    (tmp_path / "out").mkdir()
    folders = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    assert inference.main([*folders, *weights, "--device", "cpu"]) == 0
    labels = array(tmp_path / "out" / "images" / "head-angio-segmentation" / "a.mha")
    cta = SimpleITK.ReadImage(str(images / "head-ct-angiography" / "a.mha"))
    on_cta = SimpleITK.Resample(SimpleITK.ReadImage(str(mra)), cta, SimpleITK.Transform())
    stack = np.stack([HEAD, SimpleITK.GetArrayFromImage(on_cta)])
    numbers, _ = stock_prediction(source, stack)
    expected = np.array([0, *VESSELS.values()], np.uint8)[numbers]
    assert (labels == expected).mean() > 0.999 and labels.max() > 10
    volume_ml = json.loads((tmp_path / "out" / "vessel-volume.json").read_text())
    assert volume_ml == pytest.approx(np.count_nonzero(labels) * 0.008)
    assert lab(["check", "--platform", "grand-challenge", *folders]) == 0
