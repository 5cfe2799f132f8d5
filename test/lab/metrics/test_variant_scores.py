"""A state scored from its table is the state's images scored anew."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from painted_maps import random_case

from lab.metrics import brats2023, brats2025
from lab.metrics.component_table import build_component_table
from lab.metrics.lesionwise import Profile, score
from lab.metrics.pair import Pair
from lab.metrics.variant_scores import score_variant

PROFILES = {f"2023-{name}": profile for name, profile in brats2023.PROFILES.items()} | {
    f"2025-{name}": profile for name, profile in brats2025.PROFILES_2025.items()
}
FINE_MM = (0.4, 0.3, 0.7)  # several voxels within a tolerance of 1 mm


def states(values: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
    """The prediction as it is, with components removed, and with some relabelled as well."""
    removed = np.where(generator.random(values.size) < generator.random(), 0, values)
    moved = (generator.random(values.size) < 0.2) & (removed > 0)
    relabelled = np.where(moved, generator.integers(1, 5, values.size), removed)
    return [values, removed.astype(np.uint8), relabelled.astype(np.uint8)]


def check(task: str, seed: int) -> None:
    case = random_case(seed)
    prediction, reference = (np.ascontiguousarray(m.T) for m in (case.prediction, case.reference))
    profile: Profile = PROFILES[task]
    pair = Pair(prediction, reference, FINE_MM if seed % 4 == 3 else case.spacing_mm[::-1])
    table = build_component_table(pair, profile)
    sent = pickle.dumps(build_component_table(pair, profile, hd95=False))
    slim = pickle.loads(sent)  # noqa: S301 -- our own bytes, as joblib sends them
    # The diagonal is that of the whole grid, which the table's pair is cut from.
    profile = replace(profile, penalty_mm=table.penalty_mm)
    for values in states(table.atoms.values, np.random.default_rng(seed)):
        expected = score(replace(table.pair, prediction=values[table.atoms.ids]), profile)
        found = score_variant(table, values)
        assert set(found) == set(expected)
        without = score_variant(slim, values)
        for region, row in expected.items():
            assert found[region] == pytest.approx(row, rel=0, abs=1e-9), (task, seed, region)
            del row["hd95"]
            assert without[region] == pytest.approx(row, rel=0, abs=1e-9), (task, seed, region)


@pytest.mark.parametrize("task", PROFILES)
def test_removed_and_relabelled_components(task: str) -> None:
    for seed in range(8):
        check(task, seed)


@pytest.mark.slow
@pytest.mark.parametrize("task", PROFILES)
def test_many_states(task: str) -> None:
    for seed in range(100, 160):
        check(task, seed)


def test_an_empty_prediction_has_one_state() -> None:
    labels = np.zeros((6, 6, 6), np.uint8)
    reference = labels.copy()
    reference[1:5, 1:5, 1:5] = 3
    table = build_component_table(Pair(labels, reference, (1.0, 1.0, 1.0)), PROFILES["2025-ssa"])
    assert table.atoms.values.tolist() == [0]
    assert score_variant(table, table.atoms.values)["WT"]["dice"] == 0


def test_what_was_measured_once_is_not_measured_again() -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[2:8, 2:8, 2:8] = 3
    prediction = labels.copy()
    prediction[9:12, 9:12, 9:12] = 3
    table = build_component_table(Pair(prediction, labels, (1.0, 1.0, 1.0)), PROFILES["2025-ssa"])
    score_variant(table, table.atoms.values)
    known = len(table.cache)
    score_variant(table, table.atoms.values)
    assert len(table.cache) == known
    # Without the island only the union of parts is new: both parts were measured alone.
    score_variant(table, np.array([0, 3, 0], np.uint8))
    fresh = [key for key in list(table.cache)[known:] if key[0] in ("measured", "atoms", "lesion")]
    assert fresh == []


def test_without_hd95_nothing_of_the_size_of_the_image_is_kept() -> None:
    labels = np.zeros((60, 60, 60), np.uint8)
    labels[10:50, 10:50, 10:50] = 2
    labels[20:30, 20:30, 20:30] = 3
    pair = Pair(labels, np.roll(labels, 1, axis=0), (1.0, 1.0, 1.0))
    table = build_component_table(pair, PROFILES["2025-gli"], hd95=False)
    whole = build_component_table(pair, PROFILES["2025-gli"])
    assert len(pickle.dumps(table)) < len(pickle.dumps(whole)) / 3
    scores = score_variant(table, table.atoms.values)
    assert set(scores["WT"]) == {"dice", "nsd_0.5", "nsd_1.0", "num_tp", "num_fp", "num_fn"}
    assert scores["WT"]["nsd_1.0"] == pytest.approx(1.0)
