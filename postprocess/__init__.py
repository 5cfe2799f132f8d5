"""From probabilities to labels, with frozen rules chosen by radiomic features. CPU only.

probabilities (channel, z, y, x)
    -> labels (z, y, x)            the head's own arg-max or thresholds   challenge.scheme
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
from challenge.scheme import Head, Scheme, labels_from, probability_of, volumes_mm3

from .artefacts import Artefacts
from .emptiness import Evidence, restore_tumour
from .features import FeatureError
from .observed import Observed, observed_features
from .rules import Rule, apply_rules

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


def refine(case: Case, probabilities: np.ndarray, head: Head, artefacts: Artefacts) -> Refined:
    """Turn probabilities (channel, z, y, x) into final labels.

    Args:
        case: the images that the features describe, on the grid of the probabilities.
        probabilities: of the ensemble, float.
        head: what their channels mean.
        artefacts: the frozen rules of the model; see `load_artefacts`.
    """
    scheme = artefacts.scheme
    before = labels_from(probabilities, head, scheme)
    choice = choose_rules(case, before, artefacts)
    probability = partial(probability_of, probabilities, head)
    ruled = apply_rules(before, choice.rules, scheme, case.voxel_volume_mm3, probability)
    for rule in ruled.fired:
        if "skipped" in rule:
            log.warning("%s: rule not applied: %s", case.id, rule)
    after, step = _restored(case, before, ruled.labels, probabilities, head, scheme)
    record = {
        **choice.record,
        "rules": ruled.fired,
        "when_empty": step,
        "volumes_mm3": {
            "before": volumes_mm3(before, scheme, case.voxel_volume_mm3),
            "after": volumes_mm3(after, scheme, case.voxel_volume_mm3),
        },
    }
    return Refined(after, record)


def choose_rules(case: Case, labels: np.ndarray, artefacts: Artefacts) -> Choice:
    """Find the cluster of a case from its labels (z, y, x), or fall back as the artefact says."""
    record: dict[str, Any] = {"cluster": None, "distance": None, "fallback": None}
    if artefacts.model is None:
        return Choice((), {**record, "artefact": "none: labels stay as the ensemble gave them"})
    record["artefact"] = f"{artefacts.scheme.name}, fitted {artefacts.fit['date']}"
    observed = Observed(case, labels, artefacts.scheme)
    try:
        features = observed_features(observed, artefacts.feature_names, artefacts.settings)
    except FeatureError as error:
        return _fallback(case, artefacts, record, str(error))
    index, distance = artefacts.model.assign(features)
    record |= {"cluster": index, "distance": distance}
    cluster = artefacts.clusters[index]
    if distance > cluster.max_distance:
        far = f"{distance:.3g} from the centre of cluster {index}, over {cluster.max_distance:.3g}"
        return _fallback(case, artefacts, record, far)
    return Choice(cluster.rules, record)


def _fallback(case: Case, artefacts: Artefacts, record: dict[str, Any], reason: str) -> Choice:
    name = artefacts.fallback.name
    log.warning("%s: %s; post-processing falls back to %s", case.id, reason, name)
    return Choice(
        artefacts.fallback.rules, {**record, "fallback": {"name": name, "reason": reason}}
    )


def _restored(
    case: Case,
    before: np.ndarray,
    after: np.ndarray,
    probabilities: np.ndarray,
    head: Head,
    scheme: Scheme,
) -> tuple[np.ndarray, str | None]:
    """Apply the scheme's policy on empty answers, and say in the log where it acted."""
    if not scheme.when_empty or scheme.mask(after, scheme.tumour).any():
        return after, None
    probability = probability_of(probabilities, head, scheme.regions[scheme.tumour])
    evidence = Evidence(before, probability, case.spacing_mm)
    labels, step = restore_tumour(after, evidence, scheme)
    log.warning("%s: no %s left; took %s", case.id, scheme.tumour, step)
    return labels, step
