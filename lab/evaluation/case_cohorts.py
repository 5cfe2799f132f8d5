"""Which cohort each case of a mixed challenge came from, for scorers that ask for it.

BraTS-GoAT renamed its cases; its organisers keep a table with the columns NewID (BraTS-GoAT-00001)
and Cohort (GLI, MEN, MET, PED or SSA), which `--cohorts` reads. Without a row a case's own name
decides, where it is still that of its cohort (BraTS-SSA-00001-000).
"""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from challenge.challenges import scheme_of_id
from challenge.headers import last_line
from challenge.refusal import Refusal
from lab.evaluation.matching import CasePair, numeric_id
from lab.evaluation.results import Problem
from lab.metrics.scorer import Scorer

ID, COHORT = "NewID", "Cohort"
DELIMITERS = ",;\t"


class CohortError(Refusal):
    """A case's cohort is not known; the message names the case or the table."""


def read_cohorts(path: Path) -> dict[str, str]:
    """Return case id -> cohort of a table with the columns NewID and Cohort.

    Raises:
        CohortError: the file cannot be read, lacks a column, or gives a case two cohorts.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        rows = next(
            (rows for mark in DELIMITERS if {ID, COHORT} <= set((rows := _rows(lines, mark))[0])),
            None,
        )
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise CohortError(f"{path}: no table of cohorts ({last_line(error)})") from error
    if rows is None:
        raise CohortError(f"{path}: no columns {ID} and {COHORT} in its first line")
    at = rows[0].index(ID), rows[0].index(COHORT)
    cohorts: dict[str, str] = {}
    for row in rows[1:]:
        if len(row) <= max(at):
            continue  # an empty line
        id, cohort = row[at[0]], row[at[1]].upper().removeprefix("BRATS-")
        if cohorts.setdefault(id, cohort) != cohort:
            raise CohortError(f"{path}: {id} is of {cohorts[id]} and of {cohort}")
    return cohorts


def with_cohorts(
    pairs: Sequence[CasePair], scorer: Scorer, table: Mapping[str, str]
) -> tuple[list[CasePair], list[Problem]]:
    """Say of each case which cohort it is of, where the scorer asks; and what is odd about one.

    A case whose cohort is not known keeps none, and cannot be scored.

    Raises:
        CohortError: no case's cohort is known, or the table names one that the scorer has not.
    """
    if not scorer.by_cohort:
        return list(pairs), []
    known = cohorts_of([pair.id for pair in pairs], scorer, table)
    if pairs and not known:
        raise CohortError(f"{pairs[0].reference}: {unknown_cohort(scorer)}")
    counts = Counter(known.values())
    problems = [
        Problem(None, "cohort", f"{counts[cohort]} cases of {cohort}: {note}", scored=True)
        for cohort, note in scorer.cohort_notes.items()
        if counts[cohort]
    ]
    return [replace(pair, cohort=known.get(pair.id, "")) for pair in pairs], problems


def unknown_cohort(scorer: Scorer) -> str:
    """Say what a scorer would have to be told of a case."""
    return (
        f"{scorer.name} scores each case as its cohort's ({', '.join(scorer.by_cohort)}), which "
        f"its name does not tell; --cohorts FILE.csv with the columns {ID} and {COHORT} does"
    )


def cohorts_of(ids: Iterable[str], scorer: Scorer, table: Mapping[str, str]) -> dict[str, str]:
    """Return the cohort of each case: by the table's row of its id or number, else by its name.

    Cases that neither tells are left out.

    Raises:
        CohortError: the cohort is not one of the scorer's.
    """
    by_number = _by_number(table)
    cohorts = {id: table.get(id) or by_number.get(numeric_id(id) or "") or _named(id) for id in ids}
    for id, cohort in cohorts.items():
        if cohort is not None and cohort not in scorer.by_cohort:
            names = ", ".join(scorer.by_cohort)
            raise CohortError(f"{id}: cohort {cohort}, but {scorer.name} knows {names}")
    return {id: cohort for id, cohort in cohorts.items() if cohort is not None}


def _rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]


def _by_number(table: Mapping[str, str]) -> dict[str, str]:
    """Return cohorts by the digits at the end of ids, where only one id ends so."""
    numbers = Counter(numeric_id(id) for id in table)
    return {
        number: cohort
        for id, cohort in table.items()
        if (number := numeric_id(id)) is not None and numbers[number] == 1
    }


def _named(id: str) -> str | None:
    """Return the cohort that a name of BraTS speaks of; GoAT itself is none."""
    scheme = scheme_of_id(id)
    task = scheme.case_prefix.removeprefix("BraTS-").upper() if scheme else "GOAT"
    return None if task == "GOAT" else task
