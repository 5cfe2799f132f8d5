"""A recipe's lines as data: cohorts, networks, stages, candidates."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from challenge.orientation import check_axis_code
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.data.sources import all_layouts
from lab.phantom.cohort import KINDS
from lab.training.networks import NETWORKS, strides_of
from lab.training.trainers import Settings

OWN_KEYS = {"cohort", "network", "folds", "from", "heads", "hard"}


class RecipeError(Refusal):
    """A recipe that cannot be followed; the message names the line."""


@dataclass(frozen=True)
class Phantom:
    """Synthetic patients: which, how many, of which cohort, on which grid."""

    kind: str
    cases: int
    seed: int
    spacing: str  # z,y,x in mm
    regions: bool = False  # to train on nested regions

    @classmethod
    def of(cls, text: str) -> "Phantom":
        """Read KIND:CASES:SEED:SPACING[:regions]."""
        kind, cases, seed, spacing, *more = text.split(":")
        if kind not in KINDS:
            raise ValueError(f"phantom {kind}: one of {', '.join(KINDS)}")
        if more not in ([], ["regions"]):
            raise ValueError(f"phantom {text}: after the spacing only :regions may follow")
        return cls(kind, int(cases), int(seed), spacing, bool(more))


@dataclass(frozen=True)
class Cohort:
    """Raw data of one dataset: real sources, or synthetic patients."""

    name: str
    dataset: str
    sources: tuple[str, ...]  # LAYOUT=DIR
    folds: int = 5
    stratify: str | None = None
    phantom: Phantom | None = None
    orientation: str | None = None  # axis code that images are written in; None: as they are

    @property
    def scheme(self) -> str:
        """Return the challenge whose labels the dataset has."""
        if self.phantom:
            return self.phantom.kind
        return all_layouts()[self.sources[0].partition("=")[0]].scheme.name

    @property
    def told(self) -> str:
        """Return where the data comes from, in words."""
        made = self.phantom
        if made:
            return f"{made.cases} synthetic patients ({made.kind}, seed {made.seed})"
        return ", ".join(self.sources)

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the folders that are not there, or that no variable names."""
        folders = [source.partition("=")[2] for source in self.sources]
        return tuple(folder for folder in folders if not Path(folder).is_dir())


@dataclass(frozen=True)
class Plan:
    """A configuration, as lab/training/preprocess.py reads it."""

    name: str
    network: str
    spacing: str
    patch: str
    batch: int
    normalisation: str = ""

    @property
    def words(self) -> str:
        """Return NAME:NETWORK:SPACING:PATCH:BATCH[:NORMALISATION]."""
        parts = [self.name, self.network, self.spacing, self.patch, str(self.batch)]
        return ":".join([*parts, *([self.normalisation] if self.normalisation else [])])


@dataclass(frozen=True)
class Stage:
    """Training of some folds on one cohort."""

    name: str
    cohort: str
    network: str
    folds: tuple[str, ...]
    start: str  # a stage, a checkpoint's path, or nothing
    settings: Mapping[str, str]
    hard: tuple[str, tuple[str, ...]] | None = None  # a candidate, and labels it saw wrongly
    keeps_heads: bool = False  # of the stage it starts from, which had the same labels


@dataclass(frozen=True)
class Recipe:
    """Everything that a recipe says."""

    cohorts: Mapping[str, Cohort]
    plans: Mapping[str, Plan]
    stages: Mapping[str, Stage]
    candidates: Mapping[str, tuple[str, str]]  # name -> stage, checkpoint


def read_recipe(path: Path, environment: Mapping[str, str] | None = None) -> Recipe:
    """Run a recipe's shell file, which only says its lines, and read them.

    Raises:
        RecipeError: the file fails, or a line has an unknown word, key, network, cohort or stage.
    """
    told = subprocess.run(
        ["bash", str(path)], capture_output=True, text=True, check=False,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    if told.returncode:
        raise RecipeError(f"{path}: {told.stderr.strip() or told.returncode}")
    cohorts: dict[str, Cohort] = {}
    plans: dict[str, Plan] = {}
    stages: dict[str, Stage] = {}
    candidates: dict[str, tuple[str, str]] = {}
    for line in told.stdout.splitlines():
        word, name, *rest = line.split("\t")
        try:
            if word == "cohort":
                cohorts[name] = _cohort(name, rest)
            elif word == "network":
                plans[name] = _plan(name, _pairs(rest))
            elif word == "stage":
                before = Recipe(cohorts, plans, stages, candidates)
                stages[name] = _stage(name, _pairs(rest), before)
            else:
                given = _pairs(rest)
                candidates[name] = (given["stage"], given.get("checkpoint", "final"))
                stages[given["stage"]]
        except (KeyError, ValueError, TypeError) as error:
            raise RecipeError(f"{path}: {word} {name}: {error}") from error
    if not stages:
        raise RecipeError(f"{path}: no stage")
    return Recipe(cohorts, plans, stages, candidates)


def _pairs(words: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r} is not KEY=VALUE")
        pairs[key] = value
    return pairs


def _cohort(name: str, words: Sequence[str]) -> Cohort:
    dataset, *rest = words
    sources = tuple(word.removeprefix("source=") for word in rest if word.startswith("source="))
    others = _pairs([word for word in rest if not word.startswith("source=")])
    for source in sources:
        if source.partition("=")[0] not in all_layouts():
            raise ValueError(f"source {source}: one of {', '.join(all_layouts())}")
    phantom = Phantom.of(others.pop("phantom")) if "phantom" in others else None
    if not sources and not phantom:
        raise ValueError("no source")
    if sources and phantom:
        raise ValueError("real sources and synthetic patients are not mixed")
    folds = int(others.pop("folds", 5))
    orientation = others.pop("orientation", None)
    if orientation and phantom:
        raise ValueError("orientation: of real sources, synthetic patients have their own")
    if orientation:
        check_axis_code(orientation)
    found = Cohort(
        name, dataset, sources, folds, others.pop("stratify", None), phantom, orientation
    )
    if others:
        raise ValueError(f"unknown {', '.join(others)}")
    return found


def _plan(name: str, given: dict[str, str]) -> Plan:
    found = Plan(
        name, given.pop("network"), given.pop("spacing"), given.pop("patch"),
        int(given.pop("batch", "2")), given.pop("normalisation", ""),
    )  # fmt: skip
    if given:
        raise ValueError(f"unknown {', '.join(given)}")
    if found.network not in NETWORKS:
        raise ValueError(f"network {found.network}: one of {', '.join(NETWORKS)}")
    patch = [int(side) for side in found.patch.split(",")]
    strides_of(patch, len(NETWORKS[found.network].features))
    return found


def _stage(name: str, given: Mapping[str, str], recipe: Recipe) -> Stage:
    """Read a stage; what it speaks of is among the lines before it, `recipe`."""
    settings = {key: value for key, value in given.items() if key not in OWN_KEYS}
    Settings.of(settings)
    if given["cohort"] not in recipe.cohorts or given["network"] not in recipe.plans:
        raise ValueError(f"no cohort {given['cohort']} or no network {given['network']} before it")
    start = given.get("from", "")
    own, other = recipe.plans[given["network"]], recipe.stages.get(start)
    if other and recipe.plans[other.network].network != own.network:
        theirs = recipe.plans[other.network].network
        raise ValueError(f"starts from {start}, another network ({theirs})")
    folds = tuple(given.get("folds", "0,1,2,3,4").split(","))
    hard = _hard(given["hard"], given["cohort"], recipe) if "hard" in given else None
    keeps = given.get("heads") == "keep"
    if "heads" in given and not (keeps and other and other.cohort == given["cohort"]):
        raise ValueError(f"heads={given['heads']}: keep alone, from a stage of the same cohort")
    return Stage(name, given["cohort"], given["network"], folds, start, settings, hard, keeps)


def _hard(text: str, cohort: str, recipe: Recipe) -> tuple[str, tuple[str, ...]]:
    """Read CANDIDATE:LABEL,LABEL, a candidate of the same cohort."""
    candidate, _, names = text.partition(":")
    if candidate not in recipe.candidates:
        raise ValueError(f"hard={text}: no candidate {candidate!r} before it")
    if recipe.stages[recipe.candidates[candidate][0]].cohort != cohort:
        raise ValueError(f"hard={text}: {candidate} was trained on another cohort")
    labels = tuple(names.split(","))
    scheme = SCHEMES[recipe.cohorts[cohort].scheme]
    if unknown := set(labels) - set(scheme.labels):
        known = ", ".join(scheme.labels)
        raise ValueError(f"hard={text}: {', '.join(sorted(unknown))} is none of {known}")
    return candidate, labels
