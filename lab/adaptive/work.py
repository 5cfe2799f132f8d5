"""The folder that the verbs features, fit, search, freeze and explain hand on to each other."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from challenge.scheme import SCHEMES, Scheme
from lab.adaptive.recipe import RECIPES, Recipe
from lab.results import to_json

SETUP, FEATURES, CLUSTERS, SEARCH = "setup.json", "features.npz", "clusters.json", "search.json"
DECIDED, FORCED = "decided", "forced"  # artefacts: as the gate decided, and whatever it says
MADE_BY = {SETUP: "features", FEATURES: "features", CLUSTERS: "fit", SEARCH: "search"}


@dataclass(frozen=True)
class Setup:
    """What the features of a work folder were made from."""

    scheme_name: str
    recipe_name: str
    cohort: str
    predictions: str
    probabilities: str | None
    members: tuple[str, ...]

    @property
    def scheme(self) -> Scheme:
        """The challenge."""
        return SCHEMES[self.scheme_name]

    @property
    def recipe(self) -> Recipe:
        """What is measured, tried and believed."""
        return RECIPES[self.recipe_name]


def write_setup(work: Path, setup: Setup) -> None:
    """Note what the features are made from."""
    write_json(work / SETUP, asdict(setup))


def read_setup(work: Path) -> Setup:
    """Read it back.

    Raises:
        ValueError: the folder holds none, or one that this program does not understand.
    """
    content = read_json(work, SETUP)
    try:
        setup = Setup(**{**content, "members": tuple(content["members"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{work / SETUP}: not as `lab features` writes it ({error})") from error
    if setup.scheme_name not in SCHEMES or setup.recipe_name not in RECIPES:
        raise ValueError(
            f"{work / SETUP}: unknown scheme or recipe, {setup.scheme_name!r}, "
            f"{setup.recipe_name!r}"
        )
    return setup


def read_json(work: Path, name: str) -> Any:
    """Read one of the folder's JSON files, or say which verb makes it."""
    path = work / name
    if not path.is_file():
        raise ValueError(f"{path}: missing; `python -m lab {MADE_BY[name]}` makes it")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write strict JSON at once."""
    partial = path.with_name(f".partial-{path.name}")
    partial.write_text(to_json(content) + "\n", encoding="utf-8")
    partial.replace(path)
