"""Options that name labels, channels and regions: `--labels`, `--channels`, `--weight`, `--donor`.

Names are the challenge's; a name that inference would not know is refused here.
"""

from collections.abc import Sequence
from pathlib import Path

from challenge.channels import sequence_of
from challenge.scheme import Scheme
from ensemble.member_weights import Weight, WeightError, read_weight
from ensemble.members import donor_fault
from lab.packing.trained_folder import PackError


def parse_labels(text: str, values: Sequence[int] | None, scheme: Scheme) -> dict[str, int]:
    """Read NAME=VALUE,... for the label values that a source was trained with.

    `values` are those that the source has, or None where nothing says it.

    Raises:
        PackError: not so written, a name that the scheme does not have, a value that the source
            does not have, or one without a name.
    """
    example = ",".join(f"{name}={value}" for name, value in scheme.labels.items())
    names: dict[str, int] = {}
    for pair in _words("--labels", text, example):
        name, _, number = pair.partition("=")
        if not (number.isascii() and number.isdecimal()):
            raise PackError(f"--labels {text}: {pair!r} is not NAME=VALUE; write {example}")
        if name not in scheme.labels:
            raise PackError(
                f"--labels {text}: {name!r} is no label of {scheme.name}, which has "
                f"{', '.join(scheme.labels)}"
            )
        if name in names or int(number) in names.values():
            raise PackError(f"--labels {text}: {pair} names a label or a value twice")
        names[name] = int(number)
    if values is not None and sorted(names.values()) != sorted(values):
        raise PackError(
            f"--labels {text}: values {sorted(names.values())}, dataset.json has {sorted(values)}"
        )
    return names


def parse_channels(text: str, scheme: Scheme) -> list[str]:
    """Read the names of input channels, in order, as the scheme's sequences.

    Raises:
        PackError: a name that the scheme does not have, or one too many, too few or twice.
    """
    names = _words("--channels", text, ",".join(scheme.sequences))
    known = [sequence_of(name, scheme) for name in names]
    if sorted(map(str, known)) != sorted(scheme.sequences):
        unknown = [
            name
            for name, sequence in zip(names, known, strict=True)
            if sequence not in scheme.sequences
        ]
        what = f"{unknown[0]!r} is none of them" if unknown else f"{len(names)} names"
        raise PackError(
            f"--channels {text}: {scheme.name} has {', '.join(scheme.sequences)}; {what}"
        )
    return [str(name) for name in known]


def parse_weight(text: str) -> Weight:
    """Read a weight: a number, or NAME=NUMBER,... for the channels of the ensemble.

    Which names there are is known when all sources are packed.

    Raises:
        PackError: not so written, or not above 0.
    """
    try:
        if "=" not in text:
            return read_weight(float(text), "--weight")
        pairs = [pair.split("=") for pair in _words("--weight", text, "WT=1,ET=0.5")]
        weights = {name: float(number) for name, number in pairs}
        if len(weights) < len(pairs):
            raise PackError(f"--weight {text}: a name twice")
        return read_weight(weights, "--weight")
    except (ValueError, WeightError) as error:
        if isinstance(error, PackError):
            raise
        rule = "each must be above 0, or NAME=NUMBER,... of numbers that are not below 0"
        raise PackError(f"--weight {text}: {rule}") from error


def parse_donor(text: str, scheme: Scheme) -> tuple[str, Path]:
    """Read REGION=FOLDER of a donor.

    Raises:
        PackError: not so written, no region of the challenge, or one that takes an empty answer.
    """
    region, _, folder = text.partition("=")
    if not region or not folder:
        raise PackError(f"--donor {text}: write REGION=FOLDER_OR_ZIP")
    if fault := donor_fault(region, scheme):
        raise PackError(f"--donor {fault}")
    return region, Path(folder)


def one_each(values: Sequence[str] | None, count: int, option: str) -> list[str]:
    """Return an option's value for each source: one value for all, or one for each.

    Raises:
        PackError: another number of words.
    """
    words = list(values or [""])
    if len(words) not in (1, count):
        raise PackError(f"{option}: {len(words)} values for {count} sources")
    return words * count if len(words) == 1 else words


def _words(option: str, text: str, example: str) -> list[str]:
    words = text.split(",")
    if any(not word or any(map(str.isspace, word)) for word in words):
        raise PackError(f"{option} {text!r}: a blank or an empty name; write {example}")
    return words
