"""A recipe as data: cohorts, network configurations, stages, candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from challenge.refusal import Refusal
from lab.data.sources import all_layouts
from lab.phantom.population import KINDS, check_healthy
from lab.training.plans import Configuration


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
    healthy: float = 0.0  # share of patients without a tumour

    @classmethod
    def of(cls, text: str) -> "Phantom":
        """Read KIND:CASES:SEED:SPACING[:regions][:healthy=SHARE].

        Raises:
            ValueError: an unknown kind or word, or a number that is none.
            Refusal: a share that is none, or of patients who are all ill.
        """
        kind, cases, seed, spacing, *more = text.split(":")
        if kind not in KINDS:
            raise ValueError(f"phantom {kind}: one of {', '.join(KINDS)}")
        words = dict(word.partition("=")[::2] for word in more)
        healthy = float(words.pop("healthy", 0))
        if words not in ({}, {"regions": ""}):
            raise ValueError(
                f"phantom {text}: after the spacing only :regions and :healthy=SHARE may follow"
            )
        check_healthy(kind, healthy)
        return cls(kind, int(cases), int(seed), spacing, bool(words), healthy)


@dataclass(frozen=True)
class TrainingCohort:
    """Raw data of one dataset: real sources, or synthetic patients."""

    name: str
    dataset: str
    sources: tuple[str, ...]  # LAYOUT=DIR
    folds: int = 5
    stratify: str | None = None
    phantom: Phantom | None = None
    orientation: str | None = None  # axis code that images are written in; None: as they are
    skip_bad: bool = False  # go on without cases that cannot be prepared

    @property
    def scheme(self) -> str:
        """Return the challenge whose labels the dataset has."""
        if self.phantom:
            return KINDS[self.phantom.kind].scheme
        return all_layouts()[self.sources[0].partition("=")[0]].scheme.name

    @property
    def description(self) -> str:
        """Return where the data comes from, in words."""
        if self.phantom:
            patients = f"{self.phantom.cases} synthetic patients"
            healthy = f", {self.phantom.healthy:.0%} healthy" if self.phantom.healthy else ""
            return f"{patients} ({self.phantom.kind}, seed {self.phantom.seed}{healthy})"
        skips = ("; skip_bad: goes on without cases that cannot be prepared",) * self.skip_bad
        return "".join([", ".join(self.sources), *skips])

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the folders that do not exist, or that no variable names."""
        folders = [source.partition("=")[2] for source in self.sources]
        return tuple(folder for folder in folders if not Path(folder).is_dir())


@dataclass(frozen=True)
class HardNegatives:
    """Which candidate's false positives a stage looks at more often, and of which labels."""

    candidate: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Candidate:
    """One checkpoint of a stage's folds, for `lab select` to choose among."""

    stage: str
    checkpoint: str = "final"  # or best


@dataclass(frozen=True)
class Stage:
    """Training of some folds on one cohort."""

    name: str
    cohort: str
    configuration: str
    folds: tuple[str, ...]
    start: str  # a stage, a checkpoint's path, in which {fold} is the fold, or nothing
    settings: Mapping[str, str]
    hard_negatives: HardNegatives | None = None
    keeps_heads: bool = False  # of the stage it starts from, which had the same labels

    def start_file(self, fold: str) -> str:
        """Return the checkpoint's path that a fold starts from, if it is no stage's."""
        return self.start.replace("{fold}", fold)


@dataclass(frozen=True)
class Grid:
    """The stages of one line, a combination of values each, and their candidates."""

    stages: tuple[str, ...]
    candidates: tuple[str, ...]
    left_out: Mapping[str, str]  # stages that do not run -> why


@dataclass(frozen=True)
class Recipe:
    """Everything that a recipe says, by name."""

    cohorts: Mapping[str, TrainingCohort]
    configurations: Mapping[str, Configuration]
    stages: Mapping[str, Stage]
    candidates: Mapping[str, Candidate]
    grids: Mapping[str, Grid] = field(default_factory=dict)

    def candidates_of(self, cohort: str) -> list[str]:
        """Return the names of the candidates that were trained on a cohort."""
        return [n for n, c in self.candidates.items() if self.stages[c.stage].cohort == cohort]
