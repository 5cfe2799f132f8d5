"""From probabilities to labels, with frozen rules chosen by radiomic features. CPU only.

probabilities (channel, z, y, x)
    -> labels (z, y, x)            the head's own arg-max or thresholds   challenge.scheme
                                   (any model's label maps enter here)    __main__
    -> features (n,)               of the largest tumour component        features
    -> cluster, distance           the frozen chain, nearest centre       clusters
    -> labels (z, y, x)            that cluster's rules, or the fallback  rules
    -> labels (z, y, x)            never without tumour, where the        emptiness
                                   challenge punishes that
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from challenge.case import Case
from challenge.scheme import Head, labels_from, probability_of, volumes_mm3, voxels_changed

from .apply_rules import Rule, apply_rules
from .artefacts import Artefacts
from .empty_prediction import Evidence, restore_tumour
from .features import FeatureError
from .refine_input import Observed, observed_features
from .rule_base import Probability

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refined:
    """Final labels (z, y, x), uint8, in the scheme's values, and a JSON-able record of why."""

    labels: np.ndarray
    record: dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """Which rules a case gets, and how they were chosen, for the record."""

    rules: Sequence[Rule]
    record: dict[str, Any]


def refine(
    case: Case,
    probabilities: np.ndarray,
    head: Head,
    artefacts: Artefacts,
    votes: np.ndarray | None = None,
) -> Refined:
    """Turn probabilities (channel, z, y, x) into final labels.

    Args:
        case: the images that the features describe, on the grid of the probabilities.
        probabilities: of the ensemble, float.
        head: what their channels mean.
        artefacts: the frozen rules of the model; see `load_artefacts`.
        votes: share of members that see tumour in a voxel (z, y, x), if they were counted.
    """
    labels = labels_from(probabilities, head, artefacts.scheme)
    observed = Observed(case, labels, artefacts.scheme, probabilities, head, votes)
    return refine_observed(observed, artefacts)


def refine_observed(observed: Observed, artefacts: Artefacts) -> Refined:
    """Turn a label map into the final one, with whatever else is known of the case."""
    case, scheme, before = observed.case, observed.scheme, observed.labels
    choice = choose_rules(observed, artefacts)
    probability = _probability(observed)
    ruled = apply_rules(before, choice.rules, scheme, case.voxel_volume_mm3, probability)
    for rule in ruled.fired:
        if "skipped" in rule:
            log.warning("%s: rule not applied: %s", case.id, rule)
    after, step = _restored(observed, ruled.labels)
    record = {
        **choice.record,
        "rules": ruled.fired,
        "when_empty": step,
        "voxels_changed": voxels_changed(before, after, scheme),
        "volumes_mm3": {
            "before": volumes_mm3(before, scheme, case.voxel_volume_mm3),
            "after": volumes_mm3(after, scheme, case.voxel_volume_mm3),
        },
    }
    return Refined(after, record)


def choose_rules(observed: Observed, artefacts: Artefacts) -> Choice:
    """Find the cluster of a case, or fall back as the artefact says."""
    record: dict[str, Any] = {"cluster": None, "distance": None, "fallback": None}
    if artefacts.model is None:
        return Choice((), {**record, "artefact": "none: labels stay as the ensemble gave them"})
    record["artefact"] = f"{artefacts.scheme.name}, fitted {artefacts.fit['date']}"
    if artefacts.has_one_rule_set:  # whatever the features: they would cost a second for nothing
        return Choice(artefacts.fallback.rules, {**record, "one_rule_set": True})
    try:
        features = observed_features(observed, artefacts.feature_names, artefacts.settings)
    except FeatureError as error:
        return _fallback(observed.case, artefacts, record, str(error))
    index, distance = artefacts.model.assign(features)
    record |= {"cluster": index, "distance": distance}
    cluster = artefacts.clusters[index]
    if distance > cluster.max_distance:
        far = f"{distance:.3g} from the centre of cluster {index}, over {cluster.max_distance:.3g}"
        return _fallback(observed.case, artefacts, record, far)
    return Choice(cluster.rules, record)


def _fallback(case: Case, artefacts: Artefacts, record: dict[str, Any], reason: str) -> Choice:
    name = artefacts.fallback.name
    log.warning("%s: %s; post-processing falls back to %s", case.id, reason, name)
    return Choice(
        artefacts.fallback.rules, {**record, "fallback": {"name": name, "reason": reason}}
    )


def _probability(observed: Observed) -> Probability | None:
    """Return what tells the probability of labels, or None where only labels are known."""
    if observed.probabilities is None or observed.head is None:
        return None
    return partial(probability_of, observed.probabilities, observed.head)


def _restored(observed: Observed, after: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Apply the scheme's policy on empty answers, and say in the log where it acted."""
    case, scheme = observed.case, observed.scheme
    if not scheme.when_empty or scheme.mask(after, scheme.tumour).any():
        return after, None
    told = _probability(observed)
    probability = told(scheme.regions[scheme.tumour]) if told else None
    evidence = Evidence(observed.labels, probability, case.spacing_mm)
    labels, step = restore_tumour(after, evidence, scheme)
    if step is None:
        log.warning("%s: no %s left, and no probabilities to find one by", case.id, scheme.tumour)
    else:
        log.warning("%s: no %s left; took %s", case.id, scheme.tumour, step)
    return labels, step
