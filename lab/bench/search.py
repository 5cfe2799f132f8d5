"""How fast the rule search scores a grid of thresholds, beside scoring every grid point anew.

Both sides are what ships: the score cache of `lab search`, and rules applied to the image that the
scorer then scores. A second search tries peak probabilities too, by themselves and with sizes, as
configuration `validated` does. CPU seconds of one process, so that other programs on the machine
count little.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from challenge.scheme import SCHEMES
from lab.bench.synthetic_pair import make_pair
from lab.metrics.pair import Pair
from lab.metrics.scorers import SCORERS
from lab.metrics.search_columns import search_columns
from lab.rule_search.cases import make_search_case
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import SearchParameter, make_search_space, rules_of
from postprocess.apply_rules import apply_rules
from postprocess.rule_base import Probability

SHAPE = (128, 128, 128)
SCHEME = SCHEMES["brats-gli"]
SCORER = SCORERS["2025-gli"]
CONFIG = SEARCH_CONFIGS["published"]
PARAMETERS = tuple(
    SearchParameter(label, "", CONFIG.becomes, CONFIG.unit, CONFIG.sizes)
    for label in SCHEME.written
)
VALIDATED = SEARCH_CONFIGS["validated"]
WITH_PEAKS = replace(
    CONFIG,
    rule_types=("peak", "size or peak"),
    peaks=VALIDATED.peaks,
    sizes_and_peaks=VALIDATED.sizes_and_peaks,
)
PEAKS = tuple(
    parameter
    for parameter in make_search_space(SCHEME, WITH_PEAKS, [(name,) for name in SCHEME.written])
    if parameter.rule_type in WITH_PEAKS.rule_types
)
COLUMNS = search_columns(SCORER, SCHEME)
TARGET_RATIO = 100  # of scoring anew to the cache
TOLERANCE = 1e-9


@dataclass(frozen=True)
class GridScores:
    """What scoring a grid took: the scores (case, parameter, grid point, column) and the time."""

    scores: np.ndarray
    cpu_s: float
    variants: int  # label maps scored


def bench_search(cases: int, anew: int) -> int:
    """Print CPU seconds of the score cache for all cases, and of scoring anew for the first few.

    Returns:
        1 where a score of the cache is not that of the image, else 0.
    """
    pairs = [make_pair(SHAPE, seed) for seed in range(cases)]
    cached = score_with_cache(pairs)
    images = score_images(pairs[:anew])
    difference = float(np.nanmax(np.abs(images.scores - cached.scores[:anew])))
    anew_s = images.cpu_s / anew * cases
    thresholds = len(PARAMETERS[0].grid)
    points = cases * len(PARAMETERS) * thresholds
    shape = " x ".join(map(str, SHAPE))
    print(
        f"{points} grid points: {cases} cases of {shape}, {len(PARAMETERS)} labels, "
        f"{thresholds} thresholds each; scorer {SCORER.name}"
    )
    print(f"score cache         {cached.cpu_s:>10.1f} CPU s, {cached.variants} variants scored")
    print(f"every point anew    {anew_s:>10.1f} CPU s (measured on {anew} cases)")
    print(
        f"ratio               {anew_s / cached.cpu_s:>10.0f} x{ratio_note(anew_s / cached.cpu_s)}"
    )
    print(f"largest difference  {difference:>10.1e}")
    print(peaks_line(pairs, cached))
    return int(difference > TOLERANCE)


def ratio_note(ratio: float) -> str:
    """Say where a ratio is below the one that the search should reach."""
    return "" if ratio >= TARGET_RATIO else f", below {TARGET_RATIO} x"


def score_with_cache(pairs: Sequence[Pair]) -> GridScores:
    """Score every grid point by the search's score cache; reading the pairs is not counted."""
    start = time.process_time()
    search_cases = [
        make_search_case(f"case-{i}", pair, SCHEME, CONFIG, SCORER) for i, pair in enumerate(pairs)
    ]
    cache = ScoreCache(search_cases, PARAMETERS, COLUMNS, SCHEME)
    everything = np.arange(len(pairs))
    scores = [cache.grid_scores(cache.no_rules, p, everything) for p in range(len(PARAMETERS))]
    cpu_s = time.process_time() - start
    return GridScores(np.stack(scores, axis=1), cpu_s, cache.variants)


def peaks_line(pairs: Sequence[Pair], sizes_alone: GridScores) -> str:
    """Search peaks beside sizes, and say what that costs."""
    start = time.process_time()
    search_cases = [
        make_search_case(f"case-{i}", pair, SCHEME, WITH_PEAKS, SCORER, probability=synthetic(i))
        for i, pair in enumerate(pairs)
    ]
    cache = ScoreCache(search_cases, (*PEAKS, *PARAMETERS), COLUMNS, SCHEME)
    for parameter in range(len(cache.parameters)):
        cache.grid_scores(cache.no_rules, parameter, np.arange(len(pairs)))
    cpu_s = time.process_time() - start
    points = len(pairs) * sum(len(parameter.grid) for parameter in PEAKS)
    return (
        f"with peaks          {cpu_s:>10.1f} CPU s, {cache.variants} variants scored: "
        f"{cpu_s / sizes_alone.cpu_s:.2f} x for {points} grid points more"
    )


def synthetic(seed: int) -> Probability:
    """Return one smooth random probability (z, y, x), whatever the labels."""
    coarse = np.random.default_rng(seed).uniform(0.3, 1, [-(-n // 8) for n in SHAPE])
    whole = coarse.astype(np.float32).repeat(8, 0).repeat(8, 1).repeat(8, 2)
    cut = whole[tuple(slice(n) for n in SHAPE)]
    return lambda names: cut


def score_images(pairs: Sequence[Pair]) -> GridScores:
    """Apply the rule of every grid point to the image, and score that."""
    start = time.process_time()
    scores = np.array(
        [
            [
                [_score_image(pair, parameter, index) for index in range(len(parameter.grid))]
                for parameter in PARAMETERS
            ]
            for pair in pairs
        ]
    )
    return GridScores(scores, time.process_time() - start, scores[..., 0].size)


def _score_image(pair: Pair, parameter: SearchParameter, index: int) -> list[float]:
    rules = rules_of([parameter], (index,))
    labels = apply_rules(pair.prediction, rules, SCHEME, pair.spacing_mm).labels
    scores = SCORER.score(replace(pair, prediction=labels))
    return [scores[region][metric] for region, metric in COLUMNS]
