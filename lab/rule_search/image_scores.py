"""Rules applied to images: the same scores as the search's, and each case's held-out labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import joblib
import numpy as np

from challenge.case import CaseFiles
from challenge.file_names import image_stem
from challenge.folders import entries
from challenge.label_file import write_labels
from challenge.provenance import Provenance, content_sha256, write_provenance
from lab.data.cohort import CohortCase
from lab.metrics.objective import Column, selection_row
from lab.metrics.scorer import Scorer
from lab.progress import progress
from lab.rule_search.cases import refine_on_image
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import Setting, rules_of
from lab.rule_search.workspace import Setup
from lab.rule_search.written_scorer import Scores, score_as_written
from postprocess.find_label_maps import LabelMap
from postprocess.rule_base import Rule

HELD_OUT_FOLDER = "held_out"  # of a work folder: each case by rules that were chosen without it
TOLERANCE = 1e-9  # between a score in the search and that of the images


class ScoreMismatch(RuntimeError):
    """The search scored a case otherwise than its images score: a bug of this program.

    No `Refusal`: nothing that a user names or writes leads here, so nobody can mend it by another
    call, and whoever mends the program needs the traceback.
    """


@dataclass(frozen=True)
class SearchImages:
    """The images of a search's cases, and the scores that the search computed without them."""

    cache: ScoreCache
    cases: Sequence[CohortCase]  # in the cache's order
    setup: Setup
    scorer: Scorer

    def check(self, settings: Sequence[Setting], numbers: np.ndarray) -> None:
        """Apply rules to the images of some cases, and compare their scores with the cache's.

        Args:
            settings: what each of all cases gets.
            numbers: (case,) those that are checked.

        Raises:
            ScoreMismatch: a score differs; the message names the case, the column and both numbers.
        """
        self._check(settings, numbers, None, "checking on images")

    def write(self, settings: Sequence[Setting], folder: Path, record: Provenance) -> None:
        """Write the labels that all cases get, by the names of the predictions, and check them.

        Label maps of an earlier search are removed first.

        Args:
            settings: what each case gets.
            folder: made where it is missing.
            record: of what the labels are made from; written with the hash of the files.

        Raises:
            ScoreMismatch: as `check` does.
            CaseError: a file cannot be written.
        """
        start_folder(folder, record)
        self._check(settings, np.arange(len(self.cases)), folder, f"writing {folder.name}")
        write_provenance(folder, replace(record, sha256=content_sha256(folder)))

    def _check(
        self, settings: Sequence[Setting], numbers: np.ndarray, folder: Path | None, what: str
    ) -> None:
        settings = [settings[i] for i in numbers]
        rules = {setting: rules_of(self.cache.parameters, setting) for setting in set(settings)}
        cases = [self.cases[i] for i in numbers]
        in_search = self.cache.scores(settings, numbers)  # before: a cluster runs one at a time
        parallel = joblib.Parallel(n_jobs=None, return_as="generator")
        scores = parallel(
            joblib.delayed(score_on_image)(case, rules[setting], self.setup, self.scorer, folder)
            for case, setting in zip(cases, settings, strict=True)
        )
        on_images = progress(scores, len(cases), description=what)
        for case, row, on_image in zip(cases, in_search, on_images, strict=True):
            compare(case.files.id, self.cache.columns, row, on_image)


def score_on_image(
    case: CohortCase, rules: Sequence[Rule], setup: Setup, scorer: Scorer, folder: Path | None
) -> Scores:
    """Refine one case's label map as the container does, write it into a folder, and score it.

    Labels that the challenge does not ask for stay in the file, as in the prediction.
    """
    pair = refine_on_image(case, rules, setup)
    if folder is not None:
        write_case(case, pair.prediction, setup, folder)
    return score_as_written(pair, setup.scheme, scorer)


def start_folder(folder: Path, record: Provenance) -> None:
    """Make a folder of label maps, without those of before, whose record has no hash yet."""
    folder.mkdir(exist_ok=True)
    write_provenance(folder, record)
    for path in entries(folder):
        if image_stem(path.name):
            path.unlink()


def write_case(case: CohortCase, labels: np.ndarray, setup: Setup, folder: Path) -> None:
    """Write a case's labels (z, y, x) by the name, and with the geometry, of its prediction."""
    source = setup.prediction_of(case)
    output = LabelMap(case.files.id, source, {}, None).output
    files = CaseFiles(case.files.id, {"labels": source}, "labels", output)
    write_labels(labels, files, folder)


def compare(id: str, columns: Sequence[Column], in_search: np.ndarray, on_image: Scores) -> None:
    """Compare a case's scores (column,) in the search with those of its image.

    Raises:
        ScoreMismatch: one differs.
    """
    scores = selection_row(on_image, columns)
    for (region, metric), searched, score in zip(columns, in_search, scores, strict=True):
        if not np.isclose(score, searched, rtol=0, atol=TOLERANCE, equal_nan=True):
            raise ScoreMismatch(
                f"{id}: {region} {metric} is {score} on the image, {searched} in the search"
            )
