"""Cases that a model's networks were trained on: what they predict of these is no evidence.

A packed model holds hashes of each network's training cases where nnU-Net's splits or validations
said which they are. Label maps with a record say themselves whether they were made out of fold;
those of unknown origin are compared with the hashes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from challenge.case_hashes import hashes_of
from challenge.folders import few
from challenge.provenance import UNKNOWN, Provenance
from ensemble.manifest import MANIFEST, read_manifest
from ensemble.members import TRAINED_ON


def seen_by(trained_on: Collection[str] | None, ids: Iterable[str]) -> list[str]:
    """Return the cases that a network was trained on, by the hashes that its entry holds."""
    known = frozenset(trained_on or ())
    return [id for id in ids if not hashes_of(id).isdisjoint(known)]


def memorised_fault(record: Provenance, model: Path, ids: Sequence[str], what: str) -> str:
    """Return that label maps cannot be out of fold; "" where they can, or nobody knows.

    Args:
        record: of the label maps.
        model: weights/NAME, whose networks made them.
        ids: their cases.
        what: the folder, for the message.

    Raises:
        ManifestError: the model holds no manifest.
    """
    if record.held_out != UNKNOWN:
        return ""
    hashes = [_hashes(entry) for entry in read_manifest(model / MANIFEST)["members"]]
    if not hashes or None in hashes:
        return ""
    seen = [seen_by(each, ids) for each in hashes]
    by_all = [id for id in ids if all(id in each for each in seen)]
    if not by_all:
        return ""
    return (
        f"{what}: of unknown origin, and every network of {model.name} was trained on "
        f"{len(by_all)} of their {len(ids)} cases ({few(by_all)}); what a network predicts of its "
        "training cases says nothing of others"
    )


def _hashes(entry: Mapping[str, dict[str, list[str]]]) -> list[str] | None:
    return (entry.get("provenance") or {}).get(TRAINED_ON)
