"""A team's out-of-fold label maps of one or several systems, as the study takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from lab.data.cohort import CohortCase, read_cohort
from lab.metrics.scorer import Scorer
from lab.provenance.checks import accept
from lab.rule_search.config import SearchConfig
from lab.rule_search.feature_table import informative
from lab.rule_search.features import check_predictions, describe_cohort
from lab.rule_search.input_records import input_faults, input_records
from lab.rule_search.search import make_score_cache
from lab.rule_search.workspace import Setup
from lab.study.cohorts import StudyCohort


@dataclass(frozen=True)
class Systems:
    """Folders of label maps by a system's name, and the references that all have."""

    folders: Mapping[str, Path]
    references: Path  # nnU-Net's raw dataset folder
    scheme: Scheme
    cases: tuple[CohortCase, ...]
    faults: tuple[str, ...]  # accepted ones: label maps that were not made out of fold

    def setup(self, name: str, config: SearchConfig) -> Setup:
        """Return what a system's features are made from: its label maps and the scans alone."""
        return Setup(
            scheme_name=self.scheme.name,
            config_name=config.name,
            cohort=str(self.references.resolve()),
            predictions=str(self.folders[name].resolve()),
            probabilities=None,
            members=(),
        )

    def cohort(self, name: str, scorer: Scorer, config: SearchConfig) -> StudyCohort:
        """Describe and open every case, in the processes of the surrounding joblib backend."""
        setup = self.setup(name, config)
        table = describe_cohort(self.cases, setup)
        cache = make_score_cache(self.cases, setup, scorer)
        return StudyCohort(informative(table, config.drops_constant)[0], table, cache, config)

    def scored_by(self, cohort: StudyCohort, name: str, scorer: Scorer) -> StudyCohort:
        """Return a system's cohort with the scores of another scorer."""
        setup = self.setup(name, cohort.config)
        return replace(cohort, cache=make_score_cache(self.cases, setup, scorer))


def read_systems(
    folders: Sequence[Path],
    references: Path,
    scheme: Scheme,
    config: SearchConfig,
    accepts_faults: bool,
) -> Systems:
    """Name the folders, and check that each has a label map of every case.

    Raises:
        Refusal: a folder lacks a case, or its maps are of another cohort, or of cases that their
            networks were trained on and `accepts_faults` is false.
    """
    cases = tuple(read_cohort(references, scheme))
    check_predictions(cases, folders)
    systems = Systems(name_folders(folders), references, scheme, cases, ())
    setups = [systems.setup(name, config) for name in systems.folders]
    faults = [
        accept(fault, accepts_faults)
        for setup in setups
        for fault in input_faults(input_records(cases, setup), setup, None)
    ]
    return replace(systems, faults=tuple(faults))


def name_folders(folders: Sequence[Path]) -> dict[str, Path]:
    """Name folders by the last parts of their paths, as many as tell them apart.

    Raises:
        Refusal: a folder is given twice.
    """
    resolved = [folder.resolve() for folder in folders]
    for i, folder in enumerate(resolved):
        if folder in resolved[:i]:
            raise Refusal(f"{folders[i]}: given twice")
    for parts in range(1, max(len(folder.parts) for folder in resolved) + 1):
        names = ["/".join(folder.parts[-parts:]) for folder in resolved]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, folders, strict=True))
