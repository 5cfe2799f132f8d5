"""Read `postprocess.json`; every key and value is checked.

Errors are plain ValueErrors that name the key and the value; `artefacts` adds the file.
"""

import importlib.metadata
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from challenge.scheme import Scheme

from .artefact_schema import (
    FIT_KEYS,
    KEYS,
    SCHEMA,
    SCORE_KEYS,
    TRAINING_CASES,
    Artefacts,
    Cluster,
    Fallback,
    KnownAnswer,
)
from .declared_answers import AS_PREDICTED, FAR_ANSWERS, POOLED, check_empty_answer
from .feature_names import GROUPS, group_names
from .features import EXTRACTOR, KNOWN_SETTINGS, settings_hash
from .former_schema import OLDEST_SCHEMA, upgrade
from .json_value import value_of
from .rule_base import Rule
from .rule_kinds import rule_from


@dataclass(frozen=True)
class Document:
    """What `postprocess.json` holds, and what belongs to it in other files."""

    artefacts: Artefacts  # without `model` and `gates`
    clusters_sha256: str
    gates: list[Any]  # rows that lack their arrays
    gates_sha256: str  # "" without gates


def read_document(content: bytes, scheme: Scheme) -> Document:
    """Turn the bytes of `postprocess.json` into artefacts that still lack their arrays.

    Raises:
        ValueError: a key is missing, unknown or mistyped, or a value is not what it must be.
    """
    document = _checked_keys(upgrade(json.loads(content), scheme))
    if document["scheme"] != scheme.name:
        raise ValueError(f"scheme {document['scheme']!r}, not {scheme.name!r}")
    if document["labels"] != dict(scheme.labels):
        raise ValueError(f"labels {document['labels']}, not {dict(scheme.labels)}")
    artefacts = Artefacts(
        scheme=scheme,
        clusters=tuple(_cluster(row, scheme) for row in document["clusters"]),
        feature_names=_names(document["feature_names"], scheme),
        settings=_settings(document["extractor"]),
        fallback=_fallback(document, scheme),
        no_credible_component=document["no_credible_component"],
        known_answers=tuple(_known_answer(row) for row in document["known_answers"]),
        fit=document["fit"],
    )
    check_empty_answer(artefacts.no_credible_component, scheme)
    gates, gates_sha256 = document["gates"], document["gates_sha256"]
    if bool(gates) != bool(gates_sha256):
        raise ValueError(f"{len(gates)} gates with gates_sha256 {gates_sha256!r}")
    return Document(artefacts, document["clusters_sha256"], gates, gates_sha256)


def _checked_keys(document: Any) -> dict[str, Any]:
    """Check the schema first, since another one may have other keys."""
    schema = value_of(document, "schema", int)
    if schema != SCHEMA:
        known = f"{OLDEST_SCHEMA} to {SCHEMA}"
        if schema > SCHEMA:
            raise ValueError(f"schema {schema} is newer than this program, which reads {known}")
        raise ValueError(f"schema {schema} is not one of {known}; fit the rules again")
    for key, kind in KEYS.items():
        value_of(document, key, kind)
    if unknown := sorted(set(document) - set(KEYS)):
        raise ValueError(f"unknown keys {unknown}")
    _check_fit(document["fit"])
    return document


def _check_fit(fit: dict[str, Any]) -> None:
    """Check where the numbers come from; imported rules have none of a search's scores."""
    has_held_out_gain = not SCORE_KEYS.keys().isdisjoint(fit)
    for key, kind in {**FIT_KEYS, **(SCORE_KEYS if has_held_out_gain else {})}.items():
        value_of(fit, key, kind)
    interval = fit.get("gain_interval", [])
    if len(interval) not in (0, 2) or not all(isinstance(end, int | float) for end in interval):
        raise ValueError(f"gain_interval: {interval} is neither empty nor two numbers")
    hashes = fit.get(TRAINING_CASES, [])
    if not isinstance(hashes, list) or not all(isinstance(each, str) for each in hashes):
        raise ValueError(f"{TRAINING_CASES}: not a list of hashes")


def _names(names: list[Any], scheme: Scheme) -> tuple[str, ...]:
    known = {name for group in GROUPS for name in group_names(scheme, group)}
    if unknown := [name for name in names if not isinstance(name, str) or name not in known]:
        raise ValueError(f"unknown feature {unknown[0]!r}")
    if len(set(names)) != len(names):
        raise ValueError("a feature is named twice")
    return tuple(names)


def _settings(row: dict[str, Any]) -> dict[str, Any]:
    """Check that the extractor that is installed is the one that the files were fitted with."""
    settings = value_of(row, "settings", dict)
    if value_of(row, "settings_sha256", str) != settings_hash(settings):
        raise ValueError(f"extractor settings {settings} do not have the hash in settings_sha256")
    if unknown := sorted(set(settings) - KNOWN_SETTINGS):
        raise ValueError(f"unknown extractor settings {unknown}")
    name, version = value_of(row, "name", str), value_of(row, "version", str)
    installed = importlib.metadata.version(EXTRACTOR)
    if (name, version) != (EXTRACTOR, installed):
        raise ValueError(f"extractor {name} {version}, but {EXTRACTOR} {installed} is installed")
    return settings


def _cluster(row: dict[str, Any], scheme: Scheme) -> Cluster:
    cases = value_of(row, "training_cases", int)
    unlimited = "max_distance" in row and row["max_distance"] is None
    distance = math.inf if unlimited else value_of(row, "max_distance", float)
    if cases < 0 or distance < 0:
        raise ValueError(f"a cluster of {cases} training cases within {distance}")
    return Cluster(cases, distance, _rules(row, scheme))


def _rules(row: dict[str, Any], scheme: Scheme) -> tuple[Rule, ...]:
    return tuple(rule_from(rule, scheme) for rule in value_of(row, "rules", list))


def _fallback(document: dict[str, Any], scheme: Scheme) -> Fallback:
    row = document["fallback"]
    fallback = Fallback(value_of(row, "name", str), _rules(row, scheme))
    if fallback.name not in FAR_ANSWERS:
        raise ValueError(f"fallback {fallback.name!r} is not one of {list(FAR_ANSWERS)}")
    if fallback.name != POOLED and fallback.rules:
        raise ValueError(f"fallback {fallback.name!r} cannot have rules")
    if fallback.name == AS_PREDICTED and not document["feature_names"]:
        raise ValueError(f"fallback {fallback.name!r}: without features no case is far from others")
    return fallback


def _known_answer(row: dict[str, Any]) -> KnownAnswer:
    features = value_of(row, "features", list)
    if wrong := [x for x in features if not isinstance(x, int | float) or not math.isfinite(x)]:
        raise ValueError(f"known answer: {wrong[0]!r} is not a finite number")
    vector = np.array(features, np.float64)
    return KnownAnswer(vector, value_of(row, "cluster", int), value_of(row, "distance", float))
