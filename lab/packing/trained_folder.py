"""A trained nnU-Net folder, or the zip that nnU-Net exports of one, as a team hands it in.

Everything said of it names the folder or zip that the user gave, never a temporary copy.
"""

import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from challenge.git_lfs import NOT_FETCHED, is_pointer
from challenge.refusal import Refusal

CHECKPOINTS = ("final", "best", "latest")


class PackError(Refusal):
    """What was handed in cannot be packed; the message names it as the user gave it."""


@dataclass(frozen=True)
class TrainedFolder:
    """Where plans.json, dataset.json and fold_* lie."""

    name: str  # as the user knows it: the path handed in, then the path inside
    path: Path  # where it lies now; of a zip, a temporary folder
    title: str  # what the packed copy is called
    plans: dict[str, Any]
    dataset: dict[str, Any]


@contextmanager
def trained_folder(source: Path, configuration: str = "") -> Iterator[TrainedFolder]:
    """Yield the one trained folder at or under a path, or in an exported zip.

    `configuration` chooses where there are several (nnU-Net exports all that it finds).

    Raises:
        PackError: nothing there, no zip, not exactly one trained folder, files that are not JSON.
    """
    if not source.exists():
        raise PackError(f"{source}: no such folder or zip")
    if source.is_dir():
        yield _open(source, source, configuration)
        return
    with tempfile.TemporaryDirectory() as scratch:
        _unzip(source, Path(scratch))
        yield _open(source, Path(scratch), configuration)


@dataclass(frozen=True)
class Folds:
    """Which folds of a trained folder are packed."""

    taken: tuple[str, ...]
    left_out: dict[str, str]  # fold -> why


def folds_of(folder: TrainedFolder, checkpoint: str, requested: Sequence[str] | None) -> Folds:
    """Return the folds to pack: those requested, or what nnU-Net's predictor takes.

    That is every numbered fold that has the checkpoint; fold_all only where there is no other.

    Raises:
        PackError: no such checkpoint, or a fold is requested twice.
    """
    present = _folds_with(folder, checkpoint)
    if requested:
        if absent := [fold for fold in requested if fold not in present]:
            there = ", ".join(present) or "none"
            raise PackError(f"{folder.name}: no fold_{absent[0]}/{checkpoint}.pth; folds: {there}")
        if len(set(requested)) < len(requested):
            raise PackError(f"{folder.name}: --folds {' '.join(requested)} names a fold twice")
        return _folds(folder, requested, f"--folds takes {', '.join(requested)}", checkpoint)
    numbered = [fold for fold in present if fold.isdecimal()]
    chosen = numbered or [fold for fold in present if fold == "all"]
    if not chosen:
        raise PackError(f"{folder.name}: no fold_*/{checkpoint}.pth{_instead(folder)}")
    others = "numbered folds are taken without it, as nnU-Net does; --folds takes it"
    return _folds(folder, chosen, others, checkpoint)


@contextmanager
def naming(folder: TrainedFolder) -> Iterator[None]:
    """Let what is refused within name the folder as the user knows it.

    Raises:
        PackError: in place of any refusal.
    """
    try:
        yield
    except Refusal as error:
        text = str(error).replace(str(folder.path), folder.name)
        is_named = text.startswith((f"{folder.name}/", f"{folder.name}:"))
        raise PackError(text if is_named else f"{folder.name}: {text}") from error


def read_object(path: Path, name: str) -> dict[str, Any]:
    """Read a file that holds one JSON object; `name` is what the user knows it by.

    Raises:
        PackError: it is missing, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PackError(f"{name}: missing") from error
    except (OSError, ValueError, RecursionError) as error:
        reason = NOT_FETCHED if path.is_file() and is_pointer(path) else error
        raise PackError(f"{name}: not JSON ({reason})") from error
    if not isinstance(content, dict):
        raise PackError(f"{name}: holds no object")
    return content


def _open(source: Path, root: Path, configuration: str) -> TrainedFolder:
    homes = [path.parent for path in sorted(root.rglob("plans.json")) if _has_folds(path.parent)]
    if len(homes) > 1 and configuration:
        homes = [home for home in homes if home.name.endswith(f"__{configuration}")]
    if len(homes) != 1:
        listed = ", ".join(str(home.relative_to(root)) for home in homes[:5])
        several = f" ({listed}); name one, or say --configuration" if homes else ""
        raise PackError(
            f"{source}: {len(homes)} folders with plans.json and fold_*, one expected{several}"
        )
    (home,) = homes
    inside = home.relative_to(root)
    title = home.resolve().name if source.is_dir() or inside.parts else source.stem
    name = str(source / inside)
    plans, dataset = (
        read_object(home / file, f"{name}/{file}") for file in ("plans.json", "dataset.json")
    )
    return TrainedFolder(name, home, title, plans, dataset)


def _has_folds(home: Path) -> bool:
    return any(path.is_dir() for path in home.glob("fold_*"))


def _fold_names(folder: TrainedFolder) -> set[str]:
    folds = (path for path in folder.path.glob("fold_*") if path.is_dir())
    return {path.name.removeprefix("fold_") for path in folds}


def _folds_with(folder: TrainedFolder, checkpoint: str) -> list[str]:
    """Return the folds that have a checkpoint, by number, others behind."""
    names = {n for n in _fold_names(folder) if _checkpoint(folder, n, checkpoint).is_file()}
    numbered = {name for name in names if name.isascii() and name.isdecimal()}
    return [*sorted(numbered, key=int), *sorted(names - numbered)]


def _folds(folder: TrainedFolder, taken: Sequence[str], why: str, checkpoint: str) -> Folds:
    present, absent = _folds_with(folder, checkpoint), f"it has no {checkpoint}.pth"
    left_out = sorted(_fold_names(folder) - set(taken))
    return Folds(tuple(taken), {fold: why if fold in present else absent for fold in left_out})


def _checkpoint(folder: TrainedFolder, fold: str, checkpoint: str) -> Path:
    return folder.path / f"fold_{fold}" / f"{checkpoint}.pth"


def _instead(folder: TrainedFolder) -> str:
    """Say which checkpoints are there."""
    for word in CHECKPOINTS:
        if folds := _folds_with(folder, f"checkpoint_{word}"):
            return f"; --checkpoint {word} is there, of fold {', '.join(folds)}"
    return ""


def _unzip(source: Path, scratch: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            for name in archive.namelist():
                parts = PurePosixPath(name.replace("\\", "/"))
                if parts.is_absolute() or ".." in parts.parts:
                    raise PackError(f"{source}: {name!r} points outside of the zip")
            archive.extractall(scratch)
    except zipfile.BadZipFile as error:
        raise PackError(f"{source}: neither a folder nor a sound zip ({error})") from error
    except (RuntimeError, NotImplementedError, OSError, zlib.error, EOFError) as error:
        raise PackError(f"{source}: cannot be unzipped ({error})") from error
