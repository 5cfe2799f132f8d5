"""Which files make a case, where any model's label maps are refined: by name, of three folders.

Label maps lie flat, one a case. Images are named as BraTS does, as nnU-Net does, or, where a
challenge has one sequence, like the label map. What is wrong with single cases is collected beside
the others, so that one bad case never hides them.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from challenge.file_names import IMAGE_ENDINGS, LABEL_SUFFIX, NNUNET_STEM, image_stem
from challenge.folders import describe_contents, entries, few
from challenge.input_cases import InputError
from challenge.nnunet_layout import described_sequences, description_of
from challenge.platforms import files_at_most_one_folder_down, match_scan_name
from challenge.scheme import Scheme

log = logging.getLogger(__name__)

Images = Mapping[str, Path]  # sequence name -> file


@dataclass(frozen=True)
class LabelMap:
    """One label map and the files that belong to it."""

    id: str  # the file's name without its ending
    path: Path
    images: Images
    probabilities: Path | None

    @property
    def output(self) -> Path:
        """Where the refined labels go, relative to the output folder; NIfTI is compressed."""
        return Path(self.id + (".mha" if self.path.suffix == ".mha" else ".nii.gz"))

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that the case is read from."""
        beside = () if self.probabilities is None else (self.probabilities,)
        return (self.path, *self.images.values(), *beside)


@dataclass(frozen=True)
class LabelMaps:
    """The cases that can be read, and what is wrong with the others, by id."""

    cases: tuple[LabelMap, ...]
    failed: Mapping[str, str]


def find_label_maps(
    labels: Path, images: Path | None, probabilities: Path | None, channels: Sequence[str]
) -> LabelMaps:
    """Find every label map of a folder, and its images and probabilities in two others.

    Args:
        labels: folder of label maps.
        images: folder of images, flat or one folder a case; None where there are none.
        probabilities: folder of `<ID>.npz`; None where there are none.
        channels: the sequences to look for, in the order in which nnU-Net numbers them.

    Raises:
        InputError: a folder is missing, or holds nothing of any case.
    """
    for folder in filter(None, (labels, images, probabilities)):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    maps = _maps(labels)
    index = _index(images, channels, {key for id in maps for key in _keys(id)}) if images else {}
    cases, failed = [], {}
    for id, paths in maps.items():
        scans = next((index[key] for key in _keys(id) if key in index), {})
        if reason := _why_not_one_case(paths, scans):
            failed[id] = reason
            continue
        if images and not scans:
            log.warning("%s: no image of the case in %s", id, images)
        first = {sequence: files[0] for sequence, files in scans.items()}
        cases.append(LabelMap(id, paths[0], first, _archive(id, probabilities)))
    for home, belongs in ((images, "images"), (probabilities, "probabilities")):
        if home and cases and not any(getattr(case, belongs) for case in cases):
            held = f"{few(case.id for case in cases)}; it holds {describe_contents(home)}"
            raise InputError(f"{home}: no {belongs} of any case, of {len(cases)}: {held}")
    return LabelMaps(tuple(cases), failed)


def known_channels(names: str | None, images: Path | None, scheme: Scheme) -> tuple[str, ...]:
    """Return the sequence of each numbered channel: as named, by dataset.json, or the scheme's.

    Raises:
        InputError: the names are not different sequences of the scheme.
    """
    if names is not None:
        channels, source = tuple(names.split(",")), f"--channels {names}"
    elif images and len(scheme.sequences) > 1 and (path := description_of(images)):
        channels, source = described_sequences(path), str(path)
        log.info("channels %s, by %s", ", ".join(channels), path)
    else:
        return scheme.sequences
    if len(set(channels)) < len(channels) or not set(channels) <= set(scheme.sequences):
        known = ",".join(scheme.sequences)
        raise InputError(f"{source}: not different sequences of {scheme.name}, {known}")
    return channels


def _maps(folder: Path) -> dict[str, list[Path]]:
    """Return the label maps of a folder by id; several of one id fail later."""
    maps = defaultdict(list)
    deeper = (path for path in files_at_most_one_folder_down(folder) if path.parent != folder)
    for paths in (entries(folder), deeper):
        for path in paths:
            if (stem := image_stem(path.name)) and path.is_file():
                maps[stem].append(path)
        if maps:
            return maps
    endings, held = ", ".join(IMAGE_ENDINGS), describe_contents(folder)
    raise InputError(
        f"{folder}: no label map found ({endings}), here or one folder deeper; it holds {held}"
    )


def _keys(id: str) -> tuple[str, str]:
    """Return the names under which other files of a case may be known, the likelier one first."""
    return id, LABEL_SUFFIX.sub("", id)


def _index(
    folder: Path, channels: Sequence[str], keys: Iterable[str]
) -> dict[str, dict[str, list[Path]]]:
    """Return the image files of a folder by case and sequence."""
    index: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in files_at_most_one_folder_down(folder):
        stem = image_stem(path.name)
        if stem is None:
            continue
        if len(channels) == 1 and stem in keys:
            index[stem][channels[0]].append(path)
        elif match := match_scan_name(path.name):
            if match["sequence"] in channels:
                index[match["id"]][match["sequence"]].append(path)
        elif match := NNUNET_STEM.match(stem):
            number = int(match["channel"])
            name = channels[number] if number < len(channels) else f"channel {number}"
            index[match["id"]][name].append(path)
    return index


def _why_not_one_case(maps: list[Path], images: Mapping[str, list[Path]]) -> str | None:
    """Return why the files of one id do not make one case, or None."""
    if len(maps) > 1:
        return f"{maps[0].parent}: two label maps of one case, {_names(maps)}"
    for sequence, paths in images.items():
        if len(paths) > 1:
            return f"{paths[0].parent}: duplicate {sequence} ({_names(paths)})"
        if sequence.startswith("channel "):
            return f"{paths[0]}: no sequence is known for {sequence}; name it in --channels"
    return None


def _names(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _archive(id: str, folder: Path | None) -> Path | None:
    """Return the file of a case's probabilities, or None; a missing one is logged."""
    if folder is None:
        return None
    for key in _keys(id):
        if (path := folder / f"{key}.npz").is_file():
            return path
    log.warning("%s: no %s.npz in %s; rules that require it are skipped", id, id, folder)
    return None
