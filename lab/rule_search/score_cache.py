"""Scores of the variants that rules make of each case, every distinct variant scored once.

A case's score as a function of a threshold is constant between the sizes (or peaks, or shares) that
its own components have, so a grid of twenty thresholds mostly holds three or four variants. A
variant is one label value a label component; rules that lead to the same variant share its score.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import joblib
import numpy as np

from challenge.scheme import Scheme
from lab.metrics.objective import Column, objective_values, selection_row
from lab.metrics.variant_scorers import VariantScorer
from lab.rule_search.config import LOWERING
from lab.rule_search.grid_variants import case_variants
from lab.rule_search.journal import Journal
from lab.rule_search.search_case import SearchCase, Variant, variant_after
from lab.rule_search.search_parameter import SearchParameter
from lab.rule_search.search_progress import SearchProgress
from lab.rule_search.search_space import Setting, rules_of
from postprocess.rule_base import Rule

Around = tuple[Sequence[Rule], Sequence[Rule]]  # rules before and after those of a parameter


@dataclass
class ScoreCache:
    """The scores of a cohort's variants, computed when first needed."""

    search_cases: Sequence[SearchCase]
    parameters: Sequence[SearchParameter]
    columns: Sequence[Column]
    scheme: Scheme
    jobs: int | None = 1  # processes; worth it where scoring takes longer than sending a variant
    journal: Journal | None = None  # holds what an interrupted run scored, and gets what is new
    progress: SearchProgress = field(default_factory=SearchProgress)
    variants: int = field(default=0, init=False)  # scored so far
    # (variant, column), with room for more
    _rows: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), init=False)
    _row_of: list[dict[bytes, int]] = field(init=False)  # case: variant -> row
    # (parameter, setting without it) -> (case, grid point) rows, -1 where not yet scored
    _grids: dict[tuple[int, Setting], np.ndarray] = field(default_factory=dict, init=False)
    _choices: dict[str, Setting] = field(default_factory=dict, init=False)
    _objectives: dict[str, np.ndarray] = field(default_factory=dict, init=False)  # (variant,) each

    def __post_init__(self) -> None:
        self._row_of = [{} for _ in self.search_cases]
        if self.journal:
            numbers = {case.id: i for i, case in enumerate(self.search_cases)}
            for id, rows in self.journal.scores:
                self._add(numbers[id], rows, list(rows.values()))
            self._choices |= self.journal.choices

    @property
    def no_rules(self) -> Setting:
        """The setting without rules."""
        return (0,) * len(self.parameters)

    def confusion(self, cases: np.ndarray) -> np.ndarray:
        """Return the voxels of `cases` (case,) by (reference, predicted) label."""
        return np.sum([self.search_cases[case].confusion for case in cases], axis=0)

    def chosen(self, key: str, choose: Callable[[], Setting]) -> Setting:
        """Return the setting chosen for a key, which says all that the choice depends on."""
        if key not in self._choices:
            self._choices[key] = choose()
            if self.journal:
                self.journal.add_choice(key, self._choices[key])
        return self._choices[key]

    def grid_scores(self, setting: Setting, parameter: int, cases: np.ndarray) -> np.ndarray:
        """Score cases at each grid point of a parameter, all others as set.

        Args:
            setting: a grid index for every parameter; that of `parameter` does not matter.
            parameter: its number.
            cases: (case,) numbers.

        Returns:
            (case, grid point, column).
        """
        rows = self._grid_rows(setting, parameter, cases)  # makes the array longer
        return np.asarray(self._rows[rows])

    def grid_objectives(
        self, setting: Setting, parameter: int, cases: np.ndarray, objective: str
    ) -> np.ndarray:
        """Reduce the scores of a grid to an objective; (case, grid point).

        Only a rank depends on what else is in the grid; every other objective is computed once a
        variant.
        """
        rows = self._grid_rows(setting, parameter, cases)
        if objective == "rank":
            return objective_values(self._rows[rows], self.columns, objective)
        values = self._objectives.get(objective, np.empty(0))
        if len(values) < self.variants:
            new = self._rows[None, len(values) : self.variants]
            values = np.append(values, objective_values(new, self.columns, objective)[0])
            self._objectives[objective] = values
        return np.asarray(values[rows])

    def _grid_rows(self, setting: Setting, parameter: int, cases: np.ndarray) -> np.ndarray:
        """Return the rows (case, grid point) of a grid, after what has none yet was scored."""
        others = (*setting[:parameter], 0, *setting[parameter + 1 :])
        shape = len(self.search_cases), len(self.parameters[parameter].grid)
        if (parameter, others) not in self._grids:
            self._grids[parameter, others] = np.full(shape, -1, np.int32)
        rows = self._grids[parameter, others]
        missing = cases[rows[cases, 0] < 0].tolist()
        if missing:
            around = (
                rules_of(self.parameters[:parameter], others[:parameter]),
                rules_of(self.parameters[parameter + 1 :], others[parameter + 1 :]),
            )
            rules = [self.parameters[parameter].rule(index) for index in range(shape[1])]
            if self.parameters[parameter].rule_type in LOWERING:
                self._score_thresholds(rows, rules, around, missing)
                return np.asarray(rows[cases])
            variants = [
                list(case_variants(self.search_cases[case], rules, around, self.scheme))
                for case in missing
            ]
            self._score(missing, variants)
            for case, of_case in zip(missing, variants, strict=True):
                rows[case] = [self._row_of[case][variant.key] for variant in of_case]
        return np.asarray(rows[cases])

    def _score_thresholds(
        self, rows: np.ndarray, rules: Sequence[Rule | None], around: Around, cases: Sequence[int]
    ) -> None:
        """Score a grid of thresholds in place, one tabulated case after the other: each is big."""
        before, after = around
        for case in cases:
            for index, rule in enumerate(rules):
                applied = (*before, *([rule] if rule else []), *after)
                variant = variant_after(self.search_cases[case], applied, self.scheme)
                self._score([case], [[variant]])
                rows[case, index] = self._row_of[case][variant.key]

    def scores(self, settings: Sequence[Setting], cases: np.ndarray) -> np.ndarray:
        """Score each of `cases` (case,) with its own setting; (case, column)."""
        rules = {setting: rules_of(self.parameters, setting) for setting in set(settings)}
        variants = [
            variant_after(self.search_cases[case], rules[setting], self.scheme)
            for case, setting in zip(cases, settings, strict=True)
        ]
        self._score(cases.tolist(), [[variant] for variant in variants])
        rows = [
            self._row_of[case][variant.key] for case, variant in zip(cases, variants, strict=True)
        ]
        return np.asarray(self._rows[rows])

    def _score(self, cases: Sequence[int], variants: Sequence[Sequence[Variant]]) -> None:
        """Score the variants, by case, that have no row yet; those of a case share thresholds."""
        jobs = []
        for case, of_case in zip(cases, variants, strict=True):
            by_key = {variant.key: variant for variant in of_case}
            new = {key: v.values for key, v in by_key.items() if key not in self._row_of[case]}
            if new:
                jobs.append((case, of_case[0].thresholds, new))
        run = joblib.Parallel(n_jobs=self.jobs, return_as="generator")
        results = run(
            joblib.delayed(score_variants)(
                self.search_cases[case].after(thresholds).scorer, list(new.values()), self.columns
            )
            for case, thresholds, new in jobs
        )
        for (case, _, new), rows in zip(jobs, results, strict=True):
            self._add(case, new, rows)
            if self.journal:
                by_variant = dict(zip(new, rows, strict=True))
                self.journal.add_scores(self.search_cases[case].id, by_variant)
            self.progress.scored(self.variants)

    def _add(self, case: int, keys: Iterable[bytes], rows: Sequence[np.ndarray]) -> None:
        while self.variants + len(rows) > len(self._rows):
            more = np.empty((max(256, len(self._rows)), len(self.columns)))
            self._rows = np.concatenate([self._rows.reshape(-1, len(self.columns)), more])
        for key, row in zip(keys, rows, strict=True):
            self._rows[self.variants] = row
            self._row_of[case][key] = self.variants
            self.variants += 1


def score_variants(
    scorer: VariantScorer, variants: Sequence[np.ndarray], columns: Sequence[Column]
) -> list[np.ndarray]:
    """Score variants (component,) of one case; one (column,) each."""
    return [np.array(selection_row(scorer.score(variant), columns)) for variant in variants]
