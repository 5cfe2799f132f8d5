"""Which model and which challenge a case is answered as, and what is said of other labels."""

import json
from collections.abc import Callable
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import tiny
from files import GLI

import inference
from lab.__main__ import main as lab


def run_seeing_cavities(folder: Path, *flags: str, inference_words: tuple[str, ...] = ()) -> int:
    """Run a tiny network that sees resection cavities everywhere, packed with `flags`."""
    source = tiny.train(folder / "trained", tiny.plans(), tiny.dataset(), folds=(3,))
    pack = ["pack", str(source), "--model", "gli", "--scheme", "brats-gli", *flags]
    assert lab([*pack, "--out", str(folder / "weights")]) == 0
    (folder / "out").mkdir()
    paths = {"--input": "in", "--output": "out", "--weights": "weights", "--record": "record.json"}
    words = [word for flag, name in paths.items() for word in (flag, str(folder / name))]
    return inference.main([*words, *inference_words, "--device", "cpu"])


def test_a_name_does_not_override_what_the_model_is_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    for id in ("BraTS-PED-00001-000", "BraTS-SSA-00001-000", GLI[0]):
        files.write_brats_case(tmp_path / "in" / id, id)
    assert run_seeing_cavities(tmp_path, inference_words=("--model", "gli")) == 0
    label_maps = [np.asarray(nibabel.load(path).dataobj) for path in (tmp_path / "out").iterdir()]
    assert all(
        np.array_equal(labels, label_maps[0]) for labels in label_maps
    )  # the images are alike
    assert (
        4 in label_maps[0]
    )  # the resection cavity, of which the two other challenges know nothing
    out = capfd.readouterr().out
    assert "case=BraTS-PED-00001-000 is named as of brats-ped; the model answers brats-gli" in out
    assert f"case={GLI[0]} is named" not in out
    case = json.loads((tmp_path / "record.json").read_text())["cases"]["BraTS-SSA-00001-000"]
    assert (case["named_scheme"], case["scheme"]) == ("brats-ssa", "brats-gli")


def test_a_case_whose_challenge_has_other_label_values_fails_by_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """PED's 1 is ET, GLI's is NETC; Africa's values are GLI's."""
    for id in ("BraTS-PED-00001-000", "BraTS-SSA-00001-000", GLI[0]):
        files.write_brats_case(tmp_path / "in" / id, id)
    assert run_seeing_cavities(tmp_path) == 1
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [f"{GLI[0]}.nii.gz", "BraTS-SSA-00001-000.nii.gz"]
    assert capfd.readouterr().err.splitlines()[-1] == (
        "1 of 3 cases failed; BraTS-PED-00001-000: case BraTS-PED-00001-000 is named as of "
        "brats-ped, and gli answers brats-gli, whose label values mean something else; --model gli "
        "takes it all the same"
    )


def test_a_label_that_the_challenge_lacks_is_never_dropped_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """GLI's network for Africa's challenge, which knows no resection cavity."""
    for id in ("BraTS-SSA-00001-000", "patient-7", GLI[0]):
        files.write_brats_case(tmp_path / "in" / id, id)
    assert run_seeing_cavities(tmp_path, "--answers", "brats-ssa,brats-gli") == 0
    values = {
        path.name.removesuffix(".nii.gz"): set(np.unique(nibabel.load(path).dataobj))
        for path in (tmp_path / "out").iterdir()
    }
    assert 4 in values[GLI[0]]
    assert 4 not in values["BraTS-SSA-00001-000"] | values["patient-7"]
    out = capfd.readouterr().out
    cases = json.loads((tmp_path / "record.json").read_text())["cases"]
    for id in ("BraTS-SSA-00001-000", "patient-7"):
        cavity_mm3 = cases[id]["unwritten_mm3"]["RC"]
        assert cavity_mm3 == pytest.approx(cases[GLI[0]]["volumes_mm3"]["RC"])
        lost = f"case={id} has {cavity_mm3 / 1000:.1f} mL of RC, not written: no label of brats-ssa"
        assert lost in out
    assert cases[GLI[0]]["unwritten_mm3"] == {}


def test_a_model_by_name(tmp_path: Path, run: Callable[..., int], capfd):
    files.write_brats_case(tmp_path / "in", GLI[0])
    assert run("--model", "gli") == 0
    assert run("--model", "nothing") == 2
    assert "no model 'nothing', only gli, t1, t2" in capfd.readouterr().err
    assert run("--model", "t1") == 2
    assert f"no model fits case {GLI[0]} (of t1)" in capfd.readouterr().err
