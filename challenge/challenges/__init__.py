"""Every challenge: one row each, in one module a family.

To add a challenge:

1. Write a `Scheme` (`challenge/description.py` explains every field) into a module of this folder:
   a new one with a tuple `CHALLENGES`, or the family's that is there.
2. Add a new module to `FAMILIES` below.
3. If the organisers' score is in `lab/metrics/scorers.py`, name it as `default_scorer`; without
   one, labels and regions are scored voxel by voxel.
4. If training cases are handed out in a way that no `Finder` covers, add one to
   `challenge/description.py` and its function to `lab/data/sources.py`.
5. Run `pytest test/test_new_challenge.py`, which takes a made-up challenge with labels 1, 2, 3 and
   5 from `prepare` to `check`.

Nothing else names challenges: platforms, folders, options of verbs, `prepare --source`, scorers and
plausibility checks follow the row. Label values may have gaps; networks are trained on 1, 2, 3, ...
in the order of the values, and `pack` maps them back by name.
"""

import re
from collections.abc import Iterable, Mapping

from challenge.challenges import brats, isles, panther
from challenge.description import ANY, Scheme

FAMILIES = (brats, panther, isles)
SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme for family in FAMILIES for scheme in family.CHALLENGES
}


def scheme_of_id(id: str) -> Scheme | None:
    """Return the challenge that a case's name speaks of, or None."""
    for scheme in SCHEMES.values():
        prefix = re.escape(scheme.case_prefix)
        if prefix and re.fullmatch(rf"{prefix}-\d+(-\d+)?", id):
            return scheme
    return None


def other_challenge(id: str, scheme: Scheme) -> Scheme | None:
    """Return the challenge that a case's name speaks of, if cases of `scheme` are not named so."""
    named = scheme_of_id(id)
    prefixes = (scheme.case_prefix, *scheme.shared_prefixes)
    if named is None or ANY in prefixes or named.case_prefix in prefixes:
        return None
    return named


def scheme_of_ending(ending: str) -> Scheme:
    """Return the first challenge whose files end so (".nii.gz", ".mha"), else the first of all."""
    alike = (scheme for scheme in SCHEMES.values() if scheme.file_ending == ending)
    return next(alike, next(iter(SCHEMES.values())))


def folder_sequences() -> tuple[str, ...]:
    """Return the sequences of every challenge whose cases lie in a BraTS folder, in table order."""
    schemes = [scheme for scheme in SCHEMES.values() if scheme.socket is None]
    return tuple(dict.fromkeys(name for scheme in schemes for name in scheme.sequences))


def in_reading_order(regions: Iterable[str]) -> tuple[str, ...]:
    """Sort regions as challenges list them: WT, TC, ET, NETC, SNFH, RC; unknown ones come last."""
    known = list(dict.fromkeys(name for scheme in SCHEMES.values() for name in scheme.regions))
    place = {name: number for number, name in enumerate(known)}
    return tuple(sorted(dict.fromkeys(regions), key=lambda name: place.get(name, len(place))))
