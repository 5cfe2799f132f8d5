"""Finished cases of a run, kept until all are done: an interrupted run goes on where it stopped."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.evaluation.matching import CasePair
from lab.evaluation.results import Facts, Problem, facts_from, facts_row, scores_from, to_json
from lab.metrics.scorer import CaseScores, Scorer, without_scores


@dataclass(frozen=True)
class CaseResult:
    """What scoring one case gave; no scores where the platform leaves the case out."""

    pair: CasePair
    scores: CaseScores | None
    facts: Facts | None
    problems: tuple[Problem, ...]


class Journal:
    """One line of JSON a finished case, in a hidden file beside the result file."""

    def __init__(self, out: Path, scorer: Scorer) -> None:
        self.path = out.with_name(f".{out.name}.journal")
        self.scorer = scorer
        # Rows of an older version, which reported less, do not go on.
        self.reported = [
            {region: sorted(row) for region, row in without_scores(scorer.of(cohort)).items()}
            for cohort in scorer.by_cohort or ("",)
        ]

    def read(self, pairs: Sequence[CasePair]) -> dict[str, CaseResult]:
        """Return the finished cases, by id, whose files and scorer are still the same.

        A case that could not be scored is none of them: what hid its file may be gone.
        """
        if not self.path.is_file():
            return {}
        by_key = {self._key(pair): pair for pair in pairs}
        done = {}
        for line in self.path.read_bytes().splitlines():
            try:
                row = json.loads(line)
                if (pair := by_key.get(row["key"])) is None:
                    continue
                case = CaseResult(
                    pair,
                    row["scores"] and scores_from(row["scores"]),
                    row["facts"] and facts_from(row["facts"]),
                    tuple(Problem(**problem) for problem in row["problems"]),
                )
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue  # the first, empty one, or one at which a run was stopped
            if all(problem.scored for problem in case.problems):
                done[case.pair.id] = case
        return done

    def append(self, case: CaseResult) -> None:
        """Keep a finished case."""
        row = {
            "key": self._key(case.pair),
            "scores": case.scores,
            "facts": case.facts and facts_row(case.facts),
            "problems": [vars(problem) for problem in case.problems],
        }
        with self.path.open("a", encoding="utf-8") as file:
            # The line before may have been cut short.
            file.write("\n" + to_json(row, indent=None))

    def remove(self) -> None:
        """Forget everything: all cases are in the result file."""
        self.path.unlink(missing_ok=True)

    def _key(self, pair: CasePair) -> str:
        """Identify a case by its files as they are now and by how they are scored."""
        paths = (pair.prediction, pair.reference, pair.probability)
        files = [path for path in paths if path is not None]
        scorer = (self.scorer.name, self.scorer.scheme, self.scorer.absent, self.reported)
        content = [pair.id, pair.cohort, scorer, [_stamp(path) for path in files]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _stamp(path: Path) -> tuple[str, int, int]:
    """Return what changes when a file does; a link that leads nowhere has its own."""
    try:
        stat = path.stat()
    except OSError:
        stat = path.lstat()
    return str(path), stat.st_size, stat.st_mtime_ns
