"""Donors out of fold: part of a case's maps, never averaged, and no members of a selection."""

import json
from collections.abc import Iterator
from pathlib import Path

import files
import numpy as np
import pytest
import SimpleITK
import tiny
import torch

from challenge.case import read_case, read_volume
from challenge.scheme import SCHEMES, labels_from
from ensemble.engine import Engine
from ensemble.manifest import Model, verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.data.cohort import read_cohort
from lab.member_selection.candidates import candidate_fault
from lab.member_selection.probability_maps import read_candidate
from lab.member_selection.splits import members_without

SCHEME = SCHEMES["panther-t1"]
DATASET = tiny.dataset({"background": 0, "tumour": 1, "pancreas": 2}, ["MRI"])
IDS = ["a", "b", "c", "d"]
SPLITS = [{"train": IDS[2:], "val": IDS[:2]}, {"train": IDS[:2], "val": IDS[2:]}]
MEMBERS = [f"member/fold_{fold}/checkpoint_final.pth" for fold in (0, 1)]
DONOR = "donor-1/fold_0/checkpoint_final.pth"


@pytest.fixture(scope="module", autouse=True)
def without_proof_of_a_case() -> Iterator[None]:
    """Leave out the synthetic case through stock nnU-Net: seconds a model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.packing.proof.SYNTHETIC_LIMIT_S", 0.0)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write four cases, their splits, and a model that sees the pancreas, with a donor of tumour.

    The donor has the first fold alone: it saw the cases c and d.
    """
    folder = tmp_path_factory.mktemp("donor")
    for number, id in enumerate(IDS):
        image = files.head(number).astype(np.float32)
        for place, array in (("imagesTr", image), ("labelsTr", (image > 500).astype(np.uint8))):
            name = f"{id}_0000.mha" if place == "imagesTr" else f"{id}.mha"
            (folder / "raw" / place).mkdir(parents=True, exist_ok=True)
            written = SimpleITK.GetImageFromArray(array)
            SimpleITK.WriteImage(written, str(folder / "raw" / place / name))
    dataset = json.dumps(DATASET | {"file_ending": ".mha"})
    (folder / "raw" / "dataset.json").write_text(dataset)
    (folder / "splits.json").write_text(json.dumps(SPLITS))
    member = tiny.train_certain(folder / "member", DATASET, 2, (0, 1))
    donor = tiny.train_certain(folder / "donor", DATASET, 1)
    words = ["--model", "m", "--scheme", "panther-t1", "--out", str(folder)]
    assert lab(["pack", str(member), "--donor", f"tumour={donor}", *words]) == 0
    return folder


def model_of(home: Path) -> Model:
    return verify_model(home / "m" / "MANIFEST.json")


def test_a_donor_is_among_the_members_of_the_cases_that_it_did_not_see(home: Path) -> None:
    members = members_without(model_of(home).members, [SPLITS])
    names = {id: [member.name for member in each] for id, each in members.items()}
    first, second = MEMBERS
    assert names == {"a": [first, DONOR], "b": [first, DONOR], "c": [second], "d": [second]}
    without = [member for member in model_of(home).members if member.name != first]
    assert list(members_without(without, [SPLITS])) == ["c", "d"]  # a donor alone is no ensemble


def test_label_maps_hold_the_donors_part_and_the_log_names_it(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", home / "m", "--cohort", home / "raw", "--splits", home / "splits.json"]
    words += ["--out", tmp_path / "oof", "--maps", tmp_path / "maps", "--device", "cpu"]
    assert lab(["out-of-fold", *map(str, words)]) == 0
    assert f"donor of tumour: {DONOR}; in the label maps" in capsys.readouterr().out
    for id, value in (("a", 1), ("c", 2)):
        labels = read_volume(tmp_path / "oof" / f"{id}.mha", np.uint8).array
        assert set(np.unique(labels)) == {0, value}
    validation = ["--validation", str(home / "member")]
    assert lab(["out-of-fold", *map(str, words), *validation]) == 2
    assert "has a donor, which nnU-Net's has no part in" in capsys.readouterr().err
    select = ["--cohort", str(home / "raw"), "--out", str(tmp_path / "selection")]
    assert lab(["select", str(tmp_path / "maps"), *select]) == 2
    reason = "maps: model m has a donor of tumour, which is part of its maps and not averaged; make"
    assert reason in capsys.readouterr().err
    assert read_candidate(tmp_path / "maps").members == 3


def test_a_selection_is_packed_with_a_donor(home: Path, tmp_path: Path) -> None:
    words = ["--scheme", "panther-t1", "--out", str(tmp_path)]
    assert lab(["pack", str(home / "member"), "--model", "plain", *words]) == 0
    out = ["--out", tmp_path / "oof", "--maps", tmp_path / "maps", "--device", "cpu"]
    flags = ["--model", tmp_path / "plain", "--cohort", home / "raw", "--splits"]
    assert lab(["out-of-fold", *map(str, [*flags, home / "splits.json", *out])]) == 0
    select = ["--cohort", str(home / "raw"), "--out", str(tmp_path / "selection"), "--foreign"]
    assert lab(["select", str(tmp_path / "maps"), *select, "--strategies", "equal"]) == 0
    selection = ["--selection", str(tmp_path / "selection" / "selection.json")]
    donor = ["--donor", f"tumour={home / 'donor'}", "--model", "both", "--foreign"]
    assert lab(["pack", *selection, *donor, *words]) == 0
    both = verify_model(tmp_path / "both" / "MANIFEST.json")
    assert [member.donor for member in both.members] == ["", "", "tumour"]
    case = read_case(read_cohort(home / "raw", SCHEME)[0].files)
    *_, final = predict(case, both, Engine(torch.device("cpu")))
    assert set(np.unique(labels_from(final.probabilities, both.head, SCHEME))) == {0, 1}
    assert lab(["pack", *selection, *donor, *words, "--weight", "2"]) == 2


def test_a_candidate_with_weights_by_channel_is_no_member_of_a_selection() -> None:
    members = [{"weight": 1.0}, {"weight": {"WT": 1, "ET": 0}}]
    fault = candidate_fault({"model": "m", "members": members})
    assert fault == "model m has weights by channel itself; make each of its members a candidate"
    assert candidate_fault({"model": "m", "members": members[:1]}) is None
