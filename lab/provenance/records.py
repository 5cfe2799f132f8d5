"""Records of what verbs are handed: models, cohorts, splits, folders of label maps and others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from challenge.provenance import (
    KEY,
    Provenance,
    ProvenanceError,
    from_json,
    hash_files,
    hash_json,
)
from ensemble.manifest import MANIFEST, read_manifest
from ensemble.members import FEEDS_ONLY, PREVIOUS_STAGE
from lab.data.cohort import CohortCase
from lab.json_files import read_json
from postprocess.artefacts import JSON_NAME
from postprocess.output_record import rules_record as rules_of_fit

# Of a manifest's member: what changes its prediction; roles are of some members alone.
ROLE_KEYS = ("donor", PREVIOUS_STAGE, FEEDS_ONLY)
MEMBER_KEYS = ("configuration", "fold", "group", "weight", "labels", "orientation", "sha256")


def networks_sha256(manifest: Mapping[str, Any]) -> str:
    """Return a hash of what predicts: networks, weights, plans and settings of a model.

    Rules, card, notes and proofs are no part of it: a model keeps it when rules are frozen into it.
    """
    members = [
        {key: entry.get(key) for key in MEMBER_KEYS}
        | {key: entry[key] for key in ROLE_KEYS if key in entry}
        for entry in manifest["members"]
    ]
    folders = {entry["folder"] for entry in manifest["members"]}
    plans = sorted(
        facts["sha256"]
        for name, facts in manifest.get("files", {}).items()
        if name.split("/")[0] in folders and name.endswith(".json")
    )
    settings = {key: manifest.get("settings", {}).get(key) for key in ("mirroring", "step")}
    return hash_json([members, plans, settings])


def model_record(folder: Path, with_rules: bool = True) -> Provenance:
    """Return the record of a packed model: its training, its selection and its rules.

    Args:
        folder: weights/NAME.
        with_rules: whether the rules that it ships are among its inputs; they are no part of what
            its networks predict.

    Raises:
        Refusal: the folder holds no manifest, or a record in it cannot be read.
    """
    path = folder / MANIFEST
    manifest = read_manifest(path)
    try:
        inputs = {f"member {n}": _training(each) for n, each in enumerate(manifest["members"])}
        sha256 = networks_sha256(manifest)
    except (KeyError, TypeError, AttributeError) as error:
        raise ProvenanceError(f"{path}: incomplete ({error!r})") from error
    packed = manifest.get(KEY) or {}
    for role in ("selection", "cohort"):
        if role in packed:
            inputs[role] = from_json(packed[role], path)
    if with_rules and (folder / JSON_NAME).is_file():
        inputs["rules"] = rules_record(folder)
    return Provenance(
        product="model",
        name=str(manifest["model"]),
        sha256=sha256,
        verb=str(packed.get("verb", "")),
        version=str(packed.get("version", "")),
        options=dict(packed.get("options", {})),
        facts={"members": len(manifest["members"]), "scheme": manifest["scheme"]},
        inputs=inputs,
    )


def _training(entry: Mapping[str, Any]) -> Provenance:
    provenance = entry["provenance"]
    facts = {key: provenance[key] for key in ("trainer", "epochs") if key in provenance}
    recipe = provenance.get("recipe", {})
    keys = ("stage", "dataset", "data_sha256", "start_sha256", "commit", "settings")
    facts |= {key: recipe[key] for key in keys if recipe.get(key)}
    name = f"{entry['folder']}/fold_{entry['fold']}/{entry['checkpoint']}"
    return Provenance("checkpoint", name, str(provenance.get("trained_sha256", "")), facts=facts)


def cohort_record(folder: Path, cases: Sequence[CohortCase]) -> Provenance:
    """Return the record of a cohort: hashes of its case ids and reference labels.

    Raises:
        OSError: a reference cannot be read.
    """
    rows = sorted(
        [case.files.id, hash_files([case.reference]), hash_json(case.value_table.tolist())]
        for case in cases
    )
    return Provenance("cohort", folder.resolve().name, hash_json(rows), facts={"cases": len(cases)})


def splits_record(path: Path, folds: Sequence[Mapping[str, Sequence[str]]]) -> Provenance:
    """Return the record of nnU-Net's splits."""
    content = [{part: sorted(fold[part]) for part in ("train", "val")} for fold in folds]
    return Provenance("splits", path.name, hash_json(content), facts={"folds": len(folds)})


def rules_record(folder: Path) -> Provenance:
    """Return the record of an artefact's rules; of unknown origin where it holds none.

    Raises:
        Refusal: the artefact is missing or no JSON.
    """
    path = folder / JSON_NAME
    content = read_json(path)
    try:
        return rules_of_fit(folder, content["fit"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ProvenanceError(f"{path}: not an artefact ({error!r})") from error
