"""How fast the rule search scores a grid of thresholds, beside scoring every grid point anew.

Both sides are what ships: the score cache of `lab search`, and rules applied to the image that the
scorer then scores. Further searches say what other rules cost: peaks, as in the configuration
`validated`, every other predicate, as in `every-predicate`, and thresholds, as in `hysteresis`. CPU
seconds of one process, so that other programs on the machine count little.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter

from challenge.scheme import SCHEMES
from lab.bench.synthetic_pair import make_pair
from lab.metrics.pair import Pair
from lab.metrics.scorers import SCORERS
from lab.metrics.search_columns import search_columns
from lab.rule_search.config import SEARCH_CONFIGS, RuleType, SearchConfig
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_parameter import SearchParameter
from lab.rule_search.search_space import make_search_space, rules_of
from lab.rule_search.tabulate_case import make_search_case
from postprocess.apply_rules import apply_rules
from postprocess.rule_base import EnsembleMaps

SHAPE = (128, 128, 128)
SCHEME = SCHEMES["brats-gli"]
SCORER = SCORERS["2025-gli"]
CONFIG = SEARCH_CONFIGS["published"]
PARAMETERS = tuple(
    SearchParameter(label, "", CONFIG.becomes, CONFIG.unit, CONFIG.sizes)
    for label in SCHEME.written
)
HYSTERESIS = SEARCH_CONFIGS["hysteresis"]
EVERY_PREDICATE = SEARCH_CONFIGS["every-predicate"]
PEAKS: tuple[RuleType, ...] = ("peak", "size or peak")
PREDICATES: tuple[RuleType, ...] = tuple(t for t in EVERY_PREDICATE.grids if t not in PEAKS)
THRESHOLDS: tuple[RuleType, ...] = ("threshold",)
MEMBERS = 5
COLUMNS = search_columns(SCORER, SCHEME)
BLUR_VOXELS = 1.0
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
    case_s = cached.cpu_s / cases
    print(f"with peaks          {cost_of(HYSTERESIS, PEAKS, pairs, case_s)}")
    print(f"with predicates     {cost_of(EVERY_PREDICATE, PREDICATES, pairs, case_s)}")
    print(f"with thresholds     {cost_of(HYSTERESIS, THRESHOLDS, pairs[:anew], case_s)}")
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


def cost_of(
    config: SearchConfig,
    rule_types: tuple[RuleType, ...],
    pairs: Sequence[Pair],
    sizes_case_s: float,
) -> str:
    """Search further rules beside sizes, and say what that costs.

    Args:
        config: whose grids are searched.
        rule_types: those that are searched beside sizes.
        pairs: the cases.
        sizes_case_s: CPU seconds that sizes alone take for a case.
    """
    config = replace(config, unit=CONFIG.unit, sizes=CONFIG.sizes, rule_types=rule_types)
    labels = [(name,) for name in SCHEME.written]
    space = make_search_space(SCHEME, config, labels, has_votes=True)
    more = [parameter for parameter in space if parameter.rule_type in rule_types]
    all_maps = [blurred(pair) for pair in pairs]
    start = time.process_time()
    search_cases = [
        make_search_case(f"case-{i}", pair, SCHEME, config, SCORER, maps)
        for i, (pair, maps) in enumerate(zip(pairs, all_maps, strict=True))
    ]
    cache = ScoreCache(search_cases, (*more, *PARAMETERS), COLUMNS, SCHEME)
    for parameter in range(len(cache.parameters)):
        cache.grid_scores(cache.no_rules, parameter, np.arange(len(pairs)))
    cpu_s = time.process_time() - start
    points = len(pairs) * sum(len(parameter.grid) for parameter in more)
    return (
        f"{cpu_s:>10.1f} CPU s, {cache.variants} variants scored of {len(pairs)} cases: "
        f"{cpu_s / len(pairs) / sizes_case_s:.2f} x for {points} grid points more"
    )


def blurred(pair: Pair) -> EnsembleMaps:
    """Return probabilities and votes that fall off at the borders of a prediction's labels."""
    maps: dict[tuple[str, ...], np.ndarray] = {
        (name,): gaussian_filter((pair.prediction == value).astype(np.float32), BLUR_VOXELS)
        for name, value in SCHEME.labels.items()
    }
    tumour = np.sum([maps[name,] for name in SCHEME.regions[SCHEME.tumour]], axis=0)
    maps[tuple(SCHEME.regions[SCHEME.tumour])] = tumour
    votes = (tumour * MEMBERS).round() / np.float32(MEMBERS)
    return EnsembleMaps(maps.__getitem__, votes.astype(np.float32))


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
