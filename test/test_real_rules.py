"""The rules that ship on real scans with somebody's outlines: what each region's Dice becomes."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from _pytest.mark import ParameterSet
from real_gliomas import PARTS, REGIONS, outlined

from challenge.case import Case, read_case
from challenge.platforms import find_cases
from challenge.scheme import labels_from, probability_of
from ensemble.budget import Budget
from ensemble.engine import Engine
from ensemble.manifest import verify_model
from ensemble.predict import Prediction, predict
from inference import SHIPPED_WEIGHTS
from lab.metrics.voxel import dice
from postprocess import refine
from postprocess.apply_rules import apply_rules
from postprocess.artefacts import load_artefacts
from postprocess.rule_base import EnsembleMaps
from postprocess.rule_kinds import rule_from

pytestmark = pytest.mark.slow

MOST_LOST = 0.01
FOLDER = SHIPPED_WEIGHTS / "brats-gli"


def on(scan: str, name: str) -> ParameterSet:
    """Return a parameter whose tests share a process with others on the same scan."""
    return pytest.param(name, marks=pytest.mark.xdist_group(scan))


@pytest.fixture(scope="module")
def predicted() -> Callable[[Case], Prediction]:
    """Predict a case by the weights that ship, each scan once."""
    model = verify_model(FOLDER / "MANIFEST.json")
    predictions: dict[bytes, Prediction] = {}

    def predicted(case: Case) -> Prediction:
        scan = sha256(case.images["t1c"]).digest()
        if scan not in predictions:
            *_, last = predict(case, model, Engine(torch.device("cpu"), "auto"), Budget(), True)
            predictions[scan] = last
        return predictions[scan]

    return predicted


@pytest.mark.parametrize(
    "name",
    [on("expert", "expert"), on("6692", "person"), on("6692", "fusion"), on("pat0001", "pat0001")],
)
def test_rules_do_not_cost_a_region_on_a_real_glioma(
    name: str,
    predicted: Callable[[Case], Prediction],
    shared_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = verify_model(FOLDER / "MANIFEST.json")
    artefacts = load_artefacts(FOLDER, model.scheme)
    glioma = outlined(name, shared_data, tmp_path)
    last = predicted(glioma.case)
    before = labels_from(last.probabilities, model.head, model.scheme)
    after = refine(glioma.case, last.probabilities, model.head, artefacts, last.votes).labels
    lines = []
    for region, mask in glioma.masks.items():
        values = (REGIONS | PARTS)[region]
        without, with_rules = (dice(np.isin(labels, values), mask) for labels in (before, after))
        if region in REGIONS:
            assert with_rules > without - MOST_LOST, region
        lines.append(f"{region} {without:.3f} -> {with_rules:.3f}")
    voxel_ml = np.prod(glioma.case.spacing_mm) / 1000
    cavities = [f"{(labels == 4).sum() * voxel_ml:.2f}" for labels in (before, after)]
    with capsys.disabled():
        print(f"\nrules, {name} ({glioma.who}): {', '.join(lines)}; RC {' -> '.join(cavities)} mL")


@pytest.mark.parametrize(
    "name",
    [
        on("expert", "BraTS-GLI-00000-000"),
        on("00001", "unlabelled/BraTS-GLI-00001-000"),
        on("00027", "unlabelled/BraTS-GLI-00027-000"),
    ],
)
def test_hardly_a_cavity_is_left_in_a_glioma_that_was_never_operated_on(
    name: str,
    predicted: Callable[[Case], Prediction],
    shared_data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where the core is more probable than the cavity; beside the same comparison in numpy."""
    model = verify_model(FOLDER / "MANIFEST.json")
    scheme, head = model.scheme, model.head
    (files,) = find_cases(shared_data / "brats-2021-expert" / name).cases
    case = read_case(files)
    probabilities = predicted(case).probabilities
    row = {"kind": "add-more-probable", "region": "TC", "becomes": "NETC", "than": "RC"}
    maps = EnsembleMaps(lambda names: probability_of(probabilities, head, names))
    before = labels_from(probabilities, head, scheme)
    rules = [rule_from(row, scheme)]
    after = apply_rules(before, rules, scheme, case.spacing_mm, maps).labels
    core, cavity = (head.channels.index(names) for names in (("NETC", "ET"), ("RC",)))
    is_core = (before == 4) & (probabilities[core] > probabilities[cavity])
    np.testing.assert_array_equal(after, np.where(is_core, 1, before))
    voxels = [int((labels == 4).sum()) for labels in (before, after)]  # of 1 mm3
    assert voxels[1] <= 0.02 * voxels[0]
    with capsys.disabled():
        print(f"\ncavity of a glioma that was never operated on: {voxels[0]} -> {voxels[1]} mm3")
