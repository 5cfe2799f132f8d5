"""Every challenge: one TOML file each in this folder, called as the challenge is.

To add a challenge:

1. Write NAME.toml into this folder; `challenge/description.py` explains every key, `like` takes
   over what another file says. `python -m lab challenge NAME` prints and checks it;
   `python -m lab challenge --from forge.json` writes a first draft of sockets.
2. If the organisers' score is in `lab/metrics/scorers.py`, name it as `default_scorer`; without
   one, labels and regions are scored voxel by voxel.
3. If training cases are handed out in a way that no `Finder` covers, add one to
   `challenge/description.py` and its function to `lab/data/sources.py`.
4. Run `pytest test/test_new_challenge.py`, which takes a made-up challenge with labels 1, 2, 3 and
   5 from `prepare` to `check`.

Nothing else names challenges: platforms, folders, options of verbs, `prepare --source`, scorers and
plausibility checks follow the file. Label values may have gaps; networks are trained on 1, 2, 3,
... in the order of the values, and `pack` maps them back by name.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from challenge.description import ANY, Scheme
from challenge.read_challenge import read_challenges

FOLDER = Path(__file__).parent
SCHEMES: Mapping[str, Scheme] = read_challenges(FOLDER)


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
    """Return the challenge that label files with this ending are taken for: ".nii.gz", ".mha"."""
    defaults = {s.file_ending: s for s in SCHEMES.values() if s.is_default_of_ending}
    return defaults.get(ending) or next(iter(defaults.values()))


def folder_sequences() -> tuple[str, ...]:
    """Return the sequences of every challenge whose cases lie in a BraTS folder, in table order."""
    schemes = [scheme for scheme in SCHEMES.values() if not scheme.has_sockets]
    return tuple(dict.fromkeys(name for scheme in schemes for name in scheme.sequences))


def in_reading_order(regions: Iterable[str]) -> tuple[str, ...]:
    """Sort regions as challenges list them: WT, TC, ET, NETC, SNFH, RC; unknown ones come last."""
    known = list(dict.fromkeys(name for scheme in SCHEMES.values() for name in scheme.regions))
    place = {name: number for number, name in enumerate(known)}
    return tuple(sorted(dict.fromkeys(regions), key=lambda name: place.get(name, len(place))))
