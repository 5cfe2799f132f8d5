"""Read a recipe: run its shell file, which prints a line for each thing, and check the lines."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from challenge.orientation import check_axis_code
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.data.sources import all_layouts
from lab.phantom.population import check_healthy
from lab.training.grid import candidates_of, points_of
from lab.training.networks import AUTHORS_SETTINGS, NETWORKS, architecture, family_of
from lab.training.plans import Configuration
from lab.training.recipe import (
    Candidate,
    Grid,
    HardNegatives,
    Phantom,
    Recipe,
    RecipeError,
    Stage,
    TrainingCohort,
)
from lab.training.trainers import ScheduleError, Settings

STAGE_KEYS = {"cohort", "network", "folds", "from", "heads", "hard"}  # others are settings
FIELDS = {  # word of a line -> of Recipe
    "cohort": "cohorts",
    "network": "configurations",
    "stage": "stages",
    "candidate": "candidates",
    "grid": "grids",
}
REAL_ONLY = ("orientation", "skip_bad")  # keys that synthetic patients have no use for


def read_recipe(path: Path, environment: Mapping[str, str] | None = None) -> Recipe:
    """Run a recipe's shell file, which only prints its lines, and read them.

    Raises:
        RecipeError: the file fails, or a line has an unknown word, key, network, cohort or stage.
    """
    shell = subprocess.run(
        ["bash", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    if shell.returncode:
        raise RecipeError(f"{path}: {shell.stderr.strip() or shell.returncode}")
    recipe = Recipe({}, {}, {}, {})
    for line in shell.stdout.splitlines():
        word, name, *rest = line.split("\t")
        try:
            recipe = _with_line(recipe, word, name, rest)
        except (KeyError, ValueError, TypeError, Refusal) as error:
            raise RecipeError(f"{path}: {word} {name}: {error}") from error
    if not recipe.stages:
        raise RecipeError(f"{path}: no stage")
    return recipe


def _with_line(recipe: Recipe, word: str, name: str, rest: Sequence[str]) -> Recipe:
    """Return the recipe with one more line, which may name what the lines before it say."""
    if name in getattr(recipe, FIELDS[word]):
        raise ValueError("a line before it has the same name")
    if word == "cohort":
        return replace(recipe, cohorts={**recipe.cohorts, name: _cohort(name, rest)})
    pairs = _pairs(rest)
    if word == "network":
        configurations = {**recipe.configurations, name: _configuration(name, pairs)}
        return replace(recipe, configurations=configurations)
    if word == "stage":
        return replace(recipe, stages={**recipe.stages, name: _stage(name, pairs, recipe)})
    if word == "grid":
        return _with_grid(recipe, name, pairs)
    candidate = Candidate(pairs["stage"], pairs.get("checkpoint", "final"))
    recipe.stages[candidate.stage]
    return replace(recipe, candidates={**recipe.candidates, name: candidate})


def _pairs(words: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r} is not KEY=VALUE")
        pairs[key] = value
    return pairs


def _cohort(name: str, words: Sequence[str]) -> TrainingCohort:
    dataset, *rest = words
    sources = tuple(word.removeprefix("source=") for word in rest if word.startswith("source="))
    pairs = _pairs([word for word in rest if not word.startswith("source=")])
    for source in sources:
        if source.partition("=")[0] not in all_layouts():
            raise ValueError(f"source {source}: one of {', '.join(all_layouts())}")
    phantom = Phantom.of(pairs.pop("phantom")) if "phantom" in pairs else None
    _check_origin(sources, phantom, pairs)
    cohort = TrainingCohort(
        name=name,
        dataset=dataset,
        sources=sources,
        folds=int(pairs.pop("folds", 5)),
        stratify=pairs.pop("stratify", None),
        phantom=phantom,
        orientation=pairs.pop("orientation", None),
        skip_bad=_yes_or_no("skip_bad", pairs.pop("skip_bad", "no")),
    )
    if cohort.orientation:
        check_axis_code(cohort.orientation)
    if pairs:
        raise ValueError(f"unknown {', '.join(pairs)}")
    return cohort


def _check_origin(
    sources: Sequence[str], phantom: Phantom | None, others: Mapping[str, str]
) -> None:
    if not sources and not phantom:
        raise ValueError("no source")
    if sources and phantom:
        raise ValueError("real sources and synthetic patients are not mixed")
    for key in REAL_ONLY:
        if key in others and phantom:
            raise ValueError(f"{key}: of real sources, not of synthetic patients")


def _yes_or_no(key: str, text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"{key}={text}: yes or no")
    return text == "yes"


def _configuration(name: str, pairs: dict[str, str]) -> Configuration:
    spacing, patch = pairs.pop("spacing"), pairs.pop("patch")
    configuration = Configuration(
        name=name,
        network=pairs.pop("network"),
        spacing_mm=tuple(float(side) for side in spacing.split(",")),
        patch=tuple(int(side) for side in patch.split(",")),
        batch=int(pairs.pop("batch", "2")),
        normalisation=pairs.pop("normalisation", None),
    )
    if pairs:
        raise ValueError(f"unknown {', '.join(pairs)}")
    if configuration.network not in NETWORKS:
        raise ValueError(f"network {configuration.network}: one of {', '.join(NETWORKS)}")
    architecture(configuration.network, configuration.patch)
    return configuration


def _stage(name: str, pairs: Mapping[str, str], recipe: Recipe) -> Stage:
    """Read a stage; what it names is among the lines before it, `recipe`."""
    cohort, configuration, start = pairs["cohort"], pairs["network"], pairs.get("from", "")
    if cohort not in recipe.cohorts or configuration not in recipe.configurations:
        raise ValueError(f"no cohort {cohort} or no network {configuration} before it")
    kind = NETWORKS[recipe.configurations[configuration].network].kind
    settings = dict(AUTHORS_SETTINGS.get(family_of(kind), {}))
    settings |= {key: value for key, value in pairs.items() if key not in STAGE_KEYS}
    healthy = Settings.of(settings).healthy
    if healthy and (phantom := recipe.cohorts[cohort].phantom):
        check_healthy(phantom.kind, healthy)
    before = recipe.stages.get(start)
    if before:
        network = recipe.configurations[before.configuration].network
        if network != recipe.configurations[configuration].network:
            raise ValueError(f"starts from {start}, another network ({network})")
    keeps_heads = pairs.get("heads") == "keep"
    same_labels = before.cohort == cohort if before else bool(start)  # of a file, the user knows
    if "heads" in pairs and not (keeps_heads and same_labels):
        raise ValueError(f"heads={pairs['heads']}: keep alone, from a stage of the same cohort")
    return Stage(
        name=name,
        cohort=cohort,
        configuration=configuration,
        folds=tuple(pairs.get("folds", "0,1,2,3,4").split(",")),
        start=start,
        settings=settings,
        hard_negatives=_hard(pairs["hard"], cohort, recipe) if "hard" in pairs else None,
        keeps_heads=keeps_heads,
    )


def _with_grid(recipe: Recipe, name: str, pairs: dict[str, str]) -> Recipe:
    """Return the recipe with the stages and candidates of a grid.

    A point whose warm-up does not fit into its epochs is left out by name.

    Raises:
        ValueError: nothing is left of it, or a stage of it has a name that another one has.
    """
    checkpoints = pairs.pop("checkpoint", "final")
    stages: dict[str, Stage] = {}
    left_out = {}
    for point in points_of(name, pairs):
        try:
            stages[point.name] = _stage(point.name, point.pairs, recipe)
        except ScheduleError as error:
            left_out[point.name] = str(error)
    if not stages or stages.keys() & recipe.stages.keys():
        raise ValueError("no point is left" if not stages else "another stage has a point's name")
    candidates: dict[str, Candidate] = {}
    for stage in stages:
        candidates |= candidates_of(stage, checkpoints)
    grid = Grid(tuple(stages), tuple(candidates), left_out)
    return replace(
        recipe,
        stages={**recipe.stages, **stages},
        candidates={**recipe.candidates, **candidates},
        grids={**recipe.grids, name: grid},
    )


def _hard(text: str, cohort: str, recipe: Recipe) -> HardNegatives:
    """Read CANDIDATE:LABEL,LABEL, a candidate of the same cohort."""
    candidate, _, names = text.partition(":")
    if candidate not in recipe.candidates:
        raise ValueError(f"hard={text}: no candidate {candidate!r} before it")
    if candidate not in recipe.candidates_of(cohort):
        raise ValueError(f"hard={text}: {candidate} was trained on another cohort")
    labels = tuple(names.split(","))
    scheme = SCHEMES[recipe.cohorts[cohort].scheme]
    if unknown := set(labels) - set(scheme.labels):
        known = ", ".join(scheme.labels)
        raise ValueError(f"hard={text}: {', '.join(sorted(unknown))} is none of {known}")
    return HardNegatives(candidate, labels)
