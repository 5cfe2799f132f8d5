"""A selection's candidates, each packed before, as one model with the chosen weights."""

import json
import shutil
from pathlib import Path
from typing import Any

from challenge.scheme import Scheme
from ensemble.manifest import MANIFEST, read_manifest, verify_model
from lab.member_selection.probability_maps import read_candidate
from lab.member_selection.summary import SCHEMA
from lab.packing.trained_folder import PackError, read_object


def pack_selection(
    path: Path, building: Path, scheme: Scheme, answers: list[str] | None = None
) -> dict[str, Any]:
    """Copy the chosen candidates' networks into a model folder; return the manifest's part.

    A candidate's folds share its weight alike and average their logits; candidates average their
    probabilities, as `lab select` scored them. The model answers the challenges `answers`,
    else those that its candidates do.

    Raises:
        PackError: not a selection, of another challenge, or candidates without a packed model or
            with settings of their own.
    """
    selection = read_object(path, str(path))
    if selection.get("schema") != SCHEMA:
        raise PackError(
            f"{path}: schema {selection.get('schema')}, this program reads {SCHEMA}; run "
            "`python -m lab select` again"
        )
    try:
        if selection["scheme"] != scheme.name:
            raise PackError(f"{path}: of {selection['scheme']}, not {scheme.name}")
        members, proof, settings = _members(selection, building)
        strategy = selection["strategies"][selection["ships"]]
        keys = ("scorer", "objective", "cases", "baseline", "ships", "reason")
        summary = {key: selection[key] for key in keys}
        summary |= {key: strategy[key] for key in ("gain", "interval", "p")}
    except (KeyError, TypeError, AttributeError) as error:
        raise PackError(f"{path}: not a selection ({error!r})") from error
    if len({json.dumps(each, sort_keys=True) for each in settings.values()}) != 1:
        raise PackError(f"{path}: candidates were packed with different settings: {settings}")
    return {
        "answers": answers or _common_answers(path, selection, scheme),
        "members": members,
        "proof": proof,
        "settings": next(iter(settings.values())),
        "selection": summary,
    }


def _common_answers(path: Path, selection: dict[str, Any], scheme: Scheme) -> list[str]:
    """Return the challenges that every candidate answers.

    Raises:
        PackError: they answer different ones, so it is unclear which ones the ensemble answers.
    """
    answers: dict[str, list[str]] = {}
    for name in selection["weights"]:
        model = read_candidate(Path(selection["candidates"][name])).model
        manifest = read_manifest(Path(str(model)) / MANIFEST)
        answers[name] = manifest.get("answers", [scheme.name])
    if len({tuple(each) for each in answers.values()}) != 1:
        raise PackError(f"{path}: candidates answer different challenges: {answers}; say --answers")
    return next(iter(answers.values()))


def _members(
    selection: dict[str, Any], building: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    """Copy the candidates' networks; return members, proofs, and each candidate's settings."""
    members: list[dict[str, Any]] = []
    proof: list[dict[str, Any]] = []  # of when each was packed
    settings: dict[str, Any] = {}
    for name, share in selection["weights"].items():
        candidate = read_candidate(Path(selection["candidates"][name]))
        if candidate.model is None:
            raise PackError(f"{candidate.folder}: names no packed model")
        verify_model(candidate.model / MANIFEST)
        manifest = read_manifest(candidate.model / MANIFEST)
        settings[name] = manifest["settings"]
        records = manifest.get("proof", ())
        proof += [record | {"folder": f"{name}-{record['folder']}"} for record in records]
        if not records:
            print(f"{name}: not proven beside stock nnU-Net when it was packed")
        for entry in manifest["members"]:
            home = f"{name}-{entry['folder']}"
            if not (building / home).exists():
                shutil.copytree(candidate.model / entry["folder"], building / home)
            weight = round(share / len(manifest["members"]), 6)
            members.append(entry | {"folder": home, "group": name, "weight": weight})
    return members, proof, settings
