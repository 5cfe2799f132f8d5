"""The folder that the verbs features, fit, search, freeze and explain hand on to each other."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from challenge.case import CaseError
from challenge.folders import find_file
from challenge.provenance import KEY, Provenance, from_json
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme
from lab.data.cohort import CohortCase
from lab.evaluation.results import to_json
from lab.json_files import read_json
from lab.rule_search.config import SEARCH_CONFIGS, SearchConfig

# Raised when a key of these files changes; a folder with another number is made again.
SCHEMA = 4
SETUP, FEATURES, CLUSTERS, SEARCH = "setup.json", "features.npz", "clusters.json", "search.json"
GATES = "gate.json"
# Whose versions an artefact records.
LIBRARIES = ("numpy", "scikit-learn", "SimpleITK", "pyradiomics", "connected-components-3d")
DECIDED, FORCED = "decided", "forced"  # artefacts: as the gate decided, and whatever it says
MADE_BY = {
    SETUP: "features",
    FEATURES: "features",
    CLUSTERS: "fit",
    SEARCH: "search",
    GATES: "gate",
}
REQUIRED = {  # keys that later verbs read
    SETUP: ("scheme_name", "config_name", "members"),
    CLUSTERS: ("config", "features_sha256", "seed", "clusters", "stability", "loadings"),
    SEARCH: (
        "ships",
        "cases",
        "clusters",
        "assigned",
        "points",
        "parameters",
        "effects",
        "provenance",
    ),
    GATES: ("ships", "failures", "gates", "examples", "provenance"),
}


@dataclass(frozen=True)
class Setup:
    """What the features of a work folder were made from."""

    scheme_name: str
    config_name: str
    cohort: str
    predictions: str
    probabilities: str | None
    members: tuple[str, ...]
    provenance: Provenance | None = None  # of the features

    @property
    def scheme(self) -> Scheme:
        """The challenge."""
        return SCHEMES[self.scheme_name]

    @property
    def config(self) -> SearchConfig:
        """What is measured, tried and accepted."""
        return SEARCH_CONFIGS[self.config_name]

    def prediction_of(self, case: CohortCase) -> Path:
        """Return a case's label map, or raise CaseError."""
        return _label_map(self.predictions, case)

    def probabilities_of(self, case: CohortCase) -> Path | None:
        """Return where a case's probabilities are; None where none were given."""
        return Path(self.probabilities) / f"{case.files.id}.npz" if self.probabilities else None

    def member_predictions_of(self, case: CohortCase) -> list[Path]:
        """Return the label maps of the ensemble's members, or raise CaseError."""
        return [_label_map(folder, case) for folder in self.members]


def _label_map(folder: str, case: CohortCase) -> Path:
    path = find_file(Path(folder), case.reference.name)
    if path is None:
        missing = Path(folder) / case.reference.name
        raise CaseError(f"{missing}: no prediction for {case.reference}")
    return path


def write_setup(work: Path, setup: Setup) -> None:
    """Write what the features are made from."""
    content = {field.name: getattr(setup, field.name) for field in fields(setup)}
    record = setup.provenance and setup.provenance.to_json()
    write_work(work, SETUP, content | {KEY: record})


def read_setup(work: Path) -> Setup:
    """Read it back.

    Raises:
        Refusal: the folder holds none, or one that this program does not understand.
    """
    content = read_work(work, SETUP)
    try:
        record = content.get(KEY) and from_json(content[KEY], work / SETUP)
        setup = Setup(**{**content, "members": tuple(content["members"]), KEY: record})
    except (KeyError, TypeError) as error:
        raise Refusal(f"{work / SETUP}: not as `lab features` writes it ({error})") from error
    if setup.scheme_name not in SCHEMES or setup.config_name not in SEARCH_CONFIGS:
        raise Refusal(
            f"{work / SETUP}: unknown scheme or configuration, {setup.scheme_name!r}, "
            f"{setup.config_name!r}"
        )
    return setup


def read_work(work: Path, name: str) -> dict[str, Any]:
    """Read one of the folder's JSON files.

    Raises:
        Refusal: the file is missing, of another schema, or lacks a key; the message names the verb
            that makes it.
    """
    path = work / name
    if not path.is_file():
        raise Refusal(f"{path}: missing; `python -m lab {MADE_BY[name]}` makes it")
    content = read_json(path)
    if not isinstance(content, dict):
        raise Refusal(f"{path}: not as `lab {MADE_BY[name]}` writes it")
    if (schema := content.pop("schema", None)) != SCHEMA:
        verb = MADE_BY[name]
        raise Refusal(f"{path}: schema {schema}, this program reads {SCHEMA}; run lab {verb} again")
    if lacking := [key for key in REQUIRED[name] if key not in content]:
        raise Refusal(f"{path}: not as `lab {MADE_BY[name]}` writes it (no {', '.join(lacking)})")
    return content


def write_work(work: Path, name: str, content: Mapping[str, Any]) -> None:
    """Write one of the folder's JSON files, with the schema number that `read_work` checks."""
    write_json(work / name, {"schema": SCHEMA, **content})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write strict JSON atomically."""
    partial = path.with_name(f".partial-{path.name}")
    partial.write_text(to_json(content) + "\n", encoding="utf-8")
    partial.replace(path)


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that an artefact's numbers depend on."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}
