"""What `postprocess.json` holds: its keys, its records, and how they are written."""

import importlib.metadata
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from challenge.scheme import Scheme

from .clusters import ClusterModel
from .component_gates import ComponentGate
from .declared_answers import AS_PREDICTED, IDENTITY, default_empty_answer
from .feature_names import needs_votes
from .features import DEFAULT_SETTINGS, EXTRACTOR, settings_hash
from .gate_files import gate_rows
from .rule_base import Rule
from .rule_kinds import row_from

# Raise it when a program that knows the old number only would misread the new files.
SCHEMA = 6
KEYS: Mapping[str, type] = {
    "schema": int,
    "scheme": str,
    "labels": dict,
    "feature_names": list,
    "extractor": dict,
    "clusters": list,
    "fallback": dict,
    "no_credible_component": str,
    "known_answers": list,
    "clusters_sha256": str,
    "gates": list,
    "gates_sha256": str,  # "" without gates
    "fit": dict,
}
# `fit` may hold more keys, not less.
FIT_KEYS: Mapping[str, type] = {
    "date": str,
    "library_versions": dict,
    "training_cases": int,
    "ships": str,
}
# What a search measured: all of these, or, of rules that no search chose, none.
SCORE_KEYS: Mapping[str, type] = {
    "case_list_sha256": str,
    "config": str,
    "scorer": str,
    "objective": str,
    "score_without_rules": float,
    "score_with_rules": float,
    "gain_interval": list,
}
TRAINING_CASES = "training_case_sha256"  # of `fit`; see `training_cases`


@dataclass(frozen=True)
class Cluster:
    """What was learned for the cases of one cluster."""

    training_cases: int  # 0 where no cluster was fitted: the rules are those of every case
    max_distance: float  # farther from the centre than this, the fallback takes over; may be inf
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Fallback:
    """What a case that belongs to no cluster gets, one of `FAR_ANSWERS`; "pooled" has rules."""

    name: str
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class KnownAnswer:
    """A feature vector (n,) and where it must fall."""

    features: np.ndarray
    cluster: int
    distance: float


@dataclass(frozen=True)
class Artefacts:
    """Everything `refine` needs to know. Without a model there are no rules: the identity."""

    scheme: Scheme
    model: ClusterModel | None = None
    clusters: tuple[Cluster, ...] = ()
    feature_names: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=lambda: DEFAULT_SETTINGS)
    fallback: Fallback = Fallback(IDENTITY)
    no_credible_component: str = ""  # one of `EMPTY_ANSWERS`; "": see `empty_answer`
    known_answers: tuple[KnownAnswer, ...] = ()
    fit: Mapping[str, Any] = field(default_factory=dict)  # where the numbers come from
    gates: tuple[ComponentGate, ...] = ()  # before the rules, in this order

    @property
    def has_rules(self) -> bool:
        """Return whether any case could get a rule."""
        return bool(self.fallback.rules) or any(cluster.rules for cluster in self.clusters)

    @property
    def has_one_rule_set(self) -> bool:
        """Return whether every case gets the same rules, whatever its cluster."""
        if self.fallback.name == AS_PREDICTED and (self.gates or self.has_rules):
            return False
        return all(cluster.rules == self.fallback.rules for cluster in self.clusters)

    @property
    def empty_answer(self) -> str:
        """Return what a case gets of whose tumour gates and rules leave nothing."""
        return self.no_credible_component or default_empty_answer(self.scheme)

    @property
    def has_held_out_gain(self) -> bool:
        """Return whether a search measured what the rules gain."""
        return not SCORE_KEYS.keys().isdisjoint(self.fit)

    @property
    def origin(self) -> str:
        """Say where the rules come from: fitted by a search, or imported without any judgement."""
        how = "fitted {date}" if self.has_held_out_gain else "imported {date}, not judged"
        return how.format(date=self.fit["date"])

    @property
    def needs_votes(self) -> bool:
        """Return whether a case's cluster, a gate, or a rule, depends on the votes of members."""
        if not self.has_one_rule_set and needs_votes(self.feature_names):
            return True
        if any(gate.needs_votes(self.scheme) for gate in self.gates):
            return True
        rule_sets = (self.fallback.rules, *(cluster.rules for cluster in self.clusters))
        return any("votes" in rule.required_inputs() for rules in rule_sets for rule in rules)


def write_document(artefacts: Artefacts, clusters_sha256: str, gates_sha256: str) -> bytes:
    """Turn artefacts into the bytes that `read_document` reads; the same ones every time."""
    document = {
        "schema": SCHEMA,
        "scheme": artefacts.scheme.name,
        "labels": dict(artefacts.scheme.labels),
        "fit": dict(artefacts.fit),
        "extractor": {
            "name": EXTRACTOR,
            "version": importlib.metadata.version(EXTRACTOR),
            "settings": dict(artefacts.settings),
            "settings_sha256": settings_hash(artefacts.settings),
        },
        "fallback": {
            "name": artefacts.fallback.name,
            "rules": [row_from(rule) for rule in artefacts.fallback.rules],
        },
        "no_credible_component": artefacts.empty_answer,
        "clusters": [
            {
                "training_cases": cluster.training_cases,
                "max_distance": None if cluster.max_distance == math.inf else cluster.max_distance,
                "rules": [row_from(rule) for rule in cluster.rules],
            }
            for cluster in artefacts.clusters
        ],
        "clusters_sha256": clusters_sha256,
        "feature_names": list(artefacts.feature_names),
        "known_answers": [
            {
                "cluster": answer.cluster,
                "distance": answer.distance,
                "features": answer.features.tolist(),
            }
            for answer in artefacts.known_answers
        ],
        "gates": gate_rows(artefacts.gates),
        "gates_sha256": gates_sha256,
    }
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()
