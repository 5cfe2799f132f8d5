"""What scored label maps were made from, and whether their scores say anything of new cases.

Rules that refine the very cases that they were fitted on gain more there than anywhere else, so a
comparison of such maps with others shows nothing.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from challenge.provenance import (
    IN_SAMPLE,
    Provenance,
    folder_record,
    hash_files,
    program_version,
    read_provenance,
)
from lab.evaluation.matching import CasePair
from lab.evaluation.results import UNWRITTEN, Results
from lab.metrics.scorer import Scorer

# Inputs of scores.
PREDICTIONS, REFERENCES, PROBABILITIES = "predictions", "references", "probabilities"
HOLD_ALL_LABELS = ("out-of-fold", "search")  # verbs whose label maps no platform gets


def scores_record(
    folders: Mapping[str, Path], pairs: Sequence[CasePair], scorer: Scorer, name: str
) -> Provenance:
    """Return the record of the scores of folders: `PREDICTIONS`, `REFERENCES`, `PROBABILITIES`.

    Raises:
        ProvenanceError: a folder's record cannot be read, or its files were changed since.
    """
    files = {
        PREDICTIONS: [pair.prediction for pair in pairs if pair.prediction is not None],
        REFERENCES: [pair.reference for pair in pairs],
        PROBABILITIES: [pair.probability for pair in pairs if pair.probability is not None],
    }
    return Provenance(
        product="scores",
        name=name,
        sha256="",  # set when they are written
        verb="evaluate",
        version=program_version(),
        options={"scorer": scorer.name},
        facts={"cases": len(pairs)},
        inputs={role: _record(folder, files[role], role) for role, folder in folders.items()},
    )


def _record(folder: Path, files: Sequence[Path], role: str) -> Provenance:
    product = "probability maps" if role == PROBABILITIES else "label maps"
    if read_provenance(folder):
        return folder_record(folder, product, files)
    facts = {"files": len(files)}
    try:  # scoring says which file cannot be read; a pipe would be waited for
        sha256 = hash_files(path for path in files if path.is_file())
    except OSError:
        sha256 = ""
    return Provenance(product, folder.resolve().name, sha256, facts=facts)


def in_sample(results: Results) -> str:
    """Say that label maps were made with what was fitted on their cases; "" where nothing says so.

    Also where only some of the cases were fitted on, since the scores of the others are not apart.
    """
    record = results.provenance
    predictions = record.inputs.get(PREDICTIONS) if record else None
    if predictions is None or predictions.held_out != IN_SAMPLE:
        return ""
    training, cases = (predictions.facts.get(key) for key in ("training_cases", "cases"))
    if training:
        return f"refined by rules that were fitted on {training} of its {cases} cases"
    return "made with what was fitted on its cases"


def in_sample_sentences(systems: Mapping[str, str]) -> list[str]:
    """Say of each system that is scored where it was fitted that its scores are no evidence.

    Args:
        systems: name -> how, in the words of `in_sample`.
    """
    return [
        f"{name} is {words}. It looks better here than on any other case."
        for name, words in systems.items()
    ]


def without_expected(results: Results, predictions: Path) -> Results:
    """Leave out the problem that label maps on the way to a submission hold unwritten labels.

    Rules read these labels, and the container writes the others alone; the count is printed.
    """
    record = results.provenance and results.provenance.inputs.get(PREDICTIONS)
    if record is None or record.verb not in HOLD_ALL_LABELS:
        return results
    others = tuple(p for p in results.problems if p.kind != UNWRITTEN)
    if count := len(results.problems) - len(others):
        reason = f"as `{record.command}` leaves them"
        what = f"labels that {results.scheme} does not write, {reason}"
        print(f"{predictions}: {count} maps hold {what}; they are not scored", file=sys.stderr)
    return replace(results, problems=others)
