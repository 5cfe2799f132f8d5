"""The rules that ship on real scans with a person's labels: what each region's Dice becomes."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from challenge.case import Case, read_case
from challenge.platforms import find_cases
from challenge.scheme import labels_from, probability_of
from ensemble.budget import Budget
from ensemble.engine import Engine
from ensemble.manifest import verify_model
from ensemble.predict import predict
from inference import SHIPPED_WEIGHTS
from lab.metrics.voxel import dice
from postprocess import refine
from postprocess.apply_rules import apply_rules
from postprocess.artefacts import load_artefacts
from postprocess.rule_base import EnsembleMaps
from postprocess.rule_kinds import rule_from

pytestmark = pytest.mark.slow

MOST_LOST = 0.01
REGIONS = {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}


def case_and_reference(name: str, shared_data: Path) -> tuple[Case, np.ndarray]:
    """Return a case, and its labels (z, y, x) with the values of 2023 and later."""
    if name == "expert":  # a person's labels
        folder = shared_data / "brats-2021-expert" / "BraTS-GLI-00000-000"
        reference = folder / "BraTS-GLI-00000-000-seg.nii.gz"
    else:  # a fusion of algorithms
        folder = shared_data / "tcga-fg-6692" / "image"
        reference = folder.parent / "fusion" / "simple.nii.gz"
    (files,) = find_cases(folder).cases
    labels = np.asarray(nibabel.load(reference).dataobj).T
    return read_case(replace(files, allow_missing=True)), np.where(labels == 4, 3, labels)


@pytest.mark.parametrize("name", ["expert", "fusion"])
def test_rules_do_not_cost_a_region_on_a_real_glioma(
    name: str, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = SHIPPED_WEIGHTS / "brats-gli"
    model = verify_model(folder / "MANIFEST.json")
    artefacts = load_artefacts(folder, model.scheme)
    case, reference = case_and_reference(name, shared_data)
    engine = Engine(torch.device("cpu"), "auto")
    *_, last = predict(case, model, engine, Budget(), artefacts.needs_votes)
    before = labels_from(last.probabilities, model.head, model.scheme)
    after = refine(case, last.probabilities, model.head, artefacts, last.votes).labels
    lines = []
    for region, values in REGIONS.items():
        truth = np.isin(reference, values)
        without, with_rules = (dice(np.isin(labels, values), truth) for labels in (before, after))
        assert with_rules > without - MOST_LOST, region
        lines.append(f"{region} {without:.4f} -> {with_rules:.4f}")
    changed = int((before != after).sum())
    with capsys.disabled():
        print(f"\nrules on a real glioma ({name}): {', '.join(lines)}; {changed} voxels changed")


@pytest.mark.parametrize(
    "name",
    [
        "BraTS-GLI-00000-000",
        "unlabelled/BraTS-GLI-00001-000",
        "unlabelled/BraTS-GLI-00027-000",
    ],
)
def test_no_cavity_is_left_in_a_glioma_that_was_never_operated_on(
    name: str, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the core is more probable than the cavity; beside the same comparison in numpy."""
    model = verify_model(SHIPPED_WEIGHTS / "brats-gli" / "MANIFEST.json")
    scheme, head = model.scheme, model.head
    (files,) = find_cases(shared_data / "brats-2021-expert" / name).cases
    case = read_case(files)
    *_, last = predict(case, model, Engine(torch.device("cpu"), "auto"), Budget(), False)
    probabilities = last.probabilities
    row = {"kind": "add-more-probable", "region": "TC", "becomes": "NETC", "than": "RC"}
    maps = EnsembleMaps(lambda names: probability_of(probabilities, head, names))
    before = labels_from(probabilities, head, scheme)
    rules = [rule_from(row, scheme)]
    after = apply_rules(before, rules, scheme, case.spacing_mm, maps).labels
    core, cavity = (head.channels.index(names) for names in (("NETC", "ET"), ("RC",)))
    is_core = (before == 4) & (probabilities[core] > probabilities[cavity])
    np.testing.assert_array_equal(after, np.where(is_core, 1, before))
    assert not (after == 4).any()
    with capsys.disabled():
        print(f"\ncavity of a glioma that was never operated on: {(before == 4).sum()} -> 0 mm3")
