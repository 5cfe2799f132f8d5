"""Rules into a model folder: checked against its networks, into its manifest and its card."""

import sys
from dataclasses import replace
from pathlib import Path

from challenge.provenance import KEY, from_json
from challenge.refusal import Refusal
from ensemble.manifest import MANIFEST, read_manifest, scheme_of
from lab.packing.model_card import NAME
from lab.packing.release import write_card
from lab.packing.write_manifest import write_manifest
from lab.provenance.checks import accept, accepted_faults, model_fault, unknown_origin
from lab.provenance.records import model_record
from postprocess.artefacts import JSON_NAME, Artefacts, save_artefacts

FOREIGN = "foreign"  # of an artefact's `fit`: why its numbers are not this model's


def ship_rules(folder: Path, artefacts: Artefacts, foreign: bool, origin: str = "rules") -> None:
    """Write rules into a model folder, with its manifest, and its card where it has one.

    Args:
        folder: of a model whose manifest is written.
        artefacts: to ship.
        foreign: whether to take rules that were fitted on predictions of other networks. The
            artefact, the card and the record of a run then say so, and no gain is claimed, as for
            rules of unknown origin, or where `lab features --foreign` accepted something.
        origin: where the rules come from, for messages.

    Raises:
        Refusal: they are of another challenge, or of other networks and `foreign` is not set.
    """
    path = folder / MANIFEST
    if (scheme := scheme_of(path)) != artefacts.scheme:
        raise Refusal(f"{folder}: of scheme {scheme.name}, not {artefacts.scheme.name}")
    model, content = model_record(folder, with_rules=False), artefacts.fit.get(KEY)
    record = from_json(content, Path(origin) / JSON_NAME) if content else None
    # Rules that nobody judged claim no gain of any model.
    fault = unknown_origin(record, origin) if artefacts.has_held_out_gain else ""
    if fault:
        print(f"{fault}; the card claims no gain of them for {model.name}", file=sys.stderr)
    elif record:
        faults = [accept(model_fault(record, model, origin), foreign), *accepted_faults(record)]
        fault = "; ".join(filter(None, faults))
    if fault:
        artefacts = replace(artefacts, fit={**artefacts.fit, FOREIGN: fault})
    save_artefacts(folder, artefacts)
    manifest = read_manifest(path)
    write_manifest(folder, manifest)  # the card is of a model whose hashes are right
    if (folder / NAME).exists():
        write_card(folder, manifest, scheme, str(manifest.get("data", "")))
    write_manifest(folder, manifest)
