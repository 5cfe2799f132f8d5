"""A donor is run only where the others see nothing of its region, and only if time allows it."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import files
import numpy as np
import pytest
import tiny
import torch
from clock import Clock

import inference
from challenge.case import Case
from challenge.scheme import SCHEMES, labels_from
from ensemble.backends import BACKENDS
from ensemble.budget import Budget
from ensemble.donor import EMPTY, GRAFTED, NO_TIME, NOT_ASKED
from ensemble.engine import Engine
from ensemble.loaded_networks import LoadedNetwork
from ensemble.manifest import Model, verify_model
from ensemble.members import Member
from ensemble.predict import Prediction, predict, warm_up
from lab.__main__ import main as lab
from postprocess import refine
from postprocess.artefacts import load_artefacts

SCHEME = SCHEMES["panther-t1"]
LABELS = {"background": 0, "tumour": 1, "pancreas": 2}
BACKGROUND, TUMOUR, PANCREAS = range(3)
Network = Callable[[torch.Tensor], torch.Tensor]
rng = np.random.default_rng(0)
# Two tiles in a row.
CASE = Case("x", {"t1": rng.normal(300, 90, (20, 16, 16)).astype(np.float32)}, (1.0, 1.0, 1.0))
MEMBER, DONOR = (f"{home}/fold_0/checkpoint_final.pth" for home in ("member", "donor-1"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Pack one member and a donor of tumour, and release them."""
    folder, dataset = tmp_path_factory.mktemp("donor"), tiny.dataset(LABELS, ["MRI"])
    member = tiny.train(folder / "member", tiny.plans(channels=1), dataset)
    other = tiny.plans(channels=1, spacing_mm=(1.01, 1, 1))
    donor = tiny.train(folder / "donor", other, dataset, seed=7)
    words = ["pack", str(member), "--model", "m", "--donor", f"tumour={donor}", "--release"]
    assert lab([*words, "--scheme", "panther-t1", "--out", str(folder / "weights")]) == 0
    return verify_model(folder / "weights" / "m" / "MANIFEST.json")


class Scripted(Engine):
    """An engine whose networks answer by a script; it counts their calls."""

    def __init__(self, networks: dict[str, Network]) -> None:
        super().__init__(torch.device("cpu"), "torch")
        self.networks, self.calls, self.loads = networks, [], []

    def _load(self, member: Member, tiles: int, flips: int) -> LoadedNetwork:
        def forward(tiles: torch.Tensor) -> torch.Tensor:
            self.calls.append(member.name)
            return self.networks[member.checkpoint.parents[1].name](tiles)

        self.loads.append(member.name)
        return LoadedNetwork(forward, BACKENDS["torch"])


def always(channel: int) -> Network:
    """Return a network that is certain of one of three channels."""

    def forward(tiles: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros((len(tiles), 3, *tiles.shape[2:]))
        logits[:, channel] = 8.0
        return logits

    return forward


def bright(tiles: torch.Tensor) -> torch.Tensor:
    """See tumour in bright voxels, background in others."""
    logits = torch.zeros((len(tiles), 3, *tiles.shape[2:]))
    logits[:, TUMOUR] = torch.where(tiles[:, 0] > 1.5, 6.0, -6.0)
    return logits


def run(model: Model, member: Network, donor: Network, **more: object) -> tuple:
    engine = Scripted({"member": member, "donor-1": donor})
    *_, prediction = predict(CASE, model, engine, **more)
    return prediction, engine


def without_donor(model: Model, member: Network) -> Prediction:
    """Predict by the averaged members alone."""
    engine = Scripted({"member": member})
    *_, prediction = predict(CASE, replace(model, members=model.averaged), engine)
    return prediction


def outcome(model: Model, words: str, voxels: int = 0) -> dict:
    names = [member.name for member in model.donors["tumour"]]
    return {"region": "tumour", "members": names, "outcome": words, "voxels": voxels}


def test_where_the_region_is_there_the_donor_is_neither_loaded_nor_run(model: Model) -> None:
    prediction, engine = run(model, bright, always(TUMOUR))
    assert set(engine.loads) == {MEMBER}
    assert prediction.donors == (outcome(model, NOT_ASKED),)
    assert (prediction.members_run, prediction.skipped) == (1, ())
    np.testing.assert_array_equal(
        prediction.probabilities, without_donor(model, bright).probabilities
    )


def test_a_donors_voxels_replace_the_average_where_it_sees_the_region_and_nowhere_else(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    prediction, _ = run(model, always(PANCREAS), bright)
    donated = Scripted({"donor-1": bright})
    donors = replace(model, members=(replace(model.members[1], donor=""),))
    *_, donor = predict(CASE, donors, donated)
    tumour = labels_from(donor.probabilities, model.head, SCHEME) == 1
    assert 0 < tumour.sum() < tumour.size / 4
    before = without_donor(model, always(PANCREAS)).probabilities
    expected = np.where(tumour, donor.probabilities, before)
    np.testing.assert_array_equal(prediction.probabilities, expected)
    labels = labels_from(prediction.probabilities, model.head, SCHEME)
    np.testing.assert_array_equal(labels, np.where(tumour, 1, 2))
    assert prediction.donors == (outcome(model, GRAFTED, int(tumour.sum())),)
    assert f"case=x donor for tumour: {GRAFTED} ({tumour.sum()})" in caplog.text
    assert prediction.members_run == 1  # of those that are averaged


def test_folds_of_a_donor_are_averaged_among_themselves(model: Model) -> None:
    member, donor = model.members
    folds = [replace(donor, name=f"donor-1/{number}") for number in range(2)]
    of_two = replace(model, members=(member, *folds))
    answers = {folds[0].name: bright, folds[1].name: always(BACKGROUND)}
    engine = Scripted({"member": always(PANCREAS)})
    forward = engine._load

    def load(member: Member, tiles: int, flips: int) -> LoadedNetwork:
        engine.networks["donor-1"] = answers.get(member.name, bright)
        return forward(member, tiles, flips)

    engine._load = load
    *_, prediction = predict(CASE, of_two, engine)
    # In bright voxels logits of tumour, 6 and 0, come to 3, of background, 0 and 8, to 4.
    assert prediction.donors == (outcome(of_two, EMPTY),)
    assert set(engine.loads) == {MEMBER, *answers}


def test_a_donor_that_sees_nothing_leaves_the_rest_to_the_challenges_policy(
    model: Model,
) -> None:
    prediction, engine = run(model, always(PANCREAS), always(BACKGROUND))
    assert any(name.startswith("donor-1") for name in engine.calls)
    assert prediction.donors == (outcome(model, EMPTY),)
    before = without_donor(model, always(PANCREAS)).probabilities
    np.testing.assert_array_equal(prediction.probabilities, before)
    artefacts = load_artefacts(model.folder, SCHEME)
    refined = refine(CASE, prediction.probabilities, model.head, artefacts)
    assert refined.record["recovered_by"] == "ball-at-maximum"
    assert SCHEME.mask(refined.labels, "tumour").any()
    grafted, _ = run(model, always(PANCREAS), bright)
    refined = refine(CASE, grafted.probabilities, model.head, artefacts)
    assert refined.record["recovered_by"] is None


def test_votes_are_the_donors_where_its_voxels_are(model: Model) -> None:
    prediction, _ = run(model, always(PANCREAS), bright, count_votes=True)
    labels = labels_from(prediction.probabilities, model.head, SCHEME)
    np.testing.assert_array_equal(prediction.votes, (labels == 1).astype(np.float32))


def slow(clock: Clock, seconds: float, inner: Network) -> Network:
    def forward(tiles: torch.Tensor) -> torch.Tensor:
        clock.now += seconds * len(tiles)
        return inner(tiles)

    return forward


@pytest.mark.parametrize(("limit_s", "words"), [(36.0, GRAFTED), (34.0, NO_TIME)])
def test_without_time_for_a_whole_run_a_donor_is_skipped_and_named(
    model: Model, limit_s: float, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two tiles of eight passes of a second for each; a tenth of the limit is reserved.

    Of 36 s, 16.4 are left for the donor's 16; of 34 s, 14.6.
    """
    clock = Clock(1000.0)
    networks = [slow(clock, 1.0, each) for each in (always(PANCREAS), bright)]
    prediction, engine = run(model, *networks, budget=Budget(limit_s, clock))
    (result,) = prediction.donors
    assert result["outcome"] == words
    if words == NO_TIME:
        named = f"donor for tumour: {DONOR}"
        assert prediction.skipped == (named,)
        assert f"deadline: skipped {named}" in caplog.text
        assert set(engine.loads) == {MEMBER}


def test_a_donor_that_turns_out_too_slow_changes_nothing(model: Model) -> None:
    clock = Clock(1000.0)
    networks = [slow(clock, 1.0, always(PANCREAS)), slow(clock, 100.0, bright)]
    prediction, engine = run(model, *networks, budget=Budget(80.0, clock))
    assert prediction.donors == (outcome(model, NO_TIME),)
    assert prediction.skipped == (f"donor for tumour: {DONOR}",)
    before = without_donor(model, always(PANCREAS)).probabilities
    np.testing.assert_array_equal(prediction.probabilities, before)
    assert any(name.startswith("donor-1") for name in engine.calls)


def test_warming_up_loads_no_donor(model: Model) -> None:
    engine = Scripted({"member": bright, "donor-1": bright})
    warm_up(model, engine)
    assert set(engine.loads) == {MEMBER}


def test_an_average_knows_nothing_of_donors(model: Model) -> None:
    assert [m.name for m in model.averaged] == [MEMBER]
    assert [m.name for m in model.donors["tumour"]] == [DONOR]


@pytest.mark.parametrize(
    ("donor", "scheme", "reason"),
    [
        (
            "ET",
            "brats-gli",
            "of ET: brats-gli takes an empty answer, so that it would never be run",
        ),
        ("liver", "panther-t1", "of 'liver': panther-t1 has tumour, pancreas"),
    ],
)
def test_a_donor_that_would_never_be_run_is_refused(
    tmp_path: Path, donor: str, scheme: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pack", "any", "--model", "m", "--scheme", scheme, "--out", str(tmp_path)]
    assert lab([*words, "--donor", f"{donor}=folder"]) == 2
    assert f"--donor {reason}" in capsys.readouterr().err
    assert lab([*words, "--donor", donor]) == 2
    assert f"--donor {donor}: write REGION=FOLDER_OR_ZIP" in capsys.readouterr().err


def test_a_donor_of_regions_cannot_help_a_softmax_average(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    member = tiny.train(tmp_path / "a", tiny.plans(channels=1), tiny.dataset(LABELS, ["MRI"]))
    regions = {"background": 0, "pancreas": [1, 2], "tumour": [1]}
    donor = tiny.train(
        tmp_path / "b", tiny.plans(channels=1), tiny.dataset(regions, ["MRI"], order=[2, 1])
    )
    words = ["pack", str(member), "--model", "m", "--scheme", "panther-t1", "--out", str(tmp_path)]
    assert lab([*words, "--donor", f"tumour={donor}"]) == 2
    assert "its labels cannot become the ensemble's" in capsys.readouterr().err


def test_the_run_record_says_what_became_of_a_donor(tmp_path: Path) -> None:
    dataset = tiny.dataset(LABELS, ["MRI"])
    member = tiny.train_certain(tmp_path / "member", dataset, PANCREAS)
    donor = tiny.train_certain(tmp_path / "donor", dataset, TUMOUR)
    flags = ["--scheme", "panther-t1", "--out", str(tmp_path / "weights")]
    assert lab(["pack", str(member), "--model", "m", "--donor", f"tumour={donor}", *flags]) == 0
    files.write_panther_case(tmp_path / "in")
    (tmp_path / "out").mkdir()
    paths = ["--input", tmp_path / "in", "--output", tmp_path / "out"]
    paths += ["--weights", tmp_path / "weights", "--record", tmp_path / "record.json"]
    assert inference.main([*map(str, paths), "--device", "cpu"]) == 0
    (case,) = json.loads((tmp_path / "record.json").read_text())["cases"].values()
    (result,) = case["donors"]
    assert (result["region"], result["outcome"]) == ("tumour", GRAFTED)
    assert result["members"] == [DONOR]
    assert result["voxels"] > 0
    assert case["postprocessing"]["recovered_by"] is None


def test_the_manifest_the_table_and_the_card_name_the_donor(
    model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads((model.folder / "MANIFEST.json").read_text())
    assert manifest["schema"] == 4
    assert [entry.get("donor") for entry in manifest["members"]] == [None, "tumour"]
    assert lab(["verify", "--weights", str(model.folder), "--quick"]) == 0
    line = "donor-1: 0 (checkpoint_final; donor, run where the others see no tumour)"
    assert line in capsys.readouterr().out
    card = (model.folder / "MODEL_CARD.md").read_text()
    assert "| donor-1 | 0 | checkpoint_final | donor of tumour |" in card
    assert "A donor of tumour is run only where the average of the others has no tumour" in card
