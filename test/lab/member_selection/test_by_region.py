"""Weights by region: chosen and judged held out, shipped, and inferred as they were combined.

The images hold the answer: what is whole tumour, what is enhancing, and two places where a network
is wrong for sure. "outer" knows the whole tumour and is wrong about ET, "inner" the reverse; no
weight for all of a network is right about both.
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
from challenge.scheme import SCHEMES, Head, labels_from
from ensemble.backends import BACKENDS
from ensemble.engine import Engine
from ensemble.loaded_networks import LoadedNetwork
from ensemble.manifest import Model, verify_model
from ensemble.members import Member
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.data.cohort import read_cohort
from lab.member_selection.candidates import read_pool
from lab.member_selection.combine import (
    CaseMaps,
    Ensemble,
    labels_of,
    mean_of,
    weighted_by_channel,
)
from lab.member_selection.nested_cv import cross_validate, open_search
from lab.member_selection.score_cache import EnsembleScores, key_of
from lab.member_selection.summary import SCHEMA, shares
from lab.metrics.scorers import scorer_named

GLI = SCHEMES["brats-gli"]
CASES, SIDE = 12, 16
SHAPE = (SIDE, SIDE, SIDE)
WHOLE, ENHANCING, FALSE_WHOLE, FALSE_ENHANCING = range(4)  # channels of the images
SURE, UNSURE = 90.0, -1.0  # logits; the sigmoid of UNSURE is 0.27, so that two are above 0.5


def ball(centre: np.ndarray, radius: float) -> np.ndarray:
    z, y, x = np.ogrid[:SIDE, :SIDE, :SIDE]
    return (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < radius**2


def masks(number: int) -> list[np.ndarray]:
    """Return the four masks (z, y, x) that the images of a case hold."""
    rng = np.random.default_rng(number)
    centre = rng.uniform(6, 8, 3)
    whole, enhancing = ball(centre, rng.uniform(4, 5)), ball(centre, rng.uniform(2, 3))
    corner = ball(np.array([13.0, 13, 13]), 2.5) & ~whole
    return [whole, enhancing, corner, whole & ~enhancing & ball(centre + 2, 3)]


def labels_of_case(number: int) -> np.ndarray:
    whole, enhancing, *_ = masks(number)
    return np.where(enhancing, 3, np.where(whole, 2, 0)).astype(np.uint8)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("by-region") / "raw"
    for number in range(CASES):
        for channel, mask in enumerate(masks(number)):
            noise = np.random.default_rng([number, channel]).uniform(1, 1.3, SHAPE)
            image = (mask + noise).astype(np.float32).T  # files are (x, y, z)
            files.write_nifti(folder / "imagesTr" / f"{number}_{channel:04d}.nii.gz", image)
        labels = labels_of_case(number).T
        files.write_nifti(folder / "labelsTr" / f"{number}.nii.gz", labels)
    (folder / "dataset.json").write_text(json.dumps(tiny.dataset() | {"numTraining": CASES}))
    return folder


def forward_of(name: str) -> torch.nn.Module:
    """Return what a planted network answers to tiles: logits of WT, TC, ET and RC."""

    def forward(tiles: torch.Tensor) -> torch.Tensor:
        seen = tiles > 1.5
        wrong = FALSE_WHOLE if name == "inner" else FALSE_ENHANCING
        region = torch.full((len(tiles), 4, *tiles.shape[2:]), -SURE)
        region[:, 0] = torch.where(seen[:, WHOLE], SURE, -SURE)
        for core in (1, 2):
            region[:, core] = torch.where(seen[:, ENHANCING], SURE, -SURE)
        for channel, error in ((0, FALSE_WHOLE), (1, FALSE_ENHANCING), (2, FALSE_ENHANCING)):
            of_error = SURE if error == wrong else UNSURE
            region[:, channel][seen[:, error] & (region[:, channel] < 0)] = of_error
        return region

    return forward


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let networks answer as their trained folder's name says."""

    def load(self: Engine, member: Member, tiles: int, flips: int) -> LoadedNetwork:
        name = member.checkpoint.parents[1].name.split("-")[-1]
        return LoadedNetwork(forward_of(name), BACKENDS["torch"])

    monkeypatch.setattr(Engine, "_load", load)
    yield


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory, cohort: Path) -> Path:
    """Pack both networks, and write what they say of each case."""
    folder = tmp_path_factory.mktemp("candidates")
    plain = {"normalization_schemes": ["NoNormalization"] * 4, "use_mask_for_norm": [False] * 4}
    regions = tiny.dataset(tiny.REGIONS, order=tiny.REGION_ORDER)
    for name in ("inner", "outer"):
        source = tiny.train(folder / name, tiny.plans(**plain), regions)
        flags = ["--model", name, "--scheme", "brats-gli", "--out", str(folder / "packed")]
        assert lab(["pack", str(source), *flags]) == 0
    return folder


def write_maps(candidates: Path, cohort: Path, *names: str) -> list[str]:
    for name in names:
        words = ["--model", candidates / "packed" / name, "--cohort", cohort, "--unseen"]
        words += ["--out", candidates / "oof" / name, "--maps", candidates / "maps" / name]
        assert lab(["out-of-fold", *map(str, words), "--device", "cpu"]) == 0
    return [str(candidates / "maps" / name) for name in names]


def test_weights_by_region_win_held_out_ship_and_are_inferred_as_they_were_scored(
    planted: None,
    candidates: Path,
    cohort: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    maps = write_maps(candidates, cohort, "inner", "outer")
    words = ["--cohort", str(cohort), "--scorer", "voxel", "--out", str(tmp_path / "work")]
    assert lab(["select", *maps, *words]) == 0
    printed = capsys.readouterr().out
    assert "by-region ships: +" in printed
    assert "WT 0.000, TC 1.000, ET 1.000, RC 1.000 inner (chosen in 5 of 5 parts)" in printed
    path = tmp_path / "work" / "selection.json"
    selection = json.loads(path.read_text())
    assert (selection["schema"], selection["ships"]) == (SCHEMA, "by-region")
    assert selection["weights"] == {
        "inner": {"WT": 0.0, "TC": 1.0, "ET": 1.0, "RC": 1.0},
        "outer": {"WT": 1.0, "TC": 0.0, "ET": 0.0, "RC": 0.0},
    }
    by_region, greedy = (selection["strategies"][name] for name in ("by-region", "greedy"))
    assert by_region["held_out"] == pytest.approx(1.0) and greedy["held_out"] < 0.97
    assert by_region["interval"][0] > 0.01 and by_region["failures"] == []
    flags = ["--model", "both", "--scheme", "brats-gli", "--out", str(tmp_path / "weights")]
    assert lab(["pack", "--selection", str(path), *flags]) == 0
    model = verify_model(tmp_path / "weights" / "both" / "MANIFEST.json")
    manifest = json.loads((model.folder / "MANIFEST.json").read_text())
    assert manifest["schema"] == 4
    assert [entry["weight"] for entry in manifest["members"]] == list(selection["weights"].values())
    cases = read_cohort(cohort, GLI)
    pool = read_pool([Path(folder) for folder in maps], cases, GLI)
    ensemble = chosen(selection)
    for case in cases[:4]:
        engine = Engine(torch.device("cpu"), "torch")
        *_, final = predict(read_case(case.files), model, engine)
        written = labels_from(final.probabilities, model.head, GLI)
        of_maps = pool.maps_of(case, (1.0, 1.0, 1.0))
        np.testing.assert_array_equal(labels_of(ensemble, of_maps, model.head, GLI), written)
        np.testing.assert_array_equal(written, labels_of_case(int(case.files.id)))


def chosen(selection: dict) -> Ensemble:
    weights = list(selection["weights"].values())
    return weighted_by_channel({n: np.array([w[n] for w in weights]) for n in weights[0]})


def test_weights_by_region_pass_the_same_gate(
    planted: None, candidates: Path, cohort: Path, tmp_path: Path
) -> None:
    """Four cases are too few, however large the gain."""
    folders = [Path(folder) for folder in write_maps(candidates, cohort, "inner", "outer")]
    few = [case for case in read_cohort(cohort, GLI) if int(case.files.id) < 4]
    scorer = scorer_named("voxel", GLI)
    scores = EnsembleScores(read_pool(folders, few, GLI), scorer, tmp_path / "scores.jsonl")
    compared = cross_validate(open_search(scores, "overlap"), ["by-region"])
    gain = compared.results["by-region"].gain
    assert gain.total.low > 0
    assert gain.failures[0].startswith("4 cases are too few")
    assert compared.ships == "equal"


SOFTMAX_LABELS = ("NETC", "SNFH", "ET", "RC")
ABOUT_ET = {"inner": 3.0, "outer": 1.0}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack two softmax networks and one of regions, random ones, each by itself."""
    folder = tmp_path_factory.mktemp("mixed")
    regions = tiny.dataset(tiny.REGIONS, order=tiny.REGION_ORDER)
    for seed, (name, dataset) in enumerate(
        {"one": tiny.dataset(), "two": tiny.dataset(), "regions": regions}.items()
    ):
        plans = tiny.plans(spacing_mm=(1 + seed / 5,) * 3)
        source = tiny.train(folder / name, plans, dataset, seed=seed)
        flags = ["--model", name, "--scheme", "brats-gli", "--out", str(folder / "packed")]
        assert lab(["pack", str(source), *flags]) == 0
    return folder / "packed"


@pytest.mark.parametrize(
    ("names", "channels"),
    [
        (("one", "two"), ("background", *SOFTMAX_LABELS)),
        (("two", "regions"), ("WT", "TC", "ET", "RC")),
        (("one", "two", "regions"), ("WT", "TC", "ET", "RC")),
    ],
)
def test_inference_gives_the_bits_that_the_combination_gave(
    mixed: Path, cohort: Path, names: tuple[str, ...], channels: tuple[str, ...]
) -> None:
    """Of maps in single precision, as the networks give them: probabilities, not labels alone."""
    rng = np.random.default_rng(len(names))
    rows = rng.integers(0, 4, (len(channels), len(names))) + 0.0
    rows[rows.sum(1) == 0] = 1
    ensemble = weighted_by_channel(dict(zip(channels, rows, strict=True)))
    assert ensemble.by_channel
    case = read_case(read_cohort(cohort, GLI)[0].files)
    case = replace(
        case, images={s: rng.normal(3, 1, SHAPE).astype(np.float32) for s in case.images}
    )
    models = [verify_model(mixed / name / "MANIFEST.json") for name in names]
    whole = (slice(0, SIDE),) * 3
    heads = tuple(model.head for model in models)
    arrays = tuple(probabilities(case, model) for model in models)
    maps = CaseMaps(arrays, heads, whole, SHAPE, (1.0, 1.0, 1.0))
    joint = joint_model(models, ensemble)
    expected = mean_of(ensemble, maps, joint.head)
    np.testing.assert_array_equal(probabilities(case, joint), expected)
    labels = labels_of(ensemble, maps, joint.head, GLI)
    np.testing.assert_array_equal(labels, labels_from(expected, joint.head, GLI))
    assert len(np.unique(labels)) > 2


def probabilities(case: object, model: Model) -> np.ndarray:
    (final,) = predict(case, model, Engine(torch.device("cpu"), "torch"))
    return final.probabilities


def joint_model(models: list[Model], ensemble: Ensemble) -> Model:
    """Return one model of all members, as a manifest with these weights is read."""
    regions = [model.head for model in models if model.head.kind == "regions"]
    head: Head = next(iter(regions), models[0].head)
    members = []
    for i, model in enumerate(models):
        each = tuple(weights[i] for _, weights in ensemble.by_channel)
        member = replace(model.members[0], weight=sum(each) / len(each), channel_weights=each)
        members.append(replace(member, name=model.name))
    return replace(models[0], members=tuple(members), head=head)


def test_the_name_of_an_ensemble_and_its_shares_are_by_channel() -> None:
    ensemble = weighted_by_channel({"WT": np.array([1.0, 2]), "ET": np.array([0.0, 5])})
    assert ensemble.by_channel == (("WT", (0.333333, 0.666667)), ("ET", (0.0, 1.0)))
    assert ensemble.weights == pytest.approx((1 / 6, 5 / 6), abs=1e-6)
    pool = Named(("a", "b"))
    assert key_of(ensemble, pool) == "a (WT 0.333333, ET 0), b (WT 0.666667, ET 1)"
    assert shares(ensemble, pool)["a"] == {"WT": 0.333333, "ET": 0.0}
    same = weighted_by_channel({"WT": np.array([1.0, 1]), "ET": np.array([2.0, 2])})
    assert (same.weights, same.by_channel) == ((0.5, 0.5), ())


class Named:
    """A pool of nothing but names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.candidates = [type("Candidate", (), {"name": name}) for name in names]
