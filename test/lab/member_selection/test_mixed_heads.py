"""Softmax and region candidates in one pool: each decoded as it ships, alone and together."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import files
import numpy as np
import pytest
import tiny
import torch

import inference
from challenge.case import read_case
from challenge.scheme import SCHEMES, Head, labels_from
from challenge.volume import read_volume
from ensemble.engine import Engine
from ensemble.heads import to_head
from ensemble.manifest import verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.data.cohort import CohortCase, read_cohort
from lab.member_selection.candidates import Pool, read_pool
from lab.member_selection.combine import equal, labels_of, mean_of, weighted
from lab.member_selection.probability_maps import (
    Candidate,
    read_candidate,
    write_candidate,
    write_map,
)
from lab.metrics.voxel import dice

GLI = SCHEMES["brats-gli"]
LABELS = ("NETC", "SNFH", "ET", "RC")
SOFTMAX = Head("softmax", ((), *((name,) for name in LABELS)), ("", *LABELS))
REGIONS = Head(
    "regions",
    (("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",), ("RC",)),
    ("SNFH", "NETC", "ET", "RC"),
)
IDS = ("a", "b", "c")
SIDE = 8


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Write cases of random labels."""
    folder, rng = tmp_path / "raw", np.random.default_rng(0)
    for id in IDS:
        for channel in range(4):
            image = files.head(channel, (SIDE, SIDE, SIDE))
            files.write_nifti(folder / "imagesTr" / f"{id}_{channel:04d}.nii.gz", image)
        labels = rng.integers(0, 5, (SIDE, SIDE, SIDE)).astype(np.uint8)
        files.write_nifti(folder / "labelsTr" / f"{id}.nii.gz", labels)
    (folder / "dataset.json").write_text(json.dumps(tiny.dataset()))
    return folder


def softmax(seed: int) -> np.ndarray:
    """Random probabilities: in many voxels background is likeliest, and yet tumour above 0.5."""
    draws = np.random.default_rng(seed).dirichlet((2, 1, 1, 1, 1), (SIDE, SIDE, SIDE))
    return np.moveaxis(draws, -1, 0).astype(np.float16).astype(np.float32)


def write(folder: Path, name: str, head: Head, probabilities: Callable[[int], np.ndarray]) -> Path:
    home = folder / "maps" / name
    home.mkdir(parents=True)
    for number, id in enumerate(IDS):
        write_map(home / f"{id}.npz", probabilities(number), head)
    write_candidate(Candidate(name, home, GLI, head, dict.fromkeys(IDS, ("fold_0",)), 1.0))
    return home


@pytest.fixture
def candidates(tmp_path: Path) -> list[Path]:
    """Write two softmax candidates and one of regions."""
    regions = [to_head(softmax(300 + number), SOFTMAX, REGIONS) for number in range(3)]
    return [
        write(tmp_path, "one", SOFTMAX, lambda number: softmax(100 + number)),
        write(tmp_path, "two", SOFTMAX, lambda number: softmax(200 + number)),
        write(tmp_path, "regions", REGIONS, lambda number: regions[number]),
    ]


def pool_of(candidates: list[Path], cohort: Path) -> tuple[Pool, CohortCase]:
    cases = read_cohort(cohort, GLI)
    return read_pool(candidates, cases, GLI), cases[0]


def labels(pool: Pool, case: CohortCase, *weights: float) -> np.ndarray:
    ensemble = weighted(weights)
    maps = pool.maps_of(case, (1.0, 1.0, 1.0))
    return labels_of(ensemble, maps, pool.head_of(ensemble), GLI)


def test_each_candidate_is_decoded_by_its_own_head(candidates: list[Path], cohort: Path) -> None:
    pool, case = pool_of(candidates, cohort)
    for i, weights in enumerate(np.eye(3)):
        candidate = pool.candidates[i]
        label_map = candidate.read("a").within((slice(0, SIDE),) * 3, candidate.head)
        expected = labels_from(label_map, candidate.head, GLI)
        np.testing.assert_array_equal(labels(pool, case, *weights), expected)
    by_argmax = np.array([0, 1, 2, 3, 4], np.uint8)[softmax(100).argmax(0)]
    np.testing.assert_array_equal(labels(pool, case, 1, 0, 0), by_argmax)
    by_regions = labels_from(to_head(softmax(100), SOFTMAX, REGIONS), REGIONS, GLI)
    assert (by_argmax != by_regions).sum() > 100  # as a region candidate in the pool decoded it


def test_two_softmax_candidates_are_decoded_by_argmax_beside_a_region_candidate(
    candidates: list[Path], cohort: Path
) -> None:
    pool, case = pool_of(candidates, cohort)
    mean = 0.75 * softmax(100) + 0.25 * softmax(200)
    np.testing.assert_array_equal(labels(pool, case, 3, 1, 0), mean.argmax(0))


def test_a_mixed_ensemble_is_decoded_by_regions(candidates: list[Path], cohort: Path) -> None:
    pool, case = pool_of(candidates, cohort)
    mean = 0.5 * to_head(softmax(200), SOFTMAX, REGIONS)
    mean += 0.5 * to_head(softmax(300), SOFTMAX, REGIONS)
    expected = np.zeros((SIDE,) * 3, np.uint8)
    for probability, value in zip(mean, (2, 1, 3, 4), strict=True):
        expected[probability > 0.5] = value
    np.testing.assert_array_equal(labels(pool, case, 0, 1, 1), expected)


def test_lab_select_prints_the_dice_of_a_candidates_own_labels(
    candidates: list[Path], cohort: Path, tmp_path: Path
) -> None:
    """Whole tumour of a softmax candidate: labels 1, 2, 3 of its arg-max, not a sum above 0.5."""
    flags = ["--cohort", str(cohort), "--out", str(tmp_path / "work"), "--scorer", "voxel"]
    words = ["select", *map(str, candidates), *flags, "--strategies", "equal"]
    assert lab(words) == 0
    rows = json.loads((tmp_path / "work" / "selection.json").read_text())["per_candidate"]
    value = {(row["candidate"], row["region"], row["metric"]): row["value"] for row in rows}
    expected = []
    for number, case in enumerate(read_cohort(cohort, GLI)):
        ours = softmax(100 + number).argmax(0)
        masks = [np.isin(each, (1, 2, 3)) for each in (ours, case.read_reference().array)]
        expected.append(dice(*masks))
    assert value["one", "WT", "dice"] == pytest.approx(np.mean(expected))


def test_softmax_heads_of_other_labels_are_no_ensemble_without_the_regions(
    candidates: list[Path], cohort: Path, tmp_path: Path
) -> None:
    """Their order differs, so that no manifest holds both; with the regions they can be one."""
    names = ("SNFH", "NETC", "ET", "RC")
    other = Head("softmax", ((), *((name,) for name in names)), ("", *names))
    turned = write(tmp_path, "turned", other, softmax)
    pool, _ = pool_of([*candidates, turned], cohort)
    assert pool.can_pack(equal(4))
    assert pool.can_pack(weighted((0, 0, 0, 1)))
    assert pool.can_pack(weighted((1, 0, 1, 1)))
    assert not pool.can_pack(weighted((1, 1, 0, 1)))
    flags = ["--cohort", str(cohort), "--out", str(tmp_path / "work"), "--scorer", "voxel"]
    assert lab(["select", *map(str, [*candidates, turned]), *flags]) == 0
    for strategy in json.loads((tmp_path / "work/selection.json").read_text())[
        "strategies"
    ].values():
        assert {"turned", "one"} - set(strategy["weights"]) or "regions" in strategy["weights"]


@dataclass(frozen=True)
class Networks:
    """Packed candidates with maps of one case, and the case as the platform hands it over."""

    folder: Path
    maps: list[Path]
    cohort: Path


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """Pack two softmax networks and one of regions; write what each predicts for a case."""
    folder = tmp_path_factory.mktemp("networks")
    files.write_brats_case(folder / "in" / files.GLI[0], files.GLI[0])
    for channel in range(4):
        image = files.head(channel)
        files.write_nifti(folder / "raw" / "imagesTr" / f"x_{channel:04d}.nii.gz", image)
    reference = (files.head(9) > 500).astype(np.uint8)
    files.write_nifti(folder / "raw" / "labelsTr" / "x.nii.gz", reference)
    (folder / "raw" / "dataset.json").write_text(json.dumps(tiny.dataset()))
    case = read_cohort(folder / "raw", GLI)[0]
    regions = tiny.dataset(tiny.REGIONS, order=tiny.REGION_ORDER)
    maps = []
    for name, dataset, fold in (("one", None, 0), ("two", None, 1), ("regions", regions, 2)):
        plans = tiny.plans(spacing_mm=(1.3, 1.3, 1.3)) if dataset else tiny.plans()
        source = tiny.train(folder / name, plans, dataset or tiny.dataset(), folds=(fold,))
        flags = ["--model", name, "--scheme", "brats-gli", "--out", str(folder / "packed")]
        assert lab(["pack", str(source), *flags]) == 0
        model = verify_model(folder / "packed" / name / "MANIFEST.json")
        *_, final = predict(read_case(case.files), model, Engine(torch.device("cpu")))
        home = folder / "maps" / name
        home.mkdir(parents=True)
        write_map(home / "x.npz", final.probabilities, model.head)
        members_of = {"x": (model.members[0].name,)}
        write_candidate(Candidate(name, home, GLI, model.head, members_of, 1.0, model.folder))
        maps.append(home)
    flags = ["--cohort", str(folder / "raw"), "--out", str(folder), "--strategies", "equal"]
    assert lab(["select", *map(str, maps), *flags]) == 0
    return Networks(folder, maps, folder / "raw")


@pytest.mark.parametrize("weights", [(3, 1, 0), (1, 0, 1), (1, 2, 5)])
def test_what_lab_select_scores_is_what_the_packed_ensemble_writes(
    networks: Networks, tmp_path: Path, weights: tuple[float, ...]
) -> None:
    """Exact but where half-precision maps fall to the other side of a tie, within 1/1000 of it."""
    case = read_cohort(networks.cohort, GLI)[0]
    pool = read_pool(networks.maps, [case], GLI)
    selection = json.loads((networks.folder / "selection.json").read_text())
    names = [read_candidate(folder).name for folder in networks.maps]
    shares = {n: w / sum(weights) for n, w in zip(names, weights, strict=True) if w}
    (tmp_path / "selection.json").write_text(json.dumps(selection | {"weights": shares}))
    flags = ["--model", "both", "--scheme", "brats-gli", "--out", str(tmp_path / "weights")]
    flags.append("--foreign")  # the weights are not those that `lab select` chose
    assert lab(["pack", "--selection", str(tmp_path / "selection.json"), *flags]) == 0
    (tmp_path / "out").mkdir()
    paths = ("--input", networks.folder / "in", "--output", tmp_path / "out")
    model = ["--weights", str(tmp_path / "weights"), "--device", "cpu"]
    assert inference.main([*map(str, paths), *model]) == 0
    written = read_volume(tmp_path / "out" / f"{files.GLI[0]}.nii.gz", np.uint8).array
    ensemble = weighted(weights)
    maps = pool.maps_of(case, (1.0, 1.0, 1.0))
    scored = labels_of(ensemble, maps, pool.head_of(ensemble), GLI)
    mean = np.zeros((len(pool.head_of(ensemble).channels), *maps.shape), np.float32)
    mean[(slice(None), *maps.box)] = mean_of(ensemble, maps, pool.head_of(ensemble))
    if pool.head_of(ensemble).kind == "softmax":
        second, first = np.sort(mean, axis=0)[-2:]
        margin = first - second
    else:
        margin = np.abs(mean - 0.5).min(0)
    assert not (scored != written)[margin > 1e-3].any()
    assert (scored != written).sum() <= 8  # of 7,920 voxels, each near a tie
    assert len(np.unique(written)) >= 3
