"""From probabilities to labels, with frozen rules chosen by radiomic features. CPU only.

probabilities (channel, z, y, x)
    -> labels (z, y, x)            the head's own arg-max or thresholds   challenge.scheme
                                   (any model's label maps enter here)    __main__
    -> features (n,)               of the largest tumour component        features
    -> cluster, distance           the frozen chain, nearest centre       clusters
    -> labels (z, y, x)            without components taken for false     component_gates
    -> labels (z, y, x)            that cluster's rules, or the fallback  apply_rules
    -> labels (z, y, x)            where nothing of the tumour is left,   declared_answers,
                                   the answer declared for that           empty_prediction
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from challenge.case import Case
from challenge.scheme import Head, labels_from, volumes_mm3, voxels_changed

from .apply_rules import apply_rules
from .artefacts import Artefacts
from .component_gates import GatesResult, apply_gates, skip_gates
from .declared_answers import AS_PREDICTED, RECOVERED
from .empty_prediction import Evidence, restore_tumour
from .features import FeatureError
from .refine_input import RefineInput, case_features, probability_function
from .rule_base import EnsembleMaps, Rule
from .training_cases import was_fitted_on

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refinement:
    """Final labels (z, y, x), uint8, in the scheme's values, and a JSON-able record of why."""

    labels: np.ndarray
    record: dict[str, Any]


@dataclass(frozen=True)
class RuleChoice:
    """Which rules a case gets, and how they were chosen, for the record."""

    rules: Sequence[Rule]
    record: dict[str, Any]
    is_as_predicted: bool = False  # neither rules nor gates apply


def refine(
    case: Case,
    probabilities: np.ndarray,
    head: Head,
    artefacts: Artefacts,
    votes: np.ndarray | None = None,
) -> Refinement:
    """Turn probabilities (channel, z, y, x) into final labels.

    Args:
        case: the images that the features describe, on the grid of the probabilities.
        probabilities: of the ensemble, float.
        head: what their channels mean.
        artefacts: the frozen rules of the model; see `load_artefacts`.
        votes: share of members that see tumour in a voxel (z, y, x), if they were counted.
    """
    labels = labels_from(probabilities, head, artefacts.scheme)
    refine_input = RefineInput(case, labels, artefacts.scheme, probabilities, head, votes)
    return refine_labels(refine_input, artefacts)


def refine_labels(refine_input: RefineInput, artefacts: Artefacts) -> Refinement:
    """Turn a label map into the final one, with whatever else is known of the case."""
    case, scheme, before = refine_input.case, refine_input.scheme, refine_input.labels
    choice = choose_rules(refine_input, artefacts)
    gated = _gated(refine_input, artefacts, choice)
    maps = EnsembleMaps(probability_function(refine_input), refine_input.votes, before)
    result = apply_rules(gated.labels, choice.rules, scheme, case.spacing_mm, maps)
    for row in result.applied:
        if "skipped" in row:
            log.warning("%s: rule skipped: %s", case.id, row)
    answered, no_component = _answered(refine_input, result.labels, artefacts)
    after, recovered_by = _recovered(refine_input, answered)
    record = {
        **choice.record,
        "fitted_on_case": was_fitted_on(case.id, artefacts),
        "gates": gated.record,
        "rules": result.applied,
        "no_credible_component": no_component,
        "recovered_by": recovered_by,
        "voxels_changed": voxels_changed(before, after, scheme),
        "volumes_mm3": {
            "before": volumes_mm3(before, scheme, case.voxel_volume_mm3),
            "after": volumes_mm3(after, scheme, case.voxel_volume_mm3),
        },
    }
    return Refinement(after, record)


def choose_rules(refine_input: RefineInput, artefacts: Artefacts) -> RuleChoice:
    """Find the cluster of a case, or fall back as the artefact says."""
    record: dict[str, Any] = {"cluster": None, "distance": None, "fallback": None}
    if artefacts.model is None:
        return RuleChoice((), {**record, "artefact": "none: labels are those of the ensemble"})
    record["artefact"] = f"{artefacts.scheme.name}, {artefacts.origin}"
    if "foreign" in artefacts.fit:  # the rules were fitted on another model's predictions
        record["foreign"] = artefacts.fit["foreign"]
    if artefacts.has_one_rule_set:  # whatever the features: they would cost a second for nothing
        return RuleChoice(artefacts.fallback.rules, {**record, "one_rule_set": True})
    try:
        features = case_features(refine_input, artefacts.feature_names, artefacts.settings)
    except FeatureError as error:
        return _fallback(refine_input.case, artefacts, record, str(error))
    index, distance = artefacts.model.assign(features)
    record |= {"cluster": index, "distance": distance}
    cluster = artefacts.clusters[index]
    if distance > cluster.max_distance:
        far = f"{distance:.3g} from the centre of cluster {index}, over {cluster.max_distance:.3g}"
        return _fallback(refine_input.case, artefacts, record, far)
    return RuleChoice(cluster.rules, record)


def _fallback(case: Case, artefacts: Artefacts, record: dict[str, Any], reason: str) -> RuleChoice:
    name = artefacts.fallback.name
    log.warning("%s: %s; post-processing falls back to %s", case.id, reason, name)
    return RuleChoice(
        artefacts.fallback.rules,
        {**record, "fallback": {"name": name, "reason": reason}},
        name == AS_PREDICTED,
    )


def _gated(refine_input: RefineInput, artefacts: Artefacts, choice: RuleChoice) -> GatesResult:
    if choice.is_as_predicted:
        return skip_gates(refine_input, artefacts.gates, "the case stays as predicted")
    return apply_gates(refine_input, artefacts.gates)


def _answered(
    refine_input: RefineInput, after: np.ndarray, artefacts: Artefacts
) -> tuple[np.ndarray, dict[str, str] | None]:
    """Give a case of whose tumour nothing is left the declared answer, log it and record why."""
    case, scheme, before = refine_input.case, refine_input.scheme, refine_input.labels
    if scheme.mask(after, scheme.tumour).any() or not scheme.mask(before, scheme.tumour).any():
        return after, None
    answer, reason = artefacts.empty_answer, f"gates and rules left nothing of {scheme.tumour}"
    if answer != RECOVERED:  # `_recovered` says by which step
        log.warning("%s: %s; the declared answer is %s", case.id, reason, answer)
    return before if answer == AS_PREDICTED else after, {"answer": answer, "reason": reason}


def _recovered(refine_input: RefineInput, after: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Apply the scheme's policy on empty predictions, and log where it changed one."""
    case, scheme = refine_input.case, refine_input.scheme
    if not scheme.when_empty or scheme.mask(after, scheme.tumour).any():
        return after, None
    of_labels = probability_function(refine_input)
    probability = of_labels(scheme.regions[scheme.tumour]) if of_labels else None
    evidence = Evidence(refine_input.labels, probability, case.spacing_mm)
    labels, step = restore_tumour(after, evidence, scheme)
    reason = f"recovered by {step}" if step else "not recovered: no probabilities"
    log.warning("%s: %s empty after rules; %s", case.id, scheme.tumour, reason)
    return labels, step
