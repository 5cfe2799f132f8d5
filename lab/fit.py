"""Fit clusters and rules on out-of-fold predictions, and freeze them into a model folder.

`python -m lab fit --model weights/NAME --cohort DIR --predictions DIR`, where the predictions are
label maps in the scheme's values as `lab out-of-fold` writes them, each made by a member that was
trained without that case.

Features are those of the predicted mask, as they will be at run time. A cluster ships rules only
where choosing rules like this gained Dice on held-out cases; otherwise its labels stay.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from challenge.case import Case, check_same_grid, read_case, read_volume
from challenge.scheme import Scheme
from lab.clustering import fit_clusters
from lab.cohort import read_cohort
from lab.search import Decision, Table, decide, make_table, scored_regions
from postprocess.artefacts import Artefacts, Cluster, Fallback, KnownAnswer, save_artefacts
from postprocess.clusters import ClusterModel
from postprocess.feature_names import feature_names
from postprocess.features import DEFAULT_SETTINGS, FeatureError, radiomic_features
from postprocess.rules import row_from

log = logging.getLogger(__name__)

LIBRARIES = ("numpy", "scikit-learn", "SimpleITK", "pyradiomics", "connected-components-3d")


@dataclass(frozen=True)
class Labelled:
    """One case with its out-of-fold prediction and its reference, label maps (z, y, x)."""

    case: Case
    prediction: np.ndarray
    reference: np.ndarray


@dataclass(frozen=True)
class Described:
    """What fitting keeps of a case; no features where the prediction has none."""

    id: str
    features: np.ndarray | None
    table: Table


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="DIR", help="model folder, weights/NAME")
    add("--cohort", type=Path, required=True, metavar="DIR", help="nnU-Net raw dataset folder")
    add("--predictions", type=Path, required=True, metavar="DIR", help="out-of-fold label maps")


def run(args: argparse.Namespace) -> int:
    """Fit on a cohort, freeze into the model folder, and print what was found."""
    from ensemble.manifest import MANIFEST, read_manifest, scheme_of
    from lab.pack import write_manifest

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    scheme = scheme_of(args.model / MANIFEST)
    described = [
        describe(labelled, scheme)
        for labelled in read_predicted(args.cohort, args.predictions, scheme)
    ]
    artefacts = fit_artefacts(described, scheme, datetime.date.today())
    save_artefacts(args.model, artefacts)
    write_manifest(args.model, read_manifest(args.model / MANIFEST))
    print("\n".join(summary(artefacts)))
    return 0


def read_predicted(cohort: Path, predictions: Path, scheme: Scheme) -> Iterator[Labelled]:
    """Read every case of a cohort with its out-of-fold prediction, one at a time.

    Raises:
        SystemExit: a case has no prediction.
        CaseError: a file is unreadable or on another grid.
    """
    for member in read_cohort(cohort, scheme):
        path = predictions / member.reference.name
        if not path.is_file():
            raise SystemExit(f"{path}: no prediction for {member.reference}")
        prediction, reference = read_volume(path, np.uint8), member.read_reference()
        check_same_grid(prediction, reference, path, member.reference)
        yield Labelled(read_case(member.files), prediction.array, reference.array)


def describe(labelled: Labelled, scheme: Scheme) -> Described:
    """Compute a case's features and table; its images are not needed after that."""
    case, prediction = labelled.case, labelled.prediction
    table = make_table(prediction, labelled.reference, scheme, case.voxel_volume_mm3)
    names = feature_names(scheme.sequences)
    try:
        tumour = scheme.mask(prediction, scheme.tumour)
        features = radiomic_features(case, tumour, names, DEFAULT_SETTINGS)
    except FeatureError as error:
        log.warning("%s: %s; left out of the clusters", case.id, error)
        return Described(case.id, None, table)
    return Described(case.id, features, table)


def fit_artefacts(described: Sequence[Described], scheme: Scheme, date: datetime.date) -> Artefacts:
    """Fit clusters, then rules for each cluster and for all cases together.

    Raises:
        ValueError: there are too few cases with features.
    """
    clustered = [d for d in described if d.features is not None]
    if not clustered:
        raise ValueError(f"none of {len(described)} predictions has a tumour to describe")
    rows = np.stack([d.features for d in clustered if d.features is not None])
    clustering = fit_clusters(rows)
    tables = np.array([d.table for d in clustered], object)
    decisions = [
        decide(tables[clustering.members == k], scheme) for k in range(len(clustering.max_distance))
    ]
    pooled = decide([d.table for d in described], scheme).rules
    return Artefacts(
        scheme=scheme,
        model=clustering.model,
        clusters=tuple(
            Cluster(len(decision.without), far, decision.rules)
            for decision, far in zip(decisions, clustering.max_distance, strict=True)
        ),
        feature_names=feature_names(scheme.sequences),
        settings=DEFAULT_SETTINGS,
        fallback=Fallback("pooled", pooled) if pooled else Fallback("identity"),
        known_answers=known_answers(rows, clustering.model),
        fit=provenance([d.id for d in described], decisions, scheme, date),
    )


def known_answers(rows: np.ndarray, model: ClusterModel) -> tuple[KnownAnswer, ...]:
    """Return two vectors that belong to no patient: the quartiles of every feature."""
    vectors = np.quantile(rows, (0.25, 0.75), axis=0)
    return tuple(KnownAnswer(vector, *model.assign(vector)) for vector in vectors)


def provenance(
    ids: Sequence[str], decisions: Sequence[Decision], scheme: Scheme, date: datetime.date
) -> dict[str, object]:
    """Say where the numbers come from, without naming a case."""
    without = np.concatenate([decision.without for decision in decisions])
    held_out = np.concatenate([decision.held_out for decision in decisions])
    return {
        "date": date.isoformat(),
        "library_versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "training_cases": len(ids),
        "case_list_sha256": hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest(),
        "metric": f"voxel-wise Dice, mean over {', '.join(scored_regions(scheme))} and cases",
        "score_without_rules": float(without.mean()),
        "score_with_rules": float(held_out.mean()),
        "how": "rules cross-fitted inside each cluster; clusters saw every case",
    }


def summary(artefacts: Artefacts) -> list[str]:
    """Say in a few lines what was fitted."""
    fit = artefacts.fit
    lines = [
        f"{len(artefacts.clusters)} clusters of {fit['training_cases']} cases; {fit['metric']}: "
        f"{fit['score_without_rules']:.4f} without rules, {fit['score_with_rules']:.4f} held out"
    ]
    for k, cluster in enumerate(artefacts.clusters):
        lines.append(f"cluster {k}, {cluster.training_cases} cases:")
        lines += [f"  {row_from(rule)}" for rule in cluster.rules] or ["  labels stay"]
    fallback = artefacts.fallback
    return [*lines, f"fallback {fallback.name}: {[row_from(rule) for rule in fallback.rules]}"]
