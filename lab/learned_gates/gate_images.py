"""Gates and rules on images: each case's held-out labels, and the same scores as on components."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import joblib
import numpy as np

from challenge.provenance import (
    HELD_OUT_FACT,
    Provenance,
    content_sha256,
    program_version,
    write_provenance,
)
from lab.data.cohort import CohortCase
from lab.learned_gates.gate_cases import GateCase
from lab.learned_gates.held_out import HeldOutGates
from lab.metrics.pair import Pair
from lab.metrics.scorer import Scorer
from lab.progress import progress
from lab.rule_search.declared_answer import DeclaredAnswer
from lab.rule_search.features import read_inputs
from lab.rule_search.image_scores import TOLERANCE, ScoreMismatch, start_folder, write_case
from lab.rule_search.workspace import Setup
from lab.rule_search.written_scorer import Scores, score_as_written
from postprocess.apply_rules import apply_rules
from postprocess.component_gates import ComponentGate, apply_gates
from postprocess.empty_prediction import Evidence, restore_tumour
from postprocess.refine_input import RefineInput, probability_function
from postprocess.rule_base import EnsembleMaps, Rule

HELD_OUT_FOLDER = "held_out_gates"  # of a work folder


@dataclass(frozen=True)
class Target:
    """Where labels are written, and by what they are scored."""

    setup: Setup
    scorer: Scorer
    folder: Path


@dataclass(frozen=True)
class GateImages:
    """The images of a cohort's cases, and the same cases as label components."""

    cases: Sequence[CohortCase]
    gate_cases: Sequence[GateCase]
    setup: Setup
    scorer: Scorer

    def write(
        self,
        folder: Path,
        held_out: HeldOutGates,
        rules: Sequence[Sequence[Rule]],
        gate: Provenance,
    ) -> None:
        """Write each case's labels by gates and rules learned without it, and check the scores.

        Args:
            folder: made where it is missing; label maps of before are removed.
            held_out: with the gates that each case got.
            rules: of each case.
            gate: the record of what was learned.

        Raises:
            ScoreMismatch: an image's score is not that of its components.
            CaseError: a file cannot be read or written.
        """
        predictions = gate.inputs["search"].inputs["features"].inputs["predictions"]
        facts = {"cases": len(self.cases), "training_cases": 0}
        record = Provenance(
            product="label maps",
            name=folder.name,
            sha256="",  # set when all are written
            verb="gate",
            version=program_version(),
            facts=facts | {HELD_OUT_FACT: predictions.held_out},
            inputs={"predictions": predictions, "gate": gate},
        )
        start_folder(folder, record)
        target = Target(self.setup, self.scorer, folder)
        run = joblib.Parallel(n_jobs=None, return_as="generator")
        results = run(
            joblib.delayed(refine_on_image)(case, gates, of_case, target, held_out.answers[1])
            for case, gates, of_case in zip(self.cases, held_out.gates, rules, strict=True)
        )
        scores = progress(results, len(self.cases), description=f"writing {folder.name}")
        for case, on_components, of_image in zip(
            self.gate_cases, held_out.after, scores, strict=True
        ):
            on_image = case.reduce(of_image)
            if not np.isclose(on_image, on_components, rtol=0, atol=TOLERANCE):
                id = case.search_case.id
                raise ScoreMismatch(f"{id}: {on_image} on the image, {on_components} before")
        write_provenance(folder, replace(record, sha256=content_sha256(folder)))


def refine_on_image(
    case: CohortCase,
    gates: Sequence[ComponentGate],
    rules: Sequence[Rule],
    target: Target,
    answer: DeclaredAnswer,
) -> Scores:
    """Refine one case as the container does, write its labels, and score them."""
    setup = target.setup
    refine_input = read_inputs(case, setup)
    labels = gated_and_ruled(refine_input, gates, rules, answer)
    write_case(case, labels, setup, target.folder)
    reference = case.read_reference().array
    pair = Pair(labels, reference, refine_input.case.spacing_mm)
    return score_as_written(pair, setup.scheme, target.scorer)


def gated_and_ruled(
    refine_input: RefineInput,
    gates: Sequence[ComponentGate],
    rules: Sequence[Rule],
    answer: DeclaredAnswer,
) -> np.ndarray:
    """Return labels (z, y, x) after gates, rules, and the answer where nothing is left."""
    scheme, spacing_mm = refine_input.scheme, refine_input.case.spacing_mm
    gated = apply_gates(refine_input, gates).labels
    probability = probability_function(refine_input)
    maps = EnsembleMaps(probability, refine_input.votes, refine_input.labels)
    ruled = apply_rules(gated, rules, scheme, spacing_mm, maps).labels
    if answer.is_as_predicted and not scheme.mask(ruled, scheme.tumour).any():
        return refine_input.labels
    evidence = Evidence(refine_input.labels, None, spacing_mm)
    return restore_tumour(ruled, evidence, scheme)[0]
