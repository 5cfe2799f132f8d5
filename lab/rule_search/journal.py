"""What an unfinished search has computed, in WORK/.search.journal: an interrupted one goes on.

One line of JSON for every case whose variants were scored and for every group of cases whose rules
were chosen, written when it is known. Reading the cases is not in it.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from challenge.provenance import (
    Provenance,
    ProvenanceError,
    differences,
    from_json,
    program_version,
)
from challenge.refusal import Refusal
from lab.evaluation.results import to_json
from lab.rule_search.search_space import Setting

NAME = ".search.journal"

Rows = Mapping[bytes, np.ndarray]  # variant -> its scores (column,)


class Journal:
    """The journal of one work folder."""

    def __init__(self, work: Path, record: Provenance) -> None:
        """Open the journal of an interrupted search with the same inputs, or start a new one.

        Args:
            work: the work folder.
            record: of the search that runs now; its options and inputs are compared.

        Raises:
            Refusal: the interrupted search had other inputs; the message says which.
        """
        self.path = work / NAME
        self.scores: list[tuple[str, Rows]] = []  # of an earlier run, by case id, as they came
        self.choices: dict[str, Setting] = {}  # of an earlier run, by what was asked for
        lines = self.path.read_bytes().splitlines() if self.path.is_file() else []
        if lines:
            self._check(lines[0], record)
            for line in lines[1:]:
                self._read(line)
        else:
            self.path.write_text(json.dumps(record.to_json()), encoding="utf-8")

    @property
    def variants(self) -> int:
        """Return how many variants an earlier run scored."""
        return sum(len(rows) for _, rows in self.scores)

    def add_scores(self, id: str, rows: Rows) -> None:
        """Write the scores of new variants of a case."""
        variants = {variant.hex(): row.tolist() for variant, row in rows.items()}
        self._append({"case": id, "variants": variants})

    def add_choice(self, key: str, setting: Setting) -> None:
        """Write the rules that were chosen for a group of cases."""
        self._append({"choice": key, "setting": list(setting)})

    def remove(self) -> None:
        """Forget everything: the search is done."""
        self.path.unlink(missing_ok=True)

    def _check(self, line: bytes, now: Provenance) -> None:
        try:
            before = from_json(json.loads(line), self.path)
        except (ValueError, RecursionError, ProvenanceError) as error:
            raise Refusal(
                f"{self.path}: cannot be gone on from ({error}); remove it to start anew"
            ) from error
        lines = differences(before, now)
        if before.version != now.version:
            lines.append(f"program {before.version}, now {now.version}")
        if lines:
            raise Refusal(
                f"{self.path}: of an interrupted search with something else ({'; '.join(lines)}); "
                "search with the same to go on, or remove this file to start anew"
            )

    def _read(self, line: bytes) -> None:
        """Take a line over; one at which a run was stopped is cut short, and nothing is lost."""
        try:
            content = json.loads(line)
            if "choice" in content:
                self.choices[content["choice"]] = tuple(map(int, content["setting"]))
            else:
                rows = {bytes.fromhex(v): _row(row) for v, row in content["variants"].items()}
                self.scores.append((content["case"], rows))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return

    def _append(self, content: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            # The line before may have been cut short.
            file.write("\n" + to_json(content, indent=None))


def open_journal(work: Path, options: Mapping[str, Any], features: Provenance) -> Journal:
    """Open what an interrupted search with the same inputs computed, and say how much that is.

    Raises:
        Refusal: the interrupted search had other inputs; the message says which.
    """
    inputs = {"features": features, **features.inputs}
    record = Provenance(
        "search", work.name, "", "search", program_version(), options, inputs=inputs
    )
    journal = Journal(work, record)
    if journal.variants or journal.choices:
        print(
            f"going on from an interrupted search: {journal.variants} variants scored, rules of "
            f"{len(journal.choices)} groups of cases chosen"
        )
    return journal


def _row(values: Sequence[float | None]) -> np.ndarray:
    return np.array([math.nan if value is None else value for value in values], float)
