"""The cases of a cohort, each by the members that never saw it, into labels and probabilities."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from challenge.case import CaseError, read_case
from challenge.label_file import write_labels
from challenge.provenance import Provenance
from challenge.scheme import labels_from
from ensemble.engine import Engine
from ensemble.manifest import Member, Model
from ensemble.predict import predict
from lab.data.cohort import CohortCase
from lab.member_selection.probability_maps import (
    Candidate,
    read_candidate,
    write_candidate,
    write_map,
)
from lab.member_selection.stored_validation import (
    StoredValidation,
    compare,
    mean_probabilities,
    read_labels,
)
from lab.progress import print_line, progress
from lab.provenance.resume import Output, finish_folders, start_folders


@dataclass(frozen=True)
class Request:
    """What is predicted, by what, and where it goes; what is there already is not done again."""

    model_folder: Path
    model: Model
    cohort: Mapping[str, CohortCase]  # by case id
    members_of: Mapping[str, tuple[Member, ...]]  # case id -> those that never saw it
    record: Provenance  # of label maps; `name` and `sha256` are those of a folder
    out: Path  # of label maps
    maps: Path | None = None  # of probabilities
    stored: StoredValidation | None = None  # nnU-Net's, used where it has a case

    @property
    def outputs(self) -> list[Output]:
        """Return each folder that is written, with its record and the files of all cases."""
        labels = [self.out / self.cohort[id].files.output for id in self.members_of]
        outputs = [Output(self.out, self.record, labels)]
        if self.maps:
            record = replace(self.record, product="probability maps")
            archives = [self.maps / f"{id}.npz" for id in self.members_of]
            outputs.append(Output(self.maps, record, archives))
        return outputs

    def is_done(self, id: str) -> bool:
        """Return whether an interrupted run wrote all files of a case."""
        map_path = self.map_path(id)
        is_mapped = map_path is None or map_path.exists()
        return (self.out / self.cohort[id].files.output).exists() and is_mapped

    def stored_path(self, id: str) -> Path | None:
        """Return nnU-Net's file of a case that spares its prediction; None where there is none."""
        if self.stored is None:
            return None
        members = self.members_of[id]
        if self.stored.has_probabilities(members, id):
            return self.stored.archive(members[0], id)
        # Labels alone do where nobody needs probabilities.
        ending = self.cohort[id].ending
        return None if self.maps else self.stored.labels_path(members, id, ending)

    def map_path(self, id: str) -> Path | None:
        """Return where the probabilities of a case go; None where nobody needs them."""
        return self.maps / f"{id}.npz" if self.maps else None


def predict_cases(request: Request, new_engine: Callable[[], Engine]) -> list[str]:
    """Predict each case with the members that were trained without it, and write the records.

    Args:
        request: what is predicted; cases of an earlier run with the same inputs are left as they
            are, and counted on stdout.
        new_engine: makes an engine that keeps its networks; there is one for each set of members.

    Returns:
        The cases that cannot be read or written; with any, the folders are not finished.

    Raises:
        ProvenanceError: a folder holds what was made from something else.
    """
    start_folders(request.outputs)
    done = [id for id in request.members_of if request.is_done(id)]
    if done:
        print(f"{len(done)} of {len(request.members_of)} cases are there from an earlier run")
    missing = [id for id in request.members_of if not request.is_done(id)]
    predictor, seconds, failed = Predictor(request, new_engine), [], []
    for id in progress(missing, len(missing), "case", "predict"):
        try:
            seconds += predictor.write(id)
        except CaseError as error:  # one case never costs the others
            print(f"{id} failed: {error}", file=sys.stderr)
            failed.append(id)
    if failed:
        return failed
    if request.maps:
        write_candidate(_candidate(request, request.maps, seconds))
    finish_folders(request.outputs)
    return []


@dataclass
class Predictor:
    """Writes cases, each by its members or from nnU-Net's validation, once that is checked."""

    request: Request
    new_engine: Callable[[], Engine]
    engine: Engine | None = None
    members: tuple[Member, ...] = ()  # whose networks the engine keeps
    is_checked: bool = False  # whether a case of nnU-Net's validation agreed with ours

    def write(self, id: str) -> list[float]:
        """Write the files of a case; return the seconds of a member, [] where none ran.

        Raises:
            CaseError: it cannot be read or written.
        """
        path = self.request.stored_path(id)
        if path and self.is_checked:
            _take_over(self.request, id)
            print_line(f"{id} from {path.parent}")
            return []
        if self.engine is None or self.members != self.request.members_of[id]:
            self.engine, self.members = self.new_engine(), self.request.members_of[id]
        prediction = _predict_case(self.request, id, self.engine)
        print_line(f"{id} by {', '.join(member.name for member in self.members)}")
        if path:
            self._check(id, path, prediction.labels)
        return [prediction.seconds / sum(member.is_averaged for member in self.members)]

    def _check(self, id: str, path: Path, labels: np.ndarray) -> None:
        """Compare the first case of nnU-Net's validation with ours (z, y, x); use it or not."""
        agreement = compare(_stored_labels(self.request, id), labels)
        print_line(agreement.sentence(path))
        self.is_checked = agreement.is_close
        if not self.is_checked:
            self.request = replace(self.request, stored=None)


@dataclass(frozen=True)
class CasePrediction:
    """A case's labels (z, y, x), and the seconds of its members."""

    labels: np.ndarray
    seconds: float


def _predict_case(request: Request, id: str, engine: Engine) -> CasePrediction:
    """Predict a case and write its files."""
    model, case = request.model, read_case(request.cohort[id].files)
    started = time.perf_counter()
    # The head stays that of the whole model: its labels are decoded as the container decodes them.
    *_, final = predict(case, replace(model, members=request.members_of[id]), engine)
    seconds = time.perf_counter() - started
    labels = labels_from(final.probabilities, model.head, model.scheme)
    _write(request, id, final.probabilities, labels)
    return CasePrediction(labels, seconds)


def _take_over(request: Request, id: str) -> None:
    """Write a case's files from nnU-Net's validation."""
    if request.maps is None:
        _write(request, id, None, _stored_labels(request, id))
        return
    probabilities = _stored_probabilities(request, id)
    labels = labels_from(probabilities, request.model.head, request.model.scheme)
    _write(request, id, probabilities, labels)


def _stored_labels(request: Request, id: str) -> np.ndarray:
    """Return nnU-Net's labels of a case (z, y, x), in the scheme's values."""
    stored, members, case = request.stored, request.members_of[id], request.cohort[id]
    if stored is not None and not stored.has_probabilities(members, id):
        path = stored.labels_path(members, id, case.ending)
        if path is not None:
            return read_labels(path, request.model, case.read_reference().array.shape)
    probabilities = _stored_probabilities(request, id)
    return labels_from(probabilities, request.model.head, request.model.scheme)


def _stored_probabilities(request: Request, id: str) -> np.ndarray:
    assert request.stored is not None
    case = read_case(request.cohort[id].files)
    return mean_probabilities(request.stored, request.members_of[id], case, request.model)


def _write(request: Request, id: str, probabilities: np.ndarray | None, labels: np.ndarray) -> None:
    map_path = request.map_path(id)
    if map_path and probabilities is not None:
        write_map(map_path, probabilities, request.model.head)
    write_labels(labels, request.cohort[id].files, request.out)


def _candidate(request: Request, maps: Path, seconds: Sequence[float]) -> Candidate:
    """Describe the maps for `lab select`."""
    return Candidate(
        name=maps.name,
        folder=maps,
        scheme=request.model.scheme,
        head=request.model.head,
        members_of={
            id: tuple(member.name for member in members)
            for id, members in request.members_of.items()
        },
        case_s=median(seconds) if seconds else read_candidate(maps).case_s,
        model=request.model_folder,
    )
