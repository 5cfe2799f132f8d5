"""Case ids as hashes: what says of a case that something was trained on it, and names none."""

import hashlib
from collections.abc import Iterable

from challenge.file_names import LABEL_SUFFIX

DIGITS = 16


def hash_cases(ids: Iterable[str]) -> list[str]:
    """Return what a product holds of the cases that it was trained or fitted on."""
    return sorted(hashlib.sha256(id.encode()).hexdigest()[:DIGITS] for id in ids)


def hashes_of(id: str) -> frozenset[str]:
    """Return the hashes by which a case, or the case of a label map `<id>-seg`, is known."""
    return frozenset(hash_cases([id, LABEL_SUFFIX.sub("", id)]))
