"""A grid of trainings in one line of a recipe: each combination of values is a stage.

`grid NAME KEY=VALUE/VALUE...` takes the keys of a stage; cohort and settings may have several
values, separated by a slash. COHORT:VALUE is of that cohort alone: an augmentation that suits one
modality. checkpoint=final/best says which candidates each stage gives.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from lab.training.recipe import Candidate, Grid, Recipe, RecipeError

SEPARATOR = "/"
SINGLE = {"network", "folds", "from", "heads", "hard"}  # keys that have one value for all points


@dataclass(frozen=True)
class Point:
    """One combination of a grid's values."""

    name: str  # of its stage
    pairs: Mapping[str, str]  # as a stage's line has them


def points_of(name: str, pairs: Mapping[str, str]) -> Iterator[Point]:
    """Yield a grid's points, the last key varying fastest; `pairs` without checkpoint.

    A point is called after the values that there are several of: t1_da5_epochs300_cosine.

    Raises:
        ValueError: two points of one name, or a value of a cohort that the grid does not have.
    """
    values = {
        key: [text] if key in SINGLE else text.split(SEPARATOR) for key, text in pairs.items()
    }
    cohorts, names = values["cohort"], set[str]()
    for key, choices in values.items():
        for cohort, value in map(_by_cohort, [] if key in SINGLE else choices):
            if cohort and cohort not in cohorts:
                raise ValueError(f"{key}={cohort}:{value}: not of {', '.join(cohorts)}")
    for combination in product(*values.values()):
        point = dict(zip(values, combination, strict=True))
        split = {key: _by_cohort(value) for key, value in point.items() if key not in SINGLE}
        if any(cohort not in ("", point["cohort"]) for cohort, _ in split.values()):
            continue
        words = {key: value for key, (_, value) in split.items()}
        several = [_word(key, word) for key, word in words.items() if len(values[key]) > 1]
        called = "_".join([name, *several])
        if called in names:
            raise ValueError(f"two points are called {called}")
        names.add(called)
        yield Point(called, {**point, **words})


def candidates_of(stage: str, checkpoints: str) -> dict[str, Candidate]:
    """Return the candidates of a point's stage by name; `checkpoints` as final/best."""
    each = checkpoints.split(SEPARATOR)
    names = {each[0]: stage} if len(each) == 1 else {c: f"{stage}_{c}" for c in each}
    return {name: Candidate(stage, checkpoint) for checkpoint, name in names.items()}


def within(recipe: Recipe, hours: Callable[[str], float], most: float) -> Recipe:
    """Return the recipe with as many points of its grids as fit into hours of training.

    Everything outside of grids is needed. Points come after it, the cheapest first, each with the
    stages that it starts from; those that do not fit are left out by name.

    Args:
        recipe: all of it.
        hours: of a stage's folds, by its name.
        most: hours of all stages together.

    Raises:
        RecipeError: what stands outside of grids takes more, or nothing is left.
    """
    chosen = _outside(recipe)
    spent = sum(map(hours, chosen))
    budget = f"--hours-at-most {most:g}"
    if not spent <= most:
        raise RecipeError(f"{budget}: the stages outside of grids take {spent:.4g} hours")
    reasons = {}
    points = [stage for grid in recipe.grids.values() for stage in grid.stages]
    for stage in sorted(points, key=hours):
        chain = _with_ancestors([stage], recipe) - chosen
        cost = sum(map(hours, chain))
        if spent + cost > most:
            reasons[stage] = f"it takes {cost:.3g} hours, {most - spent:.3g} of {budget} are left"
            continue
        chosen, spent = chosen | chain, spent + cost
    if not chosen:
        raise RecipeError(f"{budget}: {next(iter(reasons))}, the cheapest point, takes more")
    return without(recipe, {stage: why for stage, why in reasons.items() if stage not in chosen})


def ends_of_grids(recipe: Recipe) -> Recipe:
    """Return the recipe with the first and the last point of each grid, and what others need."""
    grids = [grid.stages for grid in recipe.grids.values()]
    ends = [end for stages in grids for end in stages[:1] + stages[-1:]]
    chosen = _outside(recipe) | _with_ancestors(ends, recipe)
    return without(recipe, dict.fromkeys(recipe.stages.keys() - chosen, "not in miniature"))


def without(recipe: Recipe, reasons: Mapping[str, str]) -> Recipe:
    """Return the recipe without stages of its grids; `reasons` has why, by stage."""
    grids = {
        name: Grid(
            stages=tuple(stage for stage in grid.stages if stage not in reasons),
            candidates=grid.candidates,
            left_out={
                **grid.left_out,
                **{stage: reasons[stage] for stage in grid.stages if stage in reasons},
            },
        )
        for name, grid in recipe.grids.items()
    }
    return replace(
        recipe,
        stages={n: s for n, s in recipe.stages.items() if n not in reasons},
        candidates={n: c for n, c in recipe.candidates.items() if c.stage not in reasons},
        grids=grids,
    )


def _outside(recipe: Recipe) -> set[str]:
    """Return the stages that no grid has, or that anything outside of grids needs."""
    points = {stage for grid in recipe.grids.values() for stage in grid.stages}
    named = {name for grid in recipe.grids.values() for name in grid.candidates}
    wanted = {c.stage for name, c in recipe.candidates.items() if name not in named}
    return _with_ancestors(wanted | (recipe.stages.keys() - points), recipe)


def _with_ancestors(stages: Iterable[str], recipe: Recipe) -> set[str]:
    """Return stages with those that they start from, or whose errors they look at."""
    left, gathered = list(stages), set[str]()
    while left:
        stage = recipe.stages[left.pop()]
        gathered.add(stage.name)
        before = [stage.start] if stage.start in recipe.stages else []
        if stage.hard_negatives:
            before.append(recipe.candidates[stage.hard_negatives.candidate].stage)
        left += [name for name in before if name not in gathered]
    return gathered


def _by_cohort(text: str) -> tuple[str, str]:
    """Split COHORT:VALUE, or "" and the value for all cohorts."""
    cohort, colon, value = text.partition(":")
    return (cohort, value) if colon else ("", text)


def _word(key: str, value: str) -> str:
    """Return a value as a name has it: da5_ord0, epochs300."""
    word = value if value[:1].isalpha() else f"{key}{value}"
    return "".join(c if c.isalnum() else "_" for c in word)
