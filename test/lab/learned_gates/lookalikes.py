"""Small heads with true and false islands of ET that neither size nor confidence tells apart."""

from dataclasses import replace

import numpy as np

from challenge.case import Case
from challenge.scheme import SCHEMES
from lab.learned_gates.gate_cases import GateCase, make_gate_case
from lab.metrics.objective import objective_values
from lab.metrics.pair import Pair
from lab.metrics.scorers import scorer_named
from lab.metrics.search_columns import search_columns
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.written_scorer import score_as_written
from postprocess.refine_input import RefineInput

GLI = SCHEMES["brats-gli"]
ET, SNFH = GLI.labels["ET"], GLI.labels["SNFH"]
SCORER = scorer_named("2023-gli", GLI)
CONFIG = replace(SEARCH_CONFIGS["validated"], groups=("mask",))
SHAPE = (40, 40, 40)
PLACES = [(z, y, x) for z in (4, 31) for y in (4, 18, 31) for x in (4, 18, 31)]


def lookalike(
    seed: int, tells: bool = True, false_label: int = 0
) -> tuple[RefineInput, np.ndarray]:
    """Return one case and its reference: half of the islands, of 64 to 125 voxels, are false.

    Where they are, the reference holds the value `false_label`.

    True islands are as bright in t1c as false ones. If anything `tells`, true ones are rough and
    false ones smooth; else each is one or the other by chance.
    """
    rng = np.random.default_rng(seed)
    images = {s: np.zeros(SHAPE, np.float32) for s in GLI.sequences}
    for image in images.values():
        image[1:-1, 1:-1, 1:-1] = rng.normal(100, 8, (38, 38, 38))
    prediction, reference = np.zeros((2, *SHAPE), np.uint8)
    for labels in (prediction, reference):
        labels[17:23, 16:24, 16:24] = SNFH
        labels[19:21, 18:22, 18:22] = ET
    for place in rng.permutation(PLACES)[: rng.integers(4, 8)]:
        z, y, x = (slice(at, at + rng.integers(4, 6)) for at in place)
        is_true = rng.random() < 0.5
        is_rough = is_true if tells else rng.random() < 0.5
        prediction[z, y, x] = ET
        reference[z, y, x] = ET if is_true else false_label
        island = images["t1c"][z, y, x]
        island[...] = rng.normal(180, 25 if is_rough else 4, island.shape)
        island += 180 - island.mean()
    return RefineInput(
        Case(f"case-{seed:03d}", images, (1.0, 1.0, 1.0)), prediction, GLI
    ), reference


def gate_case(seed: int, tells: bool = True) -> GateCase:
    """Return the same, described and scored."""
    return make_gate_case(*lookalike(seed, tells), SCORER, CONFIG)


def image_objective(labels, reference, scheme=GLI, scorer=SCORER) -> float:
    """Score a label map as any prediction is."""
    scores = score_as_written(Pair(labels, reference, (1.0, 1.0, 1.0)), scheme, scorer)
    columns = search_columns(scorer, scheme)
    row = np.array([scores[region][metric] for region, metric in columns])
    return float(objective_values(row[None, None], columns, "overlap")[0, 0])
