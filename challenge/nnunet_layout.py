"""Cases as nnU-Net has them: <case>_0000.nii.gz, <case>_0001.nii.gz ... in one folder.

The folder may be a raw dataset with imagesTs and imagesTr. Which sequence a number is stands in
dataset.json, beside the images or above them, or is said by who calls; nothing is guessed.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from challenge.case import CaseFiles
from challenge.challenges import scheme_of_id
from challenge.channels import ChannelsError, numbered_names, sequences_of
from challenge.file_names import METAIMAGE_ENDING, NIFTI_ENDINGS, NNUNET_STEM, image_stem
from challenge.folders import entries
from challenge.input_cases import InputCases, InputError, fault_of, with_sequences

log = logging.getLogger("podium")

PLATFORM = "nnunet"
IMAGE_FOLDERS = ("imagesTs", "imagesTr")  # of a raw dataset, the first one that has images counts
DATASET = "dataset.json"
LONGEST_JSON = 2**24


def nnunet_cases(folder: Path, channels: Sequence[str] | None = None) -> InputCases | None:
    """List the cases of a folder of numbered images; None where there are none.

    Args:
        folder: the images' folder, or a raw dataset.
        channels: what the numbers stand for, in their order; None: as dataset.json says.

    Raises:
        InputError: neither says what a number stands for, or a name is no sequence.
    """
    homes = [folder / name for name in IMAGE_FOLDERS] + [folder]
    numbered = {home: by_case for home in homes if (by_case := _numbered(home))}
    if not numbered:
        return None
    home, *others = numbered
    for other in others:
        log.warning("%s: not read, %s is; --input %s reads it", other, home, other)
    sequences, source = _sequences(home, channels)
    listed = ", ".join(f"{number:04d} {name}" for number, name in enumerate(sequences))
    log.info("channels: %s, by %s", listed, source)
    cases, failed = [], {}
    for id, files in sorted(numbered[home].items()):
        unknown = [path for number, path in files if number >= len(sequences)]
        scans = [(sequences[n], path) for n, path in files if n < len(sequences)]
        if unknown:
            failed[id] = f"{unknown[0]}: {source} names {len(sequences)} channels only"
        elif fault := fault_of(scans):
            failed[id] = fault
        else:
            cases.append(_case(id, dict(scans), sequences))
    return InputCases(PLATFORM, tuple(cases), failed)


def _numbered(home: Path) -> dict[str, list[tuple[int, Path]]]:
    """Return the channel numbers and files of each case of a folder."""
    cases: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for path in entries(home):
        if match := NNUNET_STEM.match(image_stem(path.name) or ""):
            cases[match["id"]].append((int(match["channel"]), path))
    return dict(cases)


def _case(id: str, images: dict[str, Path], sequences: tuple[str, ...]) -> CaseFiles:
    scheme = scheme_of_id(id)
    is_metaimage = next(iter(images.values())).name.endswith(METAIMAGE_ENDING)
    output = Path(id + (METAIMAGE_ENDING if is_metaimage else NIFTI_ENDINGS[0]))
    files = CaseFiles(id, images, "", output, scheme.name if scheme else None)
    return with_sequences(files, sequences)


def description_of(home: Path) -> Path | None:
    """Return the dataset.json beside a folder's images or above them, or None."""
    return next((p / DATASET for p in (home, home.parent) if (p / DATASET).is_file()), None)


def described_sequences(path: Path) -> tuple[str, ...]:
    """Return the sequences of the numbers 0, 1, ... by a dataset.json.

    Raises:
        InputError: it names no channels, or some that are no sequences.
    """
    return _checked(_read_names(path), str(path))


def _sequences(home: Path, channels: Sequence[str] | None) -> tuple[tuple[str, ...], str]:
    """Return the sequence of each number, and who says so."""
    if channels is not None:
        return _checked(channels, "--channels"), "--channels"
    path = description_of(home)
    if path is None:
        raise InputError(
            f"{home}: images are numbered, and no {DATASET} beside or above them says what a "
            "number stands for; say so with --channels, e.g. --channels t1n,t1c,t2w,t2f"
        )
    return described_sequences(path), str(path)


def _checked(names: Sequence[str], source: str) -> tuple[str, ...]:
    try:
        return sequences_of(names)
    except ChannelsError as error:
        raise InputError(f"{source}: {error}; name the sequences with --channels") from error


def _read_names(path: Path) -> list[str]:
    if path.stat().st_size > LONGEST_JSON:
        raise InputError(f"{path}: more than {LONGEST_JSON} bytes")
    try:
        return numbered_names(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: names no channels ({error}); use --channels") from error
