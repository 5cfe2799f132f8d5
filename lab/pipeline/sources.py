"""Results folders as teams have them: their names, what they are by hash, and nnU-Net's splits."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from challenge.provenance import Provenance, hash_json, sha256_of
from challenge.refusal import Refusal
from ensemble.exported_member import MEMBER_FILE, PROGRAM_FILE
from lab.json_files import read_json
from lab.packing.monai_folder import WEIGHT_FILES

# What a fold of another framework's holds, one of these.
OF_MEMBERS = (PROGRAM_FILE, *WEIGHT_FILES)
SPLITS, PREPROCESSED = "splits_final.json", "nnUNet_preprocessed"


class SourceError(Refusal):
    """A results folder or splits that a submission cannot use."""


@dataclass(frozen=True)
class Source:
    """One trained folder: nnU-Net's with plans.json, or another framework's with member.json."""

    name: str  # unlike those of the others
    folder: Path
    folds: tuple[str, ...]  # with the checkpoint, "0", "1", ...
    checkpoint: str = "final"
    number: int = 0  # of the folder, among those that were handed in

    @property
    def is_nnunets(self) -> bool:
        """Return whether nnU-Net trained it."""
        return (self.folder / "plans.json").is_file()

    @property
    def has_probabilities(self) -> bool:
        """Return whether nnU-Net's validation left an npz in every fold."""
        return self.is_validated and all(any(p.glob("*.npz")) for p in self.validations)

    @property
    def has_labels(self) -> bool:
        """Return whether nnU-Net's validation left files in every fold."""
        return self.is_validated and all(any(path.glob("*")) for path in self.validations)

    @property
    def is_validated(self) -> bool:
        """Return whether nnU-Net's validation is of this checkpoint: it is of the last one."""
        return self.checkpoint == "final"

    @property
    def validations(self) -> list[Path]:
        """Return the folders of nnU-Net's validations."""
        return [self.folder / f"fold_{fold}" / "validation" for fold in self.folds]


def find_sources(paths: Sequence[Path], checkpoints: Sequence[str]) -> list[Source]:
    """Return the trained folders at, or anywhere under, the paths, each at each checkpoint.

    Raises:
        SourceError: a path holds none, or one without numbered folds that have a checkpoint.
    """
    homes: list[Path] = []
    for path in paths:
        trained = _trained_below(path) if path.is_dir() else []
        if not trained:
            kind = "no such folder" if not path.is_dir() else "no plans.json beside fold_* in it"
            needed = f"nnU-Net's results folder of a training, or {MEMBER_FILE}, is needed"
            raise SourceError(f"{path}: {kind}; {needed}")
        homes += [home.resolve() for home in trained if home.resolve() not in homes]
    names = [home.name for home in homes]
    sources = []
    for number, home in enumerate(homes):
        name = home.name
        if names.count(name) > 1:  # the dataset's name tells them apart
            name = f"{home.parent.name}-{name}"
        is_nnunets = (home / "plans.json").is_file()
        _refuse_cascade(home)
        for checkpoint in checkpoints if is_nnunets else checkpoints[:1]:
            suffix = f"-{checkpoint}" if len(checkpoints) > 1 and is_nnunets else ""
            folds = numbered_folds(home, checkpoint)
            sources.append(Source(f"{name}{suffix}", home, folds, checkpoint, number))
    if len({source.name for source in sources}) < len(sources):
        raise SourceError(f"{', '.join(s.name for s in sources)}: several folders of one name")
    return sources


def _refuse_cascade(home: Path) -> None:
    """Refuse the second stage of a cascade: sources are packed one by one here.

    Raises:
        SourceError: it is one, by the configuration that its name ends with.
    """
    if not (home / "plans.json").is_file():
        return
    settings = read_json(home / "plans.json").get("configurations", {})
    configuration = home.name.rsplit("__", 1)[-1]
    if stage := dict(settings.get(configuration, {})).get("previous_stage"):
        raise SourceError(
            f"{home}: {configuration} is the second stage of a cascade, which `lab submit` cannot "
            f"pack without its {stage}; name the other folders, or `lab pack` both together"
        )


def numbered_folds(home: Path, checkpoint: str) -> tuple[str, ...]:
    """Return the folds of a trained folder that left cases out and have a checkpoint.

    Raises:
        SourceError: there are none.
    """
    if (home / "plans.json").is_file():
        files, looked_for = [f"checkpoint_{checkpoint}.pth"], f"checkpoint_{checkpoint}.pth"
    else:
        files, looked_for = [*OF_MEMBERS], PROGRAM_FILE
    paths = {path.parent for name in files for path in home.glob(f"fold_*/{name}")}
    folds = (path.name.removeprefix("fold_") for path in paths)
    numbered = tuple(sorted(fold for fold in folds if fold.isdecimal()))
    if not numbered:
        raise SourceError(f"{home}: no fold_N/{looked_for}; numbered folds are needed")
    return numbered


def source_record(source: Source) -> Provenance:
    """Return the record of a trained folder: hashes of what describes it, and of its weights."""
    if source.is_nnunets:
        names = ["plans.json", "dataset.json"]
        names += [f"fold_{fold}/checkpoint_{source.checkpoint}.pth" for fold in source.folds]
    else:
        files = [f"fold_{fold}/{name}" for fold in source.folds for name in OF_MEMBERS]
        names = [MEMBER_FILE, *(name for name in files if (source.folder / name).is_file())]
    hashes = {name: sha256_of(source.folder / name) for name in names}
    return Provenance(
        "trained folder", source.name, hash_json(hashes), facts={"folds": len(source.folds)}
    )


def find_splits(cohort: Path, sources: Sequence[Source], work: Path) -> Path:
    """Return nnU-Net's splits of a cohort's training.

    They lie in nnUNet_preprocessed, beside the raw dataset or where the environment says; else what
    each fold validated says which cases it left out, and is written to the work folder.

    Raises:
        SourceError: neither is there; the message says where was looked.
    """
    preprocessed = [cohort.resolve().parents[1] / PREPROCESSED]
    if folder := os.environ.get(PREPROCESSED):
        preprocessed.insert(0, Path(folder))
    candidates = [folder / cohort.resolve().name / SPLITS for folder in preprocessed]
    for path in candidates:
        if path.is_file():
            return path
    by_source = (validated_cases(cohort, source) for source in sources)
    by_fold = next(filter(None, by_source), None)
    if by_fold is None:
        listed = ", ".join(map(str, candidates))
        raise SourceError(
            f"{cohort}: no {SPLITS} ({listed}), and {sources[0].folder}/fold_* hold no validation; "
            "name the splits with --splits"
        )
    everything = sorted(id for ids in by_fold.values() for id in ids)
    folds = [
        {"train": sorted(set(everything) - set(by_fold.get(n, ()))), "val": by_fold.get(n, [])}
        for n in range(max(by_fold) + 1)
    ]
    path = work / SPLITS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(folds, indent=1) + "\n", encoding="utf-8")
    return path


def check_splits(
    cohort: Path, sources: Sequence[Source], folds: Sequence[Mapping[str, Sequence[str]]]
) -> None:
    """Refuse splits that a source was visibly not trained by: its folds would know their cases.

    Args:
        cohort: nnU-Net raw dataset folder.
        sources: whose validations, where they have any, say which cases each fold left out; where
            they have none, the dataset's name in plans.json has to be the cohort's.
        folds: of the splits, "train" and "val".

    Raises:
        SourceError: the message names the source, and what differs.
    """
    name = cohort.resolve().name
    for source in sources:
        by_fold = validated_cases(cohort, source)
        if by_fold is None:
            if not source.is_nnunets:
                continue  # nothing says what it was trained on; the plan that is printed does
            trained_on = str(read_json(source.folder / "plans.json").get("dataset_name", name))
            if trained_on != name:
                raise SourceError(
                    f"{source.folder}: trained on {trained_on}, the cohort is {name}, and no "
                    "validation says which of its cases each fold left out; leave it out, or name "
                    "its splits to `lab out-of-fold`"
                )
            continue
        for fold, ids in by_fold.items():
            left_out = set(folds[fold]["val"]) if fold < len(folds) else set()
            if odd := sorted(set(ids) ^ left_out):
                raise SourceError(
                    f"{source.folder}/fold_{fold}: validated other cases than the splits leave out "
                    f"({', '.join(odd[:5])}); it was trained by other splits"
                )


def validated_cases(cohort: Path, source: Source) -> Mapping[int, list[str]] | None:
    """Return the cases that nnU-Net validated, by fold; None where a fold has no validation."""
    if not source.is_nnunets:
        return None
    ending = str(read_json(cohort / "dataset.json").get("file_ending", ""))
    by_fold = {}
    for fold, folder in zip(source.folds, source.validations, strict=True):
        ids = sorted(path.name.removesuffix(ending) for path in folder.glob(f"*{ending}"))
        if not ids:
            return None
        by_fold[int(fold)] = ids
    return by_fold


def _trained_below(path: Path) -> list[Path]:
    """Return the folders at or under a path with fold_*, and plans.json or member.json."""
    described = {each.parent for name in ("plans.json", MEMBER_FILE) for each in path.rglob(name)}
    return sorted(home for home in described if any(home.glob("fold_*")))
