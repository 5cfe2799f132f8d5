"""What a team hands in, and where everything that is made of it lies."""

from dataclasses import dataclass
from pathlib import Path

from challenge.scheme import Scheme
from lab.json_files import read_json
from lab.learned_gates.gate_images import HELD_OUT_FOLDER as HELD_OUT_GATES
from lab.pipeline.sources import Source
from lab.rule_search.image_scores import HELD_OUT_FOLDER
from lab.rule_search.workspace import GATES


@dataclass(frozen=True)
class Submission:
    """What a team has, and where the work goes."""

    name: str
    scheme: Scheme
    scorer: str
    cohort: Path
    references: Path  # label maps of the cohort in the scheme's values
    cases: int
    work: Path
    sources: tuple[Source, ...] = ()
    splits: Path | None = None
    predictions: Path | None = None  # instead of sources: rules alone
    probabilities: Path | None = None
    labels: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    data: str = ""
    jobs: int = 1
    dask: str | None = None
    device: str = "cpu"  # that networks will run on, for the estimate

    @property
    def is_ensemble(self) -> bool:
        """Return whether there is anything to select from."""
        return len(self.sources) > 1

    @property
    def model(self) -> Path:
        """Return the model folder that ships."""
        return self.work / "weights" / self.name

    @property
    def rules(self) -> Path:
        """Return the work folder of the rule search."""
        return self.work / "rules"

    @property
    def gates_ship(self) -> bool:
        """Return whether learned gates passed; False before they were judged."""
        path = self.rules / GATES
        return path.is_file() and bool(read_json(path)["ships"])

    @property
    def held_out(self) -> Path:
        """Return the label maps by rules, and gates where they ship, learned without each case."""
        return self.rules / (HELD_OUT_GATES if self.gates_ship else HELD_OUT_FOLDER)

    @property
    def artefact(self) -> Path:
        """Return the rules that ship where there is no model."""
        return self.work / "artefact"

    @property
    def out_of_fold(self) -> Path:
        """Return the label maps that rules are fitted on."""
        return self.predictions or self.work / "oof" / self.name

    def probability_maps(self, is_selected: bool) -> Path | None:
        """Return the probabilities that rules may look at; None where there are none to be had.

        Where nnU-Net's validation spares predictions, and left labels alone, there are none.
        """
        sources = self.shipped_sources(is_selected)
        if self.predictions or not sources:
            return self.probabilities
        spared = all(source.has_labels for source in sources)
        if spared and not all(source.has_probabilities for source in sources):
            return None
        return self.work / "probabilities" / self.name

    @property
    def selection(self) -> Path:
        """Return the file that `lab select` writes."""
        return self.work / "selection" / "selection.json"

    def shipped_sources(self, is_selected: bool) -> tuple[Source, ...]:
        """Return the sources of what ships, in its order: once there is one, the selection's.

        Without a selection each folder ships at the first checkpoint.
        """
        if not (is_selected and self.is_ensemble and self.selection.is_file()):
            return tuple(s for s in self.sources if s.checkpoint == self.sources[0].checkpoint)
        by_name = {source.name: source for source in self.sources}
        return tuple(by_name[name] for name in read_json(self.selection)["weights"])

    @property
    def parallel(self) -> tuple[str, ...]:
        """Return --jobs or --dask of verbs that have them."""
        return ("--dask", self.dask) if self.dask else ("--jobs", str(self.jobs))

    def scores(self, name: str) -> Path:
        """Return a result file of `lab evaluate`."""
        return self.work / "scores" / f"{name}.json"
