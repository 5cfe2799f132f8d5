"""Lesions that post-processing removes are counted as one would on the images, and bounded."""

import numpy as np
import pytest
from cubes import box
from toy import ET, GLI, NETC

from lab.metrics.label_components import find_label_components
from lab.rule_search.loss_limit import LossLimit, describe_loss, loss_line
from lab.rule_search.lost_lesions import find_lesions
from postprocess.components import find_components

SNFH = GLI.labels["SNFH"]


def two_lesions() -> tuple[np.ndarray, np.ndarray]:
    """A lesion of oedema with enhancement in it, and one of enhancement alone, as predicted."""
    reference = np.zeros((8, 8, 20), np.uint8)
    box(reference, SNFH, (1, 1, 1), (5, 5, 5))
    box(reference, ET, (2, 2, 2), (2, 2, 2))
    box(reference, ET, (2, 2, 12), (2, 2, 3))
    return reference, reference.copy()


def lost(reference: np.ndarray, prediction: np.ndarray, change: dict[int, int]) -> float:
    """Return the share lost when label components change value."""
    components = find_label_components(prediction)
    after = components.values.copy()
    for component, value in change.items():
        after[component] = value
    lesions = find_lesions(reference, components.ids, GLI)
    return lesions.lost(components.values, after)


def test_a_lesion_counts_once_in_every_region_that_it_is_of() -> None:
    reference, prediction = two_lesions()
    assert lost(reference, prediction, {}) == 0
    # WT 2, TC 2, ET 2, SNFH 1: the island is a lesion of WT, TC and ET.
    assert lost(reference, prediction, {3: 0}) == pytest.approx(3 / 7)
    # Enhancement that becomes oedema is still whole tumour.
    assert lost(reference, prediction, {2: SNFH}) == pytest.approx(2 / 7)
    assert lost(reference, prediction, {3: NETC}) == pytest.approx(1 / 7)


def test_what_was_not_predicted_is_not_lost_by_rules() -> None:
    reference, prediction = two_lesions()
    prediction[:, :, 10:] = 0
    assert lost(reference, prediction, {}) == 0
    box(prediction, ET, (6, 6, 18), (1, 1, 1))  # a false one
    assert lost(reference, prediction, {3: 0}) == 0


def test_a_case_without_lesions_has_nothing_to_lose() -> None:
    reference, prediction = two_lesions()
    assert np.isnan(lost(np.zeros_like(reference), prediction, {2: 0}))


@pytest.mark.parametrize("seed", range(5))
def test_it_counts_what_one_counts_on_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, 5, (2, 6, 7, 8)).astype(np.uint8)
    maps[rng.random(maps.shape) < 0.7] = 0
    reference, prediction = maps
    components = find_label_components(prediction)
    after = np.where(rng.random(components.values.size) < 0.5, 0, components.values)
    after = after.astype(np.uint8)
    seen = gone = 0
    for labels in GLI.regions.values():
        values = [GLI.labels[label] for label in labels]
        of_reference = find_components(np.isin(reference, values))
        for lesion in range(1, of_reference.voxels.size):
            inside = of_reference.ids == lesion
            was = np.isin(prediction[inside], values).any()
            seen += 1
            gone += was and not np.isin(after[components.ids][inside], values).any()
    lesions = find_lesions(reference, components.ids, GLI)
    assert lesions.lost(components.values, after) == pytest.approx(gone / seen)
    assert gone


def test_a_limit_fails_by_all_cases_and_by_any_cluster_that_is_large_enough() -> None:
    groups = np.repeat([0, 1, 2], [60, 60, 5])
    losses = np.where(groups == 1, 0.2, 0.0)
    loss = describe_loss(losses, groups)
    assert LossLimit().failures(loss) == ()
    assert LossLimit(0.5).failures(loss) == ()
    first, second = LossLimit(0.15).failures(loss)
    assert first.startswith("up to ") and second.startswith("cluster 1: up to ")
    nothing = describe_loss(np.zeros(125), groups)
    assert LossLimit(0.05).failures(nothing) == ()  # cluster 2 is too small to show anything
    assert "at most 1.8% with 90% confidence (125 cases)" in loss_line("pooled", nothing)
    assert loss_line("x", nothing).endswith("by cluster at most 0 3.8% (60), 1 3.8% (60)")
    assert describe_loss(np.zeros(3), np.zeros(3, int))["groups"] == []
