"""Any scorer on states equals that scorer on the changed images."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from painted_maps import random_case

from challenge.scheme import SCHEMES
from lab.metrics.isles2026 import LesionTable
from lab.metrics.label_components import find_label_components
from lab.metrics.pair import Pair
from lab.metrics.panther import TumourTable
from lab.metrics.scorer import Scorer
from lab.metrics.scorers import SCORERS, voxel_scorer
from lab.metrics.variant_scorers import VolumeScorer, variant_scorer
from lab.metrics.variant_scores import TableScorer

VOXELWISE = voxel_scorer(SCHEMES["brats-gli"], "one")


@pytest.mark.parametrize(
    ("scorer", "kind"),
    [
        (SCORERS["2023-gli"], TableScorer),
        (SCORERS["2024-ssa"], TableScorer),
        (SCORERS["2025-gli"], TableScorer),
        (SCORERS["2026-gli"], VolumeScorer),
        (SCORERS["2026-isles"], LesionTable),
        (SCORERS["panther"], TumourTable),
        (SCORERS["panther-as-published"], TumourTable),
        (VOXELWISE, VolumeScorer),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", "")),
)
@pytest.mark.parametrize("seed", range(3))
def test_states_are_scored_as_images_are(scorer: Scorer, kind: type, seed: int) -> None:
    case, rng = random_case(seed), np.random.default_rng(seed)
    prediction, reference = (np.ascontiguousarray(m.T) for m in (case.prediction, case.reference))
    if scorer.name == "2026-isles":
        prediction, reference = ((m == 1).astype(np.uint8) for m in (prediction, reference))
    pair = Pair(prediction, reference, case.spacing_mm[::-1])
    sent = pickle.dumps(variant_scorer(scorer, pair))
    states = pickle.loads(sent)  # noqa: S301 -- our own bytes, as joblib sends them
    assert isinstance(states, kind)
    components = find_label_components(prediction)
    for _ in range(3):
        values = np.where(rng.random(components.values.size) < 0.3, 0, components.values).astype(
            np.uint8
        )
        expected = scorer.score(replace(pair, prediction=values[components.ids]))
        for region, row in states.score(values).items():
            wanted = {metric: expected[region][metric] for metric in row}
            assert row == pytest.approx(wanted, rel=0, abs=1e-9, nan_ok=True)
            assert "dice" in row
            if kind is TumourTable:
                assert set(row) == set(expected[region])
