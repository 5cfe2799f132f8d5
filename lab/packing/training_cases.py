"""Which cases a fold was trained on: nnU-Net's splits, or what the other folds validated."""

import os
from pathlib import Path

from challenge.file_names import image_stem
from lab.json_files import read_json

SPLITS, PREPROCESSED = "splits_final.json", "nnUNet_preprocessed"
ALL = "all"  # fold_all: trained on every case, and validated on every case too


def training_cases(home: Path, fold: str) -> tuple[str, ...] | None:
    """Return the ids of a fold's training cases, sorted; None where nothing says which they are.

    Source: `nnUNet_preprocessed/<dataset>/splits_final.json` where the variable names it, else the
    label maps in `fold_*/validation`: a fold was trained on what the others left out. Splits that
    train on what the fold validated are of another training, and do not count.

    Args:
        home: trained folder, .../<dataset>/<trainer>__<plans>__<configuration>.
        fold: its number, or "all".
    """
    by_splits = _by_splits(home.resolve().parent.name, fold)
    if by_splits is None or (
        fold != ALL and not _ids(home / f"fold_{fold}" / "validation").isdisjoint(by_splits)
    ):
        return _by_validation(home, fold)
    return by_splits


def _by_splits(dataset: str, fold: str) -> tuple[str, ...] | None:
    folder = os.environ.get(PREPROCESSED, "")
    path = Path(folder) / dataset / SPLITS
    if not folder or not path.is_file():
        return None
    folds = read_json(path)
    try:
        if fold == ALL:
            ids = {id for each in folds for part in ("train", "val") for id in each[part]}
        else:
            ids = set(folds[int(fold)]["train"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None  # of another training than this one
    return tuple(sorted(map(str, ids)))


def _by_validation(home: Path, fold: str) -> tuple[str, ...] | None:
    """Return the cases that the other folds validated, where each has a validation."""
    validated = {
        path.name.removeprefix("fold_"): _ids(path / "validation")
        for path in home.glob("fold_*")
        if path.is_dir()
    }
    if fold == ALL:
        return tuple(sorted(validated[ALL])) or None
    numbered = {name: ids for name, ids in validated.items() if name.isdecimal()}
    if len(numbered) < 2 or not all(numbered.values()):
        return None
    ids = {id for name, of_fold in numbered.items() if name != fold for id in of_fold}
    return tuple(sorted(ids - numbered[fold]))


def _ids(validation: Path) -> set[str]:
    """Return the cases that a fold's validation has label maps of."""
    return {stem for path in validation.glob("*") if (stem := image_stem(path.name))}
