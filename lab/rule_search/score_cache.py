"""Scores of the states that rules make of each case, every distinct state scored once.

A case's score as a function of a threshold is constant between the sizes (or shares) that its own
components have, so a grid of twenty thresholds mostly holds three or four states. States are label
values by atom; what does not change the map is not scored again, whatever rules led there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import joblib
import numpy as np

from challenge.scheme import Scheme
from lab.metrics.objective import Column
from lab.metrics.variant_scorers import VariantScorer
from lab.rule_search.component_rules import (
    CaseComponents,
    pieces,
    relabelled_minor,
    removed_small,
    values_after,
    wanted_by,
)
from lab.rule_search.search_space import SearchParameter, Setting, rules_of
from postprocess.rule_base import Rule
from postprocess.rules_by_size import RelabelMinor, RemoveSmall


@dataclass(frozen=True)
class SearchCase:
    """One case, ready to be scored in any state."""

    id: str
    parts: CaseComponents
    scorer: VariantScorer


@dataclass
class ScoreCache:
    """The scores of a cohort's states, found as they are asked for and kept."""

    search_cases: Sequence[SearchCase]
    parameters: Sequence[SearchParameter]
    columns: Sequence[Column]
    scheme: Scheme
    jobs: int | None = 1  # processes; worth it where scoring a state takes longer than sending it
    states: int = 0  # scored so far
    _rows: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))  # (state, column), room
    _known: list[dict[bytes, int]] = field(default_factory=list)  # case: state -> row
    # (parameter, setting without it) -> (case, step) rows, -1 where not yet asked
    _grids: dict[tuple[int, Setting], np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known = [{} for _ in self.search_cases]

    @property
    def nothing(self) -> Setting:
        """The setting without rules."""
        return (0,) * len(self.parameters)

    def grid(self, setting: Setting, parameter: int, cases: np.ndarray) -> np.ndarray:
        """Score each case at each grid point of one parameter; (case, grid point, column)."""
        others = (*setting[:parameter], 0, *setting[parameter + 1 :])
        shape = len(self.search_cases), len(self.parameters[parameter].grid)
        rows = self._grids.setdefault((parameter, others), np.full(shape, -1, np.int32))
        missing = cases[rows[cases, 0] < 0].tolist()
        if missing:
            around = (
                rules_of(self.parameters[:parameter], others[:parameter]),
                rules_of(self.parameters[parameter + 1 :], others[parameter + 1 :]),
            )
            rules = [self.parameters[parameter].rule(step) for step in range(shape[1])]
            asked = [
                list(states_of(self.search_cases[case].parts, rules, around, self.scheme))
                for case in missing
            ]
            self._score(missing, asked)
            for case, states in zip(missing, asked, strict=True):
                rows[case] = [self._known[case][state.tobytes()] for state in states]
        return np.asarray(self._rows[rows[cases]])

    def scores(self, settings: Sequence[Setting], cases: np.ndarray) -> np.ndarray:
        """Score each case with its own setting; (case, column)."""
        rules = {setting: rules_of(self.parameters, setting) for setting in set(settings)}
        states = [
            values_after(self.search_cases[case].parts, rules[setting], self.scheme)
            for case, setting in zip(cases, settings, strict=True)
        ]
        self._score(cases.tolist(), [[state] for state in states])
        rows = [self._known[c][state.tobytes()] for c, state in zip(cases, states, strict=True)]
        return np.asarray(self._rows[rows])

    def _score(self, cases: Sequence[int], asked: Sequence[Sequence[np.ndarray]]) -> None:
        """Score the states, by case, that have no row yet."""
        jobs = []
        for case, states in zip(cases, asked, strict=True):
            fresh = {state.tobytes(): state for state in states}
            fresh = {key: state for key, state in fresh.items() if key not in self._known[case]}
            if fresh:
                jobs.append((case, fresh))
        run = joblib.Parallel(n_jobs=self.jobs)
        found = run(
            joblib.delayed(score_states)(
                self.search_cases[case].scorer, list(fresh.values()), self.columns
            )
            for case, fresh in jobs
        )
        for (case, fresh), rows in zip(jobs, found, strict=True):
            self._keep(case, fresh, rows)

    def _keep(self, case: int, fresh: Iterable[bytes], rows: Sequence[np.ndarray]) -> None:
        while self.states + len(rows) > len(self._rows):
            more = np.empty((max(256, len(self._rows)), len(self.columns)))
            self._rows = np.concatenate([self._rows.reshape(-1, len(self.columns)), more])
        for key, row in zip(fresh, rows, strict=True):
            self._rows[self.states] = row
            self._known[case][key] = self.states
            self.states += 1


def score_states(
    scorer: VariantScorer, states: Sequence[np.ndarray], columns: Sequence[Column]
) -> list[np.ndarray]:
    """Score states of one case; one (column,) each."""
    found = []
    for state in states:
        scores = scorer.score(state)
        found.append(np.array([scores[region][metric] for region, metric in columns]))
    return found


def states_of(
    parts: CaseComponents,
    rules: Sequence[Rule | None],
    around: tuple[Sequence[Rule], Sequence[Rule]],
    scheme: Scheme,
) -> Iterator[np.ndarray]:
    """Yield the values (atom,) at each step of a parameter, between the rules before and after it.

    Between a case's own sizes nothing changes, and nothing is computed.
    """
    earlier, later = around
    before: int | None = None
    for rule, touched in zip(rules, _touched(parts, rules, earlier, scheme), strict=True):
        if touched != before:
            values = values_after(parts, (*earlier, *([rule] if rule else []), *later), scheme)
            before = touched
        yield values


def _touched(
    parts: CaseComponents, rules: Sequence[Rule | None], earlier: Sequence[Rule], scheme: Scheme
) -> list[int]:
    """Count the pieces that each of a parameter's rules changes, after the rules before it."""
    values = parts.values
    for rule in earlier:
        if isinstance(rule, RemoveSmall):
            values = removed_small(parts, values, rule, scheme)
    last = rules[-1]
    if isinstance(last, RemoveSmall):
        _, voxels = pieces(parts, values, wanted_by(last, scheme))
        sizes = [rule for rule in rules if isinstance(rule, RemoveSmall)]
        counts = [int(r.too_small(voxels[1:], parts.voxel_volume_mm3).sum()) for r in sizes]
        return [0] * (len(rules) - len(sizes)) + counts
    foreground = int(parts.voxels[values > 0].sum())
    for rule in earlier:
        if isinstance(rule, RelabelMinor):
            values = relabelled_minor(parts, values, foreground, rule, scheme)
    changed = [
        relabelled_minor(parts, values, foreground, rule, scheme) is not values
        for rule in rules
        if isinstance(rule, RelabelMinor)
    ]
    return [0] * (len(rules) - len(changed)) + [int(change) for change in changed]
