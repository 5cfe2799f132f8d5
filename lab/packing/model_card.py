"""MODEL_CARD.md of a release: what it is, from what, how good, and what it is not for."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from challenge.provenance import KEY, from_json
from challenge.scheme import Scheme
from ensemble.manifest import ACCEPTS_MISSING
from ensemble.members import FEEDS_ONLY, PREVIOUS_STAGE
from ensemble.small_cases import read_small_cases, weight_in_words
from lab.metrics.objective import IN_WORDS, reported_objective
from lab.provenance.checks import accepted_faults, nearest
from lab.provenance.records import networks_sha256
from postprocess.artefacts import Artefacts
from postprocess.declared_answers import EMPTY_IN_WORDS, FAR_IN_WORDS

NAME = "MODEL_CARD.md"
USE = (
    "Segmentation of scans as the challenge hands them out, for challenge submissions and research "
    "by imaging scientists who look at every result."
)
LIMITS = (
    "No medical device; says nothing about a patient's care. Scans of other sequences, regions, "
    "preparation or scanners than those it was trained on were not judged. Numbers below are of "
    "cross-validation, on held-out cases, unless they say otherwise."
)


def card(
    manifest: Mapping[str, Any],
    scheme: Scheme,
    artefacts: Artefacts,
    data: str,
    exactness: Iterable[tuple[str, str]],
) -> Iterator[str]:
    """Yield the lines of the card.

    Args:
        manifest: of the model.
        scheme: its challenge.
        artefacts: its post-processing.
        data: what it was trained on, in its maker's words.
        exactness: how near it is to stock nnU-Net, in rows of a name and a text.
    """
    yield f"# {manifest['model']}\n"
    yield f"{manifest['note'] or 'No note.'}\n"
    yield f"## Intended use\n\n{USE}\n"
    yield f"## Data\n\n{data or 'Not said by its maker.'}\n"
    yield f"## Labels\n\n{scheme.name}, sequences {', '.join(scheme.sequences)}\n"
    yield "| value | label | written |\n| --- | --- | --- |"
    for name, value in scheme.labels.items():
        yield f"| {value} | {name} | {'yes' if name in scheme.written else 'no'} |"
    yield "\n## Members\n\n| network | fold | checkpoint | weight | trainer | epochs | sha256 |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for entry in manifest["members"]:
        provenance = entry["provenance"]
        yield (
            f"| {entry['folder']} | {entry['fold']} | {entry['checkpoint']} | {_weight(entry)} "
            f"| {_trainer(provenance)} | {_epochs(provenance)} | {entry['sha256'][:12]} |"
        )
    yield from _donors(manifest)
    yield from _cascades(manifest)
    if small_cases := read_small_cases(manifest, scheme):
        yield f"\nSmall cases: {small_cases.in_words()}."
    yield "\n## Beside stock nnU-Net\n"
    yield "| | |\n| --- | --- |"
    for name, text in exactness:
        yield f"| {name} | {text} |"
    accepts = any(manifest["settings"].get(key) for key in ACCEPTS_MISSING)
    yield f"\nA case that lacks sequences is {'run, each as zeros' if accepts else 'refused'}.\n"
    yield "## Numbers\n"
    yield from _selection(manifest.get("selection"))
    yield from _rules(artefacts)
    yield from gate_sentences(artefacts)
    yield from answer_sentences(artefacts)
    yield "\n## Origin\n"
    yield from _origin(manifest, artefacts)
    yield f"\n## Limits\n\n{LIMITS}"


def _weight(entry: Mapping[str, Any]) -> str:
    donor = entry.get("donor")
    if entry.get(FEEDS_ONLY):
        return "feeds a cascade"
    return f"donor of {donor}" if donor else weight_in_words(entry)


def _donors(manifest: Mapping[str, Any]) -> Iterator[str]:
    regions = dict.fromkeys(e["donor"] for e in manifest["members"] if "donor" in e)
    for region in regions:
        yield (
            f"\nA donor of {region} is run only where the average of the others has no {region} "
            f"and the time allows it; its voxels of {region} are then taken."
        )


def _cascades(manifest: Mapping[str, Any]) -> Iterator[str]:
    members = manifest["members"]
    only = {each["folder"] for each in members if each.get(FEEDS_ONLY)}
    pairs = ((e["folder"], e[PREVIOUS_STAGE]) for e in members if PREVIOUS_STAGE in e)
    for second, first in dict.fromkeys(pairs):
        also = "is not averaged" if first in only else "is averaged too"
        yield f"\n{second} sees the labels that {first} gives of the case; {first} {also}."


def _trainer(provenance: Mapping[str, Any]) -> str:
    foreign = ", not nnU-Net's own" if provenance.get("foreign_trainer") else ""
    if provenance["trainer"] is None and provenance.get("network"):
        return f"not nnU-Net's: {provenance['network']}"
    return f"{provenance['trainer'] or 'unknown'}{foreign}"


def _epochs(provenance: Mapping[str, Any]) -> str:
    return "unknown" if provenance["epochs"] is None else str(provenance["epochs"])


def _selection(selection: Mapping[str, Any] | None) -> Iterator[str]:
    if selection is None:
        yield "Members were not selected by `lab select`."
        return
    yield (
        f"Members: {selection['ships']}, by {selection['scorer']} ({selection['objective']}) on "
        f"{selection['cases']} cases, by cross-validation of the choice."
    )
    # Models packed before schema 3 of selection.json have no reason.
    for line in selection.get("reason", ()):
        yield f"- {line}"


def _rules(artefacts: Artefacts) -> Iterator[str]:
    if artefacts.model is None:
        yield "\nNo post-processing: labels stay as the ensemble gives them."
        return
    fit = artefacts.fit
    if not artefacts.has_held_out_gain:
        foreign = f" ({fit['foreign']})" if "foreign" in fit else ""
        yield f"\nPost-processing: {fit['ships']}; nothing is known of its gain{foreign}."
        return
    if reason := fit.get("foreign"):
        yield (
            f"\nPost-processing: {fit['ships']}, fitted for something else; nothing is known of "
            f"its gain here ({reason})."
        )
        return
    low, high = fit["gain_interval"]
    reported = reported_objective(fit["objective"])
    unit = IN_WORDS.get(reported, reported)
    yield (
        f"\nPost-processing: {fit['ships']}, by {fit['scorer']} on {fit['training_cases']} cases, "
        f"held out: {fit['score_without_rules']:.4f} without, {fit['score_with_rules']:.4f} with "
        f"rules (gain {low:+.4f} to {high:+.4f}; {unit})."
    )


def gate_sentences(artefacts: Artefacts) -> Iterator[str]:
    """Say what gates look at and gain, and which lesions they cost; nothing without gates."""
    if not artefacts.gates:
        return
    names, fit = ", ".join(gate.name for gate in artefacts.gates), artefacts.fit
    if fit.get("foreign") or not (record := fit.get("gates")):
        yield f"Gates on {names}; nothing is known of their gain here."
        return
    words = "" if record["ships"] else ", which did not pass"
    yield (
        f"Gates on {names}, held out: {record['score_without_gates']:.4f} without, "
        f"{record['score_with_gates']:.4f} with gates (gain {record['low']:+.4f} to "
        f"{record['high']:+.4f}{words}); of the reference's lesions rules and gates lose "
        f"{record['lost']['mean']:.2%}, at most {record['lost']['at_most']:.1%}."
    )


def answer_sentences(artefacts: Artefacts) -> Iterator[str]:
    """Say what cases get that no rules fit; nothing where the labels always stay."""
    if not artefacts.gates and not artefacts.has_rules:
        return
    if not artefacts.has_one_rule_set:
        yield f"A case far from all others: {FAR_IN_WORDS[artefacts.fallback.name]}."
    answer = EMPTY_IN_WORDS[artefacts.empty_answer]
    yield f"A case of whose tumour gates and rules leave nothing: {answer}."


def _origin(manifest: Mapping[str, Any], artefacts: Artefacts) -> Iterator[str]:
    """Say by hash what the numbers above are of; `lab trace` shows the whole chain."""
    yield f"Networks: sha256 {networks_sha256(manifest)[:12]}."
    selection = manifest.get(KEY, {}).get("selection")
    records = {"Selection": selection, "Rules": artefacts.fit.get(KEY) if artefacts.fit else None}
    for name, content in records.items():
        record = from_json(content, Path(NAME)) if content else None
        cohort = nearest(record, "cohort") if record else None
        if record is None or cohort is None:
            continue
        made = f"by `{record.command}` {record.version}, sha256 {record.sha256[:12]}"
        yield f"{name}: {made}, on {cohort.name} (sha256 {cohort.sha256[:12]})."
        for sentence in accepted_faults(record):
            yield f"- accepted by --foreign: {sentence}"
    yield "The whole chain: `python -m lab trace` on this folder."
