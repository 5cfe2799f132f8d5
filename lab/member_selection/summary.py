"""A selection in words and in JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ensemble.member_weights import Weight
from ensemble.small_cases import SMALL_CASES
from lab.member_selection.candidates import Pool
from lab.member_selection.combine import Ensemble, SmallWeights, weighted
from lab.member_selection.gains import unit_of
from lab.member_selection.nested_cv import CostPoint, StrategyComparison, StrategyResult
from lab.member_selection.per_candidate import CandidateScore
from lab.member_selection.score_cache import EnsembleScores
from lab.member_selection.strategies import cost
from lab.metrics.metric_info import VOLUME_ERROR
from lab.metrics.objective import unmeasured_line

# 3: `baseline`, `confidence`, `reason`; each strategy's `p`, `cases`, `failures`, `metrics` and
# `left_out`. 4: of `weights`, one may be an object by channel. 5: `small_cases`.
SCHEMA = 5
READABLE = (3, 4, SCHEMA)
MEANING = {
    "overlap": "mean of overlaps",
    "rank": "minus the mean rank among these strategies (a gain: between the two, case by case)",
}
SYSTEM = {"equal": "equal weights", "best-single": "the best single candidate"}


@dataclass(frozen=True)
class Selection:
    """Everything that `lab select` computed."""

    scores: EnsembleScores
    strategies: StrategyComparison
    cost_curve: Sequence[CostPoint]
    per_candidate: Sequence[CandidateScore]

    @property
    def shipped(self) -> StrategyResult:
        """Return the strategy whose ensemble ships."""
        return self.strategies.results[self.strategies.ships]


def summary_lines(selection: Selection) -> Iterator[str]:
    """Yield what `lab select` prints: candidates, strategies, and the weights that ship."""
    yield from candidate_lines(selection.per_candidate)
    if line := unmeasured_line(selection.scores.scorer):
        yield line
    yield ""
    yield from strategy_lines(selection)
    yield ""
    yield from reason_lines(selection)
    yield from weight_lines(selection.shipped, selection.scores.pool)


def strategy_lines(selection: Selection) -> Iterator[str]:
    """Yield the table of strategies, each on held-out cases."""
    compared = selection.strategies
    yield f"held out: {MEANING[compared.objective]}, on held-out cases"
    left_out = {n: r.gain.left_out for n, r in compared.results.items() if n != compared.baseline}
    counts = ", ".join(f"{name} {count}" for name, count in left_out.items() if count)
    total = len(selection.scores.pool.cases) * len(selection.scores.columns)
    yield (
        f"gain: over {system_name(compared.baseline)}, where both have a number"
        + (f" (of {total} left out: {counts})" if counts else "")
        + f"; {100 * compared.confidence:.3g} % intervals"
    )
    heads = f"{'':<14}{'held out':>10}{'gain':>9}{'interval':>20}{'p':>8}{'in sample':>11}"
    yield f"{heads}{'networks':>10}"
    for name, result in compared.results.items():
        numbers: tuple[str, ...] = ("",) * 4
        if name != compared.baseline:
            gain = result.gain.total
            interval = f"{gain.low:+.4f} to {gain.high:+.4f}"
            in_sample = f"{result.in_sample_gain:+.4f}"
            numbers = (f"{gain.mean:+.4f}", interval, f"{gain.p:.2g}", in_sample)
        gain_words, interval, p, in_sample = numbers
        networks = cost(result.ensemble, selection.scores)[0]
        yield (
            f"{name:<14}{result.objective_value:>10.4f}{gain_words:>9}{interval:>20}{p:>8}"
            f"{in_sample:>11}{networks:>10}{'  ships' if name == compared.ships else ''}"
        )


def reason_lines(selection: Selection) -> Iterator[str]:
    """Yield what ships and why: its gain, or which conditions every other strategy fails."""
    compared = selection.strategies
    if compared.ships != compared.baseline:
        gain = selection.shipped.gain.total
        unit = unit_of(compared.objective, selection.scores.columns)
        yield (
            f"{compared.ships} ships: {gain.mean:+.4f} {unit} over "
            f"{system_name(compared.baseline)} ({gain.low:+.4f} to {gain.high:+.4f}), "
            f"p = {gain.p:.2g}, {gain.cases} cases"
        )
        return
    system = system_name(compared.baseline)
    ships = "ship" if compared.baseline == "equal" else "ships"
    yield f"{system} {ships}: no other strategy's gain passes"
    for name, result in compared.results.items():
        if name != compared.baseline:
            yield f"{name}: {', '.join(result.gain.failures)}"


def system_name(strategy: str) -> str:
    """Return a strategy's ensemble in words."""
    return SYSTEM.get(strategy, strategy)


def weight_lines(result: StrategyResult, pool: Pool) -> Iterator[str]:
    """Yield a line for each candidate that ships: its weight, and how often it was chosen."""
    names = [candidate.name for candidate in pool.candidates]
    folds = result.fold_ensembles
    for name, weight in shares(result.ensemble, pool).items():
        count = sum(names.index(name) in ensemble.members for ensemble in folds)
        numbers = weight if isinstance(weight, Mapping) else {"": weight}
        share = ", ".join(f"{channel} {each:.3f}".lstrip() for channel, each in numbers.items())
        yield f"  {share} {name} (chosen in {count} of {len(folds)} parts)"
    if small := result.ensemble.small:
        words = ", ".join(f"{w:.3f} {name}" for name, w in small_shares(small, pool).items())
        yield f"  {small.cases.in_words()}: {words}"


def candidate_lines(rows: Sequence[CandidateScore]) -> Iterator[str]:
    """Yield each candidate's numbers and, but for the first, its difference to the first."""
    width = max(len(row.candidate) for row in rows) + 2
    columns = list(dict.fromkeys((row.region, row.metric) for row in rows))
    first = rows[0].candidate
    yield f"each candidate on cases that it did not see; right: minus {first}, 95 % interval"
    for region, metric in columns:
        yield f"{region} {metric}{', root mean square' if metric == VOLUME_ERROR else ''}"
        for row in (row for row in rows if (row.region, row.metric) == (region, metric)):
            low, high = row.over_first_interval
            mark = "  *" if low > 0 or high < 0 else ""
            gap = f"{row.over_first:+12.4f}  {low:+.4f} to {high:+.4f}{mark}"
            yield f"  {row.candidate:<{width}}{row.value:>10.4f}" + (
                "" if row.candidate == first else gap
            )


def shares(ensemble: Ensemble, pool: Pool) -> dict[str, Weight]:
    """Return the share of the weight of each candidate that has any, by channel if they differ."""
    names = [candidate.name for candidate in pool.candidates]
    if ensemble.by_channel:
        return {names[i]: ensemble.weight_of(i) for i in ensemble.members}
    total = sum(ensemble.weights)
    return {n: w / total for n, w in zip(names, ensemble.weights, strict=True) if w}


def small_shares(small: SmallWeights, pool: Pool) -> dict[str, float]:
    """Return the share of the weight of each candidate in small cases, of those that have any."""
    return {n: w for n, w in shares(weighted(small.weights), pool).items() if isinstance(w, float)}


def _small_content(ensemble: Ensemble, pool: Pool) -> dict[str, Any]:
    """Return {"small_cases": ...} of an ensemble that has weights for those, else {}."""
    if ensemble.small is None:
        return {}
    content = {**asdict(ensemble.small.cases), "weights": small_shares(ensemble.small, pool)}
    return {SMALL_CASES: content}


def selection_content(selection: Selection) -> dict[str, Any]:
    """Return what selection.json holds."""
    scores, pool = selection.scores, selection.scores.pool
    compared = selection.strategies
    return {
        "schema": SCHEMA,
        "scheme": pool.scheme.name,
        "scorer": scores.scorer.name,
        "objective": compared.objective,
        "cases": len(pool.cases),
        "baseline": compared.baseline,
        "confidence": compared.confidence,
        "ships": compared.ships,
        "reason": list(reason_lines(selection)),
        "weights": shares(selection.shipped.ensemble, pool),
        **_small_content(selection.shipped.ensemble, pool),
        "candidates": {c.name: str(c.folder) for c in pool.candidates},
        "strategies": {
            name: _strategy_content(result, scores) for name, result in compared.results.items()
        },
        "cost_curve": [vars(point) for point in selection.cost_curve],
        "per_candidate": [vars(row) for row in selection.per_candidate],
    }


def _strategy_content(result: StrategyResult, scores: EnsembleScores) -> dict[str, Any]:
    networks, seconds = cost(result.ensemble, scores)
    gain = result.gain.total
    return {
        "held_out": result.objective_value,
        "in_sample_gain": result.in_sample_gain,
        "gain": gain.mean,
        "interval": [gain.low, gain.high],
        "p": gain.p,
        "cases": gain.cases,
        "left_out": result.gain.left_out,
        "failures": list(result.gain.failures),
        "metrics": [{**vars(m), "least": m.least} for m in result.gain.metrics],
        "weights": shares(result.ensemble, scores.pool),
        **_small_content(result.ensemble, scores.pool),
        "members": networks,
        "case_s": round(seconds, 3),
    }
