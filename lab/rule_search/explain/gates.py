"""The gates' part of the page: what they look at, rest on and gain, and what they removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from challenge.case import CaseError
from challenge.scheme import Scheme
from challenge.volume import read_volume
from lab.data.cohort import read_cohort
from lab.rule_search.explain.thumbnails import picture_of
from lab.rule_search.gate_text import (
    evidence_lines,
    example_line,
    gate_lines,
    gate_sentence,
    weighing,
)
from lab.rule_search.workspace import GATES, Setup, read_work
from postprocess.components import as_one, find_components

NO_RESULT = "gates were not evaluated: `python -m lab gate` does it"


@dataclass(frozen=True)
class GateSection:
    """What is known of learned gates, in sentences, rows and pictures."""

    sentence: str  # whether they ship, and why
    ship: bool = False
    evidence: Sequence[str] = ()  # sentences
    rows: Sequence[Mapping[str, Any]] = ()  # of each gate
    sentences: Sequence[str] = ()  # the same
    examples: Sequence[str] = ()
    thumbnails: Sequence[Mapping[str, Any]] = ()  # of the examples

    def text_lines(self) -> list[str]:
        """Return all of it but the pictures, for the terminal."""
        examples = [f"example: {example}" for example in self.examples]
        return [self.sentence, *self.evidence, *self.sentences, *examples]


def gate_section(work: Path, setup: Setup) -> GateSection:
    """Collect what `lab gate` wrote since the search, and draw what gates removed."""
    if not (work / GATES).is_file():
        return GateSection(NO_RESULT)
    gates = read_work(work, GATES)
    return GateSection(
        gate_sentence(gates),
        bool(gates["ships"]),
        evidence_lines(gates),
        [{**row, "weighing": weighing(row)} for row in gates["gates"]],
        gate_lines(gates),
        [example_line(example) for example in gates["examples"]],
        removed_thumbnails(setup, gates["examples"]),
    )


def removed_thumbnails(setup: Setup, examples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return pictures of components that were removed, or why there is none."""
    try:
        cases = {case.files.id: case for case in read_cohort(Path(setup.cohort), setup.scheme)}
    except (OSError, ValueError) as error:
        return [{"missing": f"{example_line(e)}; no picture: {error}"} for e in examples]
    pictures = []
    for example in examples:
        try:
            case = cases[example["case"]]
            volume = read_volume(setup.prediction_of(case), np.uint8)
        except (CaseError, KeyError) as error:
            pictures.append({"missing": f"{example_line(example)}; no picture: {error}"})
            continue
        mask = component_mask(volume.array, example, setup.scheme)
        removed = replace(volume, array=np.where(mask, volume.array, 0).astype(np.uint8))
        picture = picture_of(case, removed, mask, setup.scheme)
        pictures.append({**picture, "id": example_line(example)})
    return pictures


def component_mask(labels: np.ndarray, example: Mapping[str, Any], scheme: Scheme) -> np.ndarray:
    """Return the bool mask (z, y, x) of the component that an example names."""
    inside = np.isin(labels, [scheme.labels[name] for name in example["labels"]])
    components = as_one(inside) if example["per"] == "case" else find_components(inside)
    return np.asarray(components.ids == example["component"])
