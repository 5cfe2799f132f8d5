"""What teams call their input channels in nnU-Net's dataset.json, and which sequences those are."""

from collections.abc import Mapping, Sequence
from typing import Any

from challenge.challenges import SCHEMES
from challenge.description import Scheme

# What teams call the BraTS sequences in dataset.json, lower case, letters and digits alone.
SYNONYMS = {
    "t1n": ("t1n", "t1", "t1w", "t1native", "t1pre"),
    "t1c": ("t1c", "t1ce", "t1gd", "t1wce", "t1post", "t1km"),
    "t2w": ("t2w", "t2"),
    "t2f": ("t2f", "flair", "t2flair", "t2wflair"),
}
SEQUENCE_OF = {name: sequence for sequence, names in SYNONYMS.items() for name in names}


class ChannelsError(ValueError):
    """Channels that have no names, or names that are no sequences."""


def sequence_of(name: str, scheme: Scheme) -> str | None:
    """Return the sequence that a team's name means, of the scheme first; None if unknown."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    return plain if plain in scheme.sequences else SEQUENCE_OF.get(plain)


def numbered_names(dataset: Mapping[str, Any]) -> list[str]:
    """Return the names of the input channels of a dataset.json, in order.

    Raises:
        ChannelsError: neither `channel_names` nor `modality`, or both and of different number.
    """
    lists = [dataset[key] for key in ("channel_names", "modality") if key in dataset]
    if not lists or len({len(each) for each in lists}) > 1:
        counts = " and ".join(str(len(each)) for each in lists) or "no"
        raise ChannelsError(f"{counts} channel_names")
    channels = lists[0]  # the names that nnU-Net's planner reads where it finds both
    if isinstance(channels, list):
        return [str(name) for name in channels]
    try:
        return [str(channels[key]) for key in sorted(channels, key=int)]
    except (ValueError, TypeError, AttributeError) as error:
        raise ChannelsError(f"channels {channels} are not numbered") from error


def sequences_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return the sequences that a cohort's channels are, in their order.

    A challenge that has just these sequences decides what a name means: one channel T1 is
    PANTHER's t1, and among four it is BraTS's t1n.

    Raises:
        ChannelsError: a name is no sequence of any challenge, or two are one sequence.
    """
    for scheme in SCHEMES.values():
        order = tuple(sequence_of(name, scheme) or name for name in names)
        if sorted(order) == sorted(scheme.sequences):
            return order
    known = {name: _of_any_scheme(name) for name in names}
    if unknown := [name for name, sequence in known.items() if sequence is None]:
        listed = dict.fromkeys(name for scheme in SCHEMES.values() for name in scheme.sequences)
        raise ChannelsError(f"{', '.join(unknown)}: no sequence of {', '.join(listed)}")
    order = tuple(str(known[name]) for name in names)
    if len(set(order)) < len(order):
        raise ChannelsError(f"{', '.join(names)}: one sequence twice")
    return order


def _of_any_scheme(name: str) -> str | None:
    sequences = ((sequence_of(name, scheme), scheme) for scheme in SCHEMES.values())
    return next((s for s, scheme in sequences if s in scheme.sequences), None)
