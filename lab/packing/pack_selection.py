"""A selection's candidates, each packed before, as one model with the chosen weights."""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from challenge.provenance import KEY, Provenance, folder_record, from_json, hash_json
from challenge.scheme import Scheme
from ensemble.manifest import MANIFEST, read_manifest, verify_model
from ensemble.member_weights import Weight
from ensemble.small_cases import SMALL_CASES, SMALL_WEIGHT
from lab.member_selection.candidates import candidate_fault
from lab.member_selection.combine import SHARE_DIGITS
from lab.member_selection.input_records import candidate_role
from lab.member_selection.probability_maps import Candidate, read_candidate
from lab.member_selection.summary import READABLE, SCHEMA
from lab.packing.trained_folder import PackError, read_object
from lab.provenance.checks import accept, model_fault
from lab.provenance.records import model_record


def pack_selection(
    path: Path,
    building: Path,
    scheme: Scheme,
    answers: list[str] | None = None,
    foreign: bool = False,
) -> dict[str, Any]:
    """Copy the chosen candidates' networks into a model folder; return the manifest's part.

    A candidate's members share its weight as they did in its model, whose folds average their
    logits; candidates average their probabilities, as `lab select` scored them, with one weight or
    one for each channel. The model answers the challenges `answers`, else those that its candidates
    do.

    Raises:
        PackError: not a selection, of another challenge, or candidates without a packed model or
            with settings of their own.
        ProvenanceError: the selection, a candidate's maps or its model were changed since, and
            `foreign` does not accept that.
    """
    selection = read_object(path, str(path))
    if selection.get("schema") not in READABLE:
        raise PackError(
            f"{path}: schema {selection.get('schema')}, this program reads {SCHEMA}; run "
            "`python -m lab select` again"
        )
    try:
        if selection["scheme"] != scheme.name:
            raise PackError(f"{path}: of {selection['scheme']}, not {scheme.name}")
        strategy = selection["strategies"][selection["ships"]]
        keys = ("scorer", "objective", "cases", "baseline", "ships", "reason")
        summary = {key: selection[key] for key in keys}
        summary |= {key: strategy[key] for key in ("gain", "interval", "p")}
        record = _accepted_record(path, selection, foreign)
        members, facts, settings = _members(selection, building)
        small = selection.get(SMALL_CASES, {})
        limit = {SMALL_CASES: {key: small[key] for key in ("region", "below_ml")}} if small else {}
    except (KeyError, TypeError, AttributeError) as error:
        raise PackError(f"{path}: not a selection ({error!r})") from error
    if len({json.dumps(each, sort_keys=True) for each in settings.values()}) != 1:
        raise PackError(f"{path}: candidates were packed with different settings: {settings}")
    return {
        "answers": answers or _common_answers(path, selection, scheme),
        "members": members,
        "settings": next(iter(settings.values())),
        "selection": summary,
        **facts,
        **limit,
        KEY: {"selection": record.to_json()},
    }


def _accepted_record(path: Path, selection: dict[str, Any], foreign: bool) -> Provenance:
    """Return a selection's record, with the faults that --foreign accepted among its facts.

    Raises:
        ProvenanceError: the selection is not as `lab select` wrote it, or a chosen candidate's maps
            or model are not those that it was made from.
    """
    if KEY not in selection:
        unknown = Provenance("selection", path.name, hash_json(selection))
        fault = f"{path}: a selection of unknown origin"
        print(f"{fault}; the card says so", file=sys.stderr)
        return replace(unknown, facts={"foreign": [fault]})
    record = from_json(selection[KEY], path)
    faults = []
    if hash_json({key: value for key, value in selection.items() if key != KEY}) != record.sha256:
        faults.append(f"{path}: changed after `lab select` wrote it")
    for name in selection["weights"]:
        candidate = read_candidate(Path(selection["candidates"][name]))
        maps = folder_record(candidate.folder, "probability maps", [])
        if maps.sha256 != record.inputs[candidate_role(name)].sha256:
            faults.append(f"{candidate.folder}: other maps than those that {path} was made from")
        if candidate.model:
            model = model_record(candidate.model, with_rules=False)
            faults.append(model_fault(maps, model, str(candidate.folder)))
    accepted = [accept(fault, foreign) for fault in faults if fault]
    accepted += record.facts.get("foreign", ())
    return replace(record, facts={**record.facts, "foreign": accepted}) if accepted else record


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
) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """Copy the candidates' networks; return members, what was recorded of them, and settings."""
    members: list[dict[str, Any]] = []
    facts: dict[str, list[dict[str, Any]]] = {"proof": [], "left_out": []}  # of their packing
    settings: dict[str, Any] = {}
    for name, share in selection["weights"].items():
        candidate = read_candidate(Path(selection["candidates"][name]))
        if candidate.model is None:
            raise PackError(f"{candidate.folder}: names no packed model")
        verify_model(candidate.model / MANIFEST)
        manifest = read_manifest(candidate.model / MANIFEST)
        settings[name] = manifest["settings"]
        for key, recorded in facts.items():
            records = manifest.get(key, ())
            recorded += [each | {"folder": f"{name}-{each['folder']}"} for each in records]
        if not manifest.get("proof"):
            print(f"{name}: not proven beside stock nnU-Net when it was packed")
        _check_weights(candidate, manifest, share)
        total = sum(entry["weight"] for entry in manifest["members"])
        for entry in manifest["members"]:
            home = f"{name}-{entry['folder']}"
            if not (building / home).exists():
                shutil.copytree(candidate.model / entry["folder"], building / home)
            part = entry["weight"] / total
            weight = _part_of(share, part)
            # Sources of one candidate stay apart: only folds of one network average their logits.
            group = "-".join(filter(None, (name, entry.get("group"))))  # none in schema 1
            packed = entry | {"folder": home, "group": group, "weight": weight}
            if small := selection.get(SMALL_CASES):
                packed[SMALL_WEIGHT] = _part_of(small["weights"].get(name, 0.0), part)
            members.append(packed)
    return members, facts, settings


def _check_weights(candidate: Candidate, manifest: Mapping[str, Any], share: Weight) -> None:
    """Refuse a candidate whose members' weights cannot be parts of a share.

    Raises:
        PackError: a donor, weights by channel, or such a share of folds with other weights each.
    """
    if fault := candidate_fault(manifest):
        raise PackError(f"{candidate.folder}: {fault}")
    weights: dict[str, set[float]] = {}
    for entry in manifest["members"]:
        weights.setdefault(entry["folder"], set()).add(entry["weight"])
    if isinstance(share, Mapping) and any(len(each) > 1 for each in weights.values()):
        raise PackError(
            f"{candidate.folder}: folds of one network have other weights each, which weights by "
            "channel cannot be added to; leave by-region out of `lab select --strategies`"
        )


def _part_of(share: Weight, part: float) -> Weight:
    """Return a member's part of its candidate's share, channel by channel where that is so."""
    if isinstance(share, Mapping):
        return {name: round(each * part, SHARE_DIGITS) for name, each in share.items()}
    return round(share * part, SHARE_DIGITS)
