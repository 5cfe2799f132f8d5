"""A state scored from its table is the state's images scored anew."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from painted_maps import random_case

from lab.metrics import brats2023, brats2025
from lab.metrics.component_table import build_component_table
from lab.metrics.label_components import find_label_components
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
    components = find_label_components(prediction)
    sent = [pickle.dumps(build_component_table(pair, profile, hd95)) for hd95 in (False, True)]
    without, table = map(pickle.loads, sent)  # our own bytes, as joblib sends them
    for values in states(table.values, np.random.default_rng(seed)):
        expected = score(replace(pair, prediction=values[components.ids]), profile)
        scores, fewer = score_variant(table, values), score_variant(without, values)
        assert set(scores) == set(fewer) == set(expected)
        for region, row in expected.items():
            assert scores[region] == pytest.approx(row, rel=0, abs=1e-9), (task, seed, region)
            del row["hd95"]
            assert fewer[region] == pytest.approx(row, rel=0, abs=1e-9), (task, seed, region)


@pytest.mark.parametrize("task", PROFILES)
def test_removed_and_relabelled_components(task: str) -> None:
    for seed in range(8):
        check(task, seed)


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(100, 106), marks=pytest.mark.slow),
        pytest.param(range(106, 160), marks=pytest.mark.long),
    ],
    ids=str,
)
@pytest.mark.parametrize("task", PROFILES)
def test_many_states(task: str, seeds: range) -> None:
    for seed in seeds:
        check(task, seed)


def test_an_empty_prediction_has_one_state() -> None:
    labels = np.zeros((6, 6, 6), np.uint8)
    reference = labels.copy()
    reference[1:5, 1:5, 1:5] = 3
    table = build_component_table(Pair(labels, reference, (1.0, 1.0, 1.0)), PROFILES["2025-ssa"])
    assert table.values.tolist() == [0]
    assert score_variant(table, table.values)["WT"]["dice"] == 0


def test_what_was_measured_once_is_not_measured_again() -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[2:8, 2:8, 2:8] = 3
    prediction = labels.copy()
    prediction[9:12, 9:12, 9:12] = 3
    table = build_component_table(Pair(prediction, labels, (1.0, 1.0, 1.0)), PROFILES["2025-ssa"])
    score_variant(table, table.values)
    known = len(table.cache)
    score_variant(table, table.values)
    assert len(table.cache) == known
    # A region that a variant leaves as it is is not scored again.
    score_variant(table, np.array([0, 3, 0], np.uint8))
    added = list(table.cache)[known:]
    score_variant(table, np.array([0, 3, 0], np.uint8))
    assert list(table.cache)[known:] == added
    assert {key[0] for key in added} <= {"ET", "TC", "WT", "surface"}


def test_a_table_holds_nothing_of_the_size_of_the_image() -> None:
    labels = np.zeros((60, 60, 60), np.uint8)
    labels[0, 0, 0] = labels[-1, -1, -1] = 3  # nothing can be cut off
    pair = Pair(labels, labels, (1.0, 1.0, 1.0))
    for hd95 in (False, True):
        table = build_component_table(pair, PROFILES["2025-gli"], hd95)
        assert len(pickle.dumps(table)) < labels.nbytes / 10


def test_a_table_without_distances_gives_all_scores_but_hd95() -> None:
    labels = np.zeros((60, 60, 60), np.uint8)
    labels[10:50, 10:50, 10:50] = 2
    labels[20:30, 20:30, 20:30] = 3
    pair = Pair(labels, np.roll(labels, 1, axis=0), (1.0, 1.0, 1.0))
    table = build_component_table(pair, PROFILES["2025-gli"])
    scores = score_variant(table, table.values)
    assert set(scores["WT"]) == {"dice", "nsd_0.5", "nsd_1.0", "num_tp", "num_fp", "num_fn"}
    assert scores["WT"]["nsd_1.0"] == pytest.approx(1.0)
