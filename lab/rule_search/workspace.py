"""The folder that the verbs features, fit, search, freeze and explain hand on to each other."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme
from lab.evaluation.results import to_json
from lab.json_files import read_json
from lab.rule_search.config import RECIPES, Recipe

SETUP, FEATURES, CLUSTERS, SEARCH = "setup.json", "features.npz", "clusters.json", "search.json"
DECIDED, FORCED = "decided", "forced"  # artefacts: as the gate decided, and whatever it says
MADE_BY = {SETUP: "features", FEATURES: "features", CLUSTERS: "fit", SEARCH: "search"}
HOLDS = {  # what later verbs look at
    SETUP: ("scheme_name", "recipe_name", "members"),
    CLUSTERS: ("recipe", "seed", "clusters", "stability", "loadings"),
    SEARCH: ("ships", "cases", "clusters", "assigned", "points", "slots", "effects"),
}


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
        Refusal: the folder holds none, or one that this program does not understand.
    """
    content = read_work(work, SETUP)
    try:
        setup = Setup(**{**content, "members": tuple(content["members"])})
    except (KeyError, TypeError) as error:
        raise Refusal(f"{work / SETUP}: not as `lab features` writes it ({error})") from error
    if setup.scheme_name not in SCHEMES or setup.recipe_name not in RECIPES:
        raise Refusal(
            f"{work / SETUP}: unknown scheme or recipe, {setup.scheme_name!r}, "
            f"{setup.recipe_name!r}"
        )
    return setup


def read_work(work: Path, name: str) -> dict[str, Any]:
    """Read one of the folder's JSON files.

    Raises:
        Refusal: the file is missing, in which case the message says which verb makes it, or lacks
            what that verb writes.
    """
    path = work / name
    if not path.is_file():
        raise Refusal(f"{path}: missing; `python -m lab {MADE_BY[name]}` makes it")
    content = read_json(path)
    if not isinstance(content, dict):
        raise Refusal(f"{path}: not as `lab {MADE_BY[name]}` writes it")
    if lacking := [key for key in HOLDS[name] if key not in content]:
        raise Refusal(f"{path}: not as `lab {MADE_BY[name]}` writes it (no {', '.join(lacking)})")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write strict JSON at once."""
    partial = path.with_name(f".partial-{path.name}")
    partial.write_text(to_json(content) + "\n", encoding="utf-8")
    partial.replace(path)
