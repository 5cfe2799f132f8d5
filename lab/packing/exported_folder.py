"""A folder with member.json and programs, as a team or `lab export` writes it.

A fold's program is `fold_<k>/program.pt2` of torch.export, or `program.onnx`; of both the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from typing import Any

from challenge.provenance import sha256_of
from challenge.scheme import Scheme
from ensemble.exported_archive import read_archive, write_slim
from ensemble.exported_graph import read_graph
from ensemble.exported_member import (
    EXPORTED,
    MEMBER_FILE,
    ONNX_FILE,
    PROGRAM_FILES,
    Description,
    read_description,
)
from ensemble.onnx_file import check_onnx
from lab.packing.pack_source import Source, write_object
from lab.packing.trained_folder import Folds, PackError, read_object
from lab.packing.trained_network import STRICT

ANY_PROGRAM = " or ".join(PROGRAM_FILES.values())


@dataclass(frozen=True)
class PackedFrom:
    """Where member.json and programs lie, and where these come from."""

    path: Path
    origin: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # for the manifest
    entry: Mapping[str, Any] = field(default_factory=dict)  # of every member in the manifest
    seconds_a_tile: float = 0.0  # of the framework that they come from, where it was run


def is_exported(path: Path) -> bool:
    """Return whether a source is a folder with member.json."""
    return (path / MEMBER_FILE).is_file()


def exported_folds(path: Path, requested: Sequence[str] | None) -> Folds:
    """Return the folds that have a program: those requested, or all numbered ones.

    Raises:
        PackError: there is none, or not one that is requested.
    """
    programs = [each for name in PROGRAM_FILES.values() for each in path.glob(f"fold_*/{name}")]
    present = sorted({program.parent.name.removeprefix("fold_") for program in programs})
    if not present:
        raise PackError(f"{path}: no fold_*/{ANY_PROGRAM} beside {MEMBER_FILE}")
    return choose_folds(path, present, requested)


def choose_folds(path: Path, present: Sequence[str], requested: Sequence[str] | None) -> Folds:
    """Return the folds to pack of those that are there: those requested, or all numbered ones.

    Raises:
        PackError: one that is requested is not there.
    """
    if absent := [fold for fold in requested or () if fold not in present]:
        raise PackError(f"{path}: no fold {absent[0]}; folds: {', '.join(present)}")
    taken = tuple(requested or sorted(filter(str.isdecimal, present), key=int) or present)
    why = (
        f"--folds takes {', '.join(taken)}" if requested else "numbered folds are taken without it"
    )
    return Folds(taken, {fold: why for fold in present if fold not in taken})


def pack_exported(
    source: Source, folds: Sequence[str], home: Path, scheme: Scheme, packed_from: PackedFrom
) -> list[dict[str, Any]]:
    """Write one folder's member.json and programs into a model; return its manifest entries.

    Args:
        source: what the user says of it.
        folds: to pack.
        home: the new folder.
        scheme: the challenge whose names are used.
        packed_from: where member.json and the programs lie.

    Raises:
        Refusal: member.json or a program cannot be followed.
    """
    described_by = packed_from.path / MEMBER_FILE
    content = read_object(described_by, str(described_by))
    described = read_description(content, scheme, home.name)
    home.mkdir()
    write_object(home / MEMBER_FILE, content)
    print(_sentence(source, described))
    entries = []
    for fold in folds:
        program = _program_of(packed_from.path / f"fold_{fold}")
        entry = _pack_fold(source, program, home, scheme, described)
        entry["provenance"] |= packed_from.origin.get(fold, {})
        entries.append({**entry, **packed_from.entry})
    return entries


def refuse_options(source: Source) -> None:
    """Refuse options that trained folders of nnU-Net have.

    Raises:
        PackError: the message names the option.
    """
    options = {
        "--labels": source.labels,
        "--channels": source.channels,
        "--half": source.half,
        "--orientation": source.orientation,
        "--cohort": source.cohort,
        "--configuration and --foreign-trainer": source.accepted != STRICT,
    }
    if unused := [option for option, value in options.items() if value]:
        raise PackError(
            f"{source.path}: {unused[0]} is of trained folders; {MEMBER_FILE} says all of it"
        )


def _sentence(source: Source, described: Description) -> str:
    names = [paint or "background" for paint in described.head.paints]
    return (
        f"{source.path}: {described.network or 'an exported network'}; channels "
        f"{', '.join(described.sequences)}; {described.head.kind}, painting {', '.join(names)}"
    )


def _pack_fold(
    source: Source, program: Path, home: Path, scheme: Scheme, described: Description
) -> dict[str, Any]:
    fold = program.parent.name.removeprefix("fold_")
    packed = home / program.parent.name / program.name
    packed.parent.mkdir()
    torch_version = _copy_program(program, packed)
    painted = {name for channel in described.head.channels for name in channel}
    return {
        "folder": home.name,
        "group": home.name,
        "format": next(kind for kind, name in PROGRAM_FILES.items() if name == program.name),
        "configuration": EXPORTED,
        "fold": fold,
        "checkpoint": program.stem,
        "weight": source.weight,
        **({"donor": source.donor} if source.donor else {}),
        "labels": {str(v): name for name, v in scheme.labels.items() if name in painted},
        "sha256": sha256_of(packed),
        "size_bytes": packed.stat().st_size,
        "provenance": {
            "trainer": None,
            "epochs": None,
            "network": described.network,
            "exported_by_torch": torch_version,
            "trained_sha256": sha256_of(program),
        },
    }


def _program_of(fold: Path) -> Path:
    """Return a fold's program, and say which one is left."""
    first, *others = [fold / n for n in PROGRAM_FILES.values() if (fold / n).is_file()]
    for other in others:
        print(f"{other} is not packed: {first.name} beside it is")
    return first


def _copy_program(program: Path, packed: Path) -> str | None:
    """Write what is run of a program; return the version of torch that exported it, if it says so.

    Raises:
        ExportedError: it cannot be followed.
    """
    if program.name == ONNX_FILE:
        check_onnx(program)
        copyfile(program, packed)
        return None
    graph = read_graph(read_archive(program).program)
    write_slim(program, packed)
    return graph.torch_version
