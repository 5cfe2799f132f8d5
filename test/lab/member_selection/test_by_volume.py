"""Weights by volume: chosen and judged held out, shipped, and inferred as they were scored.

Two networks know one kind of case each: "broad" sees all of a large tumour and a false spot beside
a small one, "narrow" the middle of a large one and no false spot. No weights are right about both.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import files
import numpy as np
import pytest
import tiny
import torch

from challenge.case import read_case
from challenge.scheme import SCHEMES, labels_from
from ensemble.backends import BACKENDS
from ensemble.engine import Engine
from ensemble.loaded_networks import LoadedNetwork
from ensemble.manifest import verify_model
from ensemble.members import Member
from ensemble.predict import predict
from ensemble.small_cases import SmallCases
from lab.__main__ import main as lab
from lab.data.cohort import read_cohort
from lab.member_selection.candidates import read_pool
from lab.member_selection.combine import Ensemble, SmallWeights, labels_of
from lab.member_selection.nested_cv import open_search
from lab.member_selection.score_cache import EnsembleScores, key_of, volume_of
from lab.member_selection.stored_validation import validation_fault
from lab.member_selection.strategies import LEAST_SHARE, by_volume
from lab.member_selection.summary import SCHEMA
from lab.metrics.scorers import scorer_named

GLI = SCHEMES["brats-gli"]
CASES, SIDE = 14, 16
CORE, RIM, SPOT = 2.0, 3.0, 1.0  # intensities


def image_of(number: int) -> np.ndarray:
    """Return a case (z, y, x): small tumours have a spot beside them, large ones a rim."""
    image = np.zeros((SIDE, SIDE, SIDE), np.float32)
    if number % 2:
        depth = 6 + number // 2  # up to 12 planes of 36 voxels
        image[2 : 2 + depth, 2:8, 2:8] = CORE
        image[2 : 2 + depth, 2:4, 2:8] = RIM
    else:
        depth = 2 + number // 2  # up to 8 planes of 4 voxels
        image[2 : 2 + depth, 2:4, 2:4] = CORE
        image[12:14, 12:14, 12:14] = SPOT
    return image


def truth_of(number: int) -> np.ndarray:
    return np.where(image_of(number) > SPOT, 3, 0).astype(np.uint8)  # ET


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("by-volume") / "raw"
    for number in range(CASES):
        for channel in range(4):
            noise = np.random.default_rng([number, channel]).uniform(0.05, 0.2, (SIDE,) * 3)
            image = (image_of(number) + noise).astype(np.float32).T  # files are (x, y, z)
            files.write_nifti(folder / "imagesTr" / f"{number}_{channel:04d}.nii.gz", image)
        files.write_nifti(folder / "labelsTr" / f"{number}.nii.gz", truth_of(number).T)
    (folder / "dataset.json").write_text(json.dumps(tiny.dataset() | {"numTraining": CASES}))
    return folder


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let networks answer as their trained folder's name says."""

    def load(self: Engine, member: Member, tiles: int, flips: int) -> LoadedNetwork:
        is_broad = member.checkpoint.parents[1].name.endswith("broad")

        def forward(tiles: torch.Tensor) -> torch.Tensor:
            value = tiles[:, 0]
            seen = value > SPOT / 2 if is_broad else (value - CORE).abs() < 0.5
            logits = torch.zeros((len(tiles), 5, *tiles.shape[2:]))
            logits[:, 3] = torch.where(seen, 9.0, -9.0)
            return logits

        return LoadedNetwork(forward, BACKENDS["torch"])

    monkeypatch.setattr(Engine, "_load", load)
    yield


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("candidates")
    plain = {"normalization_schemes": ["NoNormalization"] * 4, "use_mask_for_norm": [False] * 4}
    for name in ("broad", "narrow"):
        source = tiny.train(folder / name, tiny.plans(**plain), tiny.dataset(), mirror_axes=None)
        flags = ["--model", name, "--scheme", "brats-gli", "--out", str(folder / "packed")]
        assert lab(["pack", str(source), *flags]) == 0
    return folder


def write_maps(candidates: Path, cohort: Path) -> list[str]:
    for name in ("broad", "narrow"):
        words = ["--model", candidates / "packed" / name, "--cohort", cohort, "--unseen"]
        words += ["--out", candidates / "oof" / name, "--maps", candidates / "maps" / name]
        assert lab(["out-of-fold", *map(str, words), "--device", "cpu"]) == 0
    return [str(candidates / "maps" / name) for name in ("broad", "narrow")]


def test_weights_by_volume_win_held_out_ship_and_are_inferred_as_they_were_scored(
    planted: None,
    candidates: Path,
    cohort: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    maps = write_maps(candidates, cohort)
    words = ["--cohort", str(cohort), "--scorer", "voxel", "--out", str(tmp_path / "work")]
    assert lab(["select", *maps, *words, "--strategies", "equal", "greedy", "by-volume"]) == 0
    printed = capsys.readouterr().out
    assert "by-volume ships: +" in printed
    assert "mL of WT, as the usual weights predict it: 1.000 narrow" in printed
    path = tmp_path / "work" / "selection.json"
    selection = json.loads(path.read_text())
    assert (selection["schema"], selection["ships"]) == (SCHEMA, "by-volume")
    small = selection["small_cases"]
    assert (small["region"], small["weights"]) == ("WT", {"narrow": 1.0})
    # The smallest large tumour has 6 planes of 36 voxels, the largest small one 8 of 4 and a spot.
    assert 0.040 < small["below_ml"] <= 0.216
    total = 1 + LEAST_SHARE
    assert selection["weights"] == pytest.approx({"broad": 1 / total, "narrow": 0.01 / total})
    by_volume, greedy = (selection["strategies"][name] for name in ("by-volume", "greedy"))
    assert by_volume["held_out"] > greedy["held_out"] + 0.05 and by_volume["failures"] == []
    flags = ["--model", "both", "--scheme", "brats-gli", "--out", str(tmp_path / "weights")]
    assert lab(["pack", "--selection", str(path), *flags]) == 0
    printed = capsys.readouterr().out
    assert "weight 0.990099, 0 in small cases" in printed
    assert "mL of WT, as the usual weights predict it: the weights of small cases" in printed
    model = verify_model(tmp_path / "weights" / "both" / "MANIFEST.json")
    assert model.small_cases == SmallCases("WT", small["below_ml"])
    assert [member.small_weight for member in model.members] == [0, 1]
    assert json.loads((model.folder / "MANIFEST.json").read_text())["schema"] == 6
    cases = read_cohort(cohort, GLI)
    pool = read_pool([Path(folder) for folder in maps], cases, GLI)
    limit = SmallWeights(model.small_cases, (0.0, 1.0))
    ensemble = Ensemble(tuple(selection["weights"].values()), small=limit)
    for case in cases[:4]:
        *_, final = predict(read_case(case.files), model, Engine(torch.device("cpu"), "torch"))
        written = labels_from(final.probabilities, model.head, GLI)
        of_maps = pool.maps_of(case, (1.0, 1.0, 1.0))
        np.testing.assert_array_equal(labels_of(ensemble, of_maps, model.head, GLI), written)
        np.testing.assert_array_equal(written, truth_of(int(case.files.id)))


def test_a_model_with_weights_of_small_cases_is_no_candidate_itself(
    planted: None, candidates: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = write_maps(candidates, cohort)
    path = candidates / "packed" / "broad" / "MANIFEST.json"
    text = path.read_text()
    content = json.loads(text)
    for entry in content["members"]:
        entry["small_weight"] = 1
    content |= {"schema": 6, "small_cases": {"region": "WT", "below_ml": 1}}
    try:
        path.write_text(json.dumps(content))
        words = ["--cohort", str(cohort), "--out", str(candidates / "work"), "--foreign"]
        assert lab(["select", *maps, *words]) == 2
    finally:
        path.write_text(text)
    assert "model broad has weights of small cases itself" in capsys.readouterr().err


def test_nnunets_validation_stands_for_no_model_with_weights_of_small_cases(
    candidates: Path,
) -> None:
    model = verify_model(candidates / "packed" / "broad" / "MANIFEST.json")
    assert validation_fault(model) is None
    small = replace(model, small_cases=SmallCases("WT", 1.0))
    assert validation_fault(small) == "weights of small cases"


def test_two_choices_are_scored_apart_from_the_first_one_and_by_its_volume(
    planted: None, candidates: Path, cohort: Path, tmp_path: Path
) -> None:
    folders = [Path(folder) for folder in write_maps(candidates, cohort)]
    cases = read_cohort(cohort, GLI)
    scores = EnsembleScores(
        read_pool(folders, cases, GLI), scorer_named("voxel", GLI), tmp_path / "scores.jsonl"
    )
    ensemble = by_volume(open_search(scores, "overlap"))
    assert ensemble.small is not None
    assert ensemble.small.weights == (0.0, 1.0)
    usual = replace(ensemble, small=None)
    assert key_of(ensemble, scores.pool).startswith(f"{key_of(usual, scores.pool)}; below ")
    volumes = scores.volumes_ml(usual)
    spots = 8 * (1 - np.arange(CASES) % 2)
    voxels = [np.count_nonzero(truth_of(int(case.files.id))) for case in cases]
    numbers = [int(case.files.id) for case in cases]
    np.testing.assert_allclose(volumes, (np.array(voxels) + spots[numbers]) / 1000)
    assert volume_of(scores.pool, cases[0], usual) == volumes[0]
    assert scores.of([ensemble])[0].min() == 1  # right about every case
    assert scores.of([usual])[0].min() < 1
