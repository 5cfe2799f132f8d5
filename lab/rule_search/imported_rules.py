"""Artefacts of rules that no search chose: a user's list, HOPE's tables or a MIST strategy.

One list of rules is every case's, and needs no features. Several lists, `cluster_0` to
`cluster_<k-1>`, are those of the clusters of a work folder, by their numbers; HOPE's tables name
HOPE's clusters, which are no others'. What the rules gain nobody measured: the artefact holds no
score, and says "imported, not judged" wherever a gain would stand.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from challenge.provenance import KEY, Provenance, hash_files, program_version, sha256_of
from challenge.refusal import Refusal
from challenge.scheme import Scheme
from lab.rule_search.clustering import (
    assign,
    distance_limits,
    fit_space,
    known_answers,
    with_clusters,
)
from lab.rule_search.feature_table import informative, load_table
from lab.rule_search.hope_tables import RulesByCluster
from lab.rule_search.workspace import (
    CLUSTERS,
    FEATURES,
    library_versions,
    read_setup,
    read_work,
)
from postprocess.artefacts import Artefacts, Cluster, Fallback, KnownAnswer
from postprocess.clusters import ClusterModel
from postprocess.features import DEFAULT_SETTINGS

UNVALIDATED = "imported, not judged"


@dataclass(frozen=True)
class FittedClusters:
    """The clusters of a work folder, without rules."""

    model: ClusterModel
    max_distance: np.ndarray  # (cluster,)
    sizes: np.ndarray  # (cluster,) cases
    feature_names: tuple[str, ...]
    settings: Mapping[str, Any]  # of PyRadiomics
    known_answers: tuple[KnownAnswer, ...]
    features: Provenance | None  # record of the features


def imported_artefacts(
    path: Path, rules: RulesByCluster, scheme: Scheme, work: Path | None
) -> Artefacts:
    """Turn rules by cluster into artefacts.

    Args:
        path: the file of the rules, for messages and the record.
        rules: as `import_rules.read_rules` reads them.
        scheme: their challenge.
        work: folder of `lab features` and `lab fit`; not needed for one list.

    Raises:
        Refusal: there is no list, or the lists are not those of the work folder's clusters; the
            message says what is missing.
    """
    if not rules:
        raise Refusal(f"{path}: no list of rules")
    if work is None and len(rules) > 1:
        raise Refusal(
            f"{path}: {len(rules)} lists of rules ({', '.join(rules)}) need clusters to belong to: "
            "give the WORK folder of `lab features` and `lab fit`, or a file with one list"
        )
    clusters = fitted_clusters(work, _numbered(path, rules)) if work else None
    record = Provenance(
        product="rules",
        name=path.name,
        sha256=hash_files([path]),
        verb="freeze",
        version=program_version(),
        facts={"ships": UNVALIDATED, "lists": len(rules)},
        inputs={"features": clusters.features} if clusters and clusters.features else {},
    )
    if clusters is None:
        return _of_every_case(next(iter(rules.values())), scheme, record)
    lists = [tuple(rules[f"cluster_{k}"]) for k in range(len(rules))]
    return Artefacts(
        scheme=scheme,
        model=clusters.model,
        clusters=tuple(
            Cluster(int(n), float(limit), of_cluster)
            for n, limit, of_cluster in zip(
                clusters.sizes, clusters.max_distance, lists, strict=True
            )
        ),
        feature_names=clusters.feature_names,
        settings=clusters.settings,
        fallback=Fallback("identity"),
        known_answers=clusters.known_answers,
        fit=_fit_record(record, int(clusters.sizes.sum())),
    )


def fitted_clusters(work: Path, k: int) -> FittedClusters:
    """Fit the k clusters of a work folder, as `lab search` fits them on all cases.

    Raises:
        Refusal: a file is missing or of other features, or `lab fit` settled another number.
    """
    setup, fitted = read_setup(work), read_work(work, CLUSTERS)
    if fitted["features_sha256"] != sha256_of(work / FEATURES):
        raise Refusal(f"{work / CLUSTERS}: of other features; run lab fit again")
    if fitted["clusters"] not in (None, k):
        raise Refusal(
            f"{work / CLUSTERS}: {fitted['clusters']} clusters, by --clusters of `lab fit`, for "
            f"{k} lists of rules"
        )
    config = setup.config
    table, _ = informative(load_table(work / FEATURES), config.drops_constant)
    rows = table.rows[table.described]
    model = with_clusters(fit_space(rows, table.names, config), rows, k, fitted["seed"])
    members, _ = assign(model, rows)
    return FittedClusters(
        model=model,
        max_distance=distance_limits(model, rows, config),
        sizes=np.bincount(members, minlength=k),
        feature_names=table.names,
        settings=config.settings,
        known_answers=known_answers(rows, model),
        features=setup.provenance,
    )


def _numbered(path: Path, rules: RulesByCluster) -> int:
    """Return how many lists there are, or refuse names that do not number them."""
    expected = {f"cluster_{k}" for k in range(len(rules))}
    if unknown := sorted(set(rules) - expected):
        raise Refusal(
            f"{path}: {unknown[0]!r} names none of {len(rules)} clusters, which are "
            f"{', '.join(sorted(expected))}"
        )
    return len(rules)


def _of_every_case(rules: Any, scheme: Scheme, record: Provenance) -> Artefacts:
    """Return artefacts of one list, which every case gets: one cluster of no features."""
    nothing = np.zeros(0)
    model = ClusterModel(
        log=np.zeros(0, bool),
        feature_centre=nothing,
        feature_scale=nothing,
        clip=nothing,
        row_l2=np.array(False),
        pca_mean=nothing,
        components=np.zeros((0, 0)),
        centres=np.zeros((1, 0)),
    )
    fallback = Fallback("pooled", tuple(rules)) if rules else Fallback("identity")
    return Artefacts(
        scheme=scheme,
        model=model,
        clusters=(Cluster(0, np.inf, tuple(rules)),),
        settings=DEFAULT_SETTINGS,
        fallback=fallback,
        known_answers=(KnownAnswer(nothing, 0, 0.0),) * 2,
        fit=_fit_record(record, 0),
    )


def _fit_record(record: Provenance, cases: int) -> dict[str, Any]:
    """Say where the rules come from; of no score, since there is none."""
    return {
        "date": datetime.date.today().isoformat(),
        "ships": UNVALIDATED,
        "training_cases": cases,
        KEY: record.to_json(),
        "library_versions": library_versions(),
    }
