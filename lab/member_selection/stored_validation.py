"""nnU-Net's own out-of-fold predictions: `fold_*/validation` of a results folder.

`nnUNetv2_train` writes the labels of each validation case there, and with `--npz` (or `--val --npz`
after training) its probabilities. They spare the prediction of a case where every member that never
saw it left them; one case is predicted here too, and must agree, else all are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from challenge.case import Case
from challenge.refusal import Refusal
from challenge.volume import read_volume
from ensemble.average import ProbabilityMean
from ensemble.cascade import in_run_order
from ensemble.heads import to_head
from ensemble.manifest import MANIFEST, Member, Model, read_manifest
from lab.member_selection.splits import by_source

MOST_DIFFERING = 0.01  # of the foreground, between nnU-Net's labels and ours of a case


class ValidationError(Refusal):
    """nnU-Net's validation is not what the packed members predict."""


@dataclass(frozen=True)
class StoredValidation:
    """Where the sources of a model keep their validations."""

    folders: Mapping[str, Path]  # source -> results folder with fold_*

    def archive(self, member: Member, id: str) -> Path:
        """Return where nnU-Net writes the probabilities of a case."""
        source, fold = member.checkpoint.parents[1].name, member.checkpoint.parent.name
        return self.folders[source] / fold / "validation" / f"{id}.npz"

    def has_probabilities(self, members: Sequence[Member], id: str) -> bool:
        """Return whether every member left its probabilities of a case."""
        return all(self.archive(member, id).is_file() for member in members)

    def labels_path(self, members: Sequence[Member], id: str, ending: str) -> Path | None:
        """Return the labels of a case that one member alone predicts, if nnU-Net left them."""
        if len(members) != 1:
            return None
        path = self.archive(members[0], id).with_name(f"{id}{ending}")
        return path if path.is_file() else None


def validation_fault(model: Model) -> str | None:
    """Say what of a model nnU-Net's validation cannot stand for, or None."""
    if model.donors:
        return "a donor"
    if any(member.previous_stage for member in model.members):
        return "a cascade"
    return "weights of small cases" if model.small_cases else None


def open_validation(folders: Sequence[Path], model: Model) -> StoredValidation:
    """Return the validations of a model's sources.

    Args:
        folders: nnU-Net's results folder of each source, in the order of the packed model.
        model: of these sources.

    Raises:
        ValidationError: another number of folders than sources, or one without fold_*.
    """
    sources = list(by_source(model.members))
    if len(folders) != len(sources):
        listed = ", ".join(sources)
        raise ValidationError(
            f"--validation: {len(folders)} folders for {len(sources)} sources ({listed})"
        )
    for folder in folders:
        if not any(folder.glob("fold_*")):
            raise ValidationError(f"{folder}: no fold_* in it, so no validation of nnU-Net")
    return StoredValidation(dict(zip(sources, folders, strict=True)))


def read_probabilities(path: Path, member: Member, shape: tuple[int, ...]) -> np.ndarray:
    """Read a member's probabilities (channel, z, y, x) float32 of a case of shape (z, y, x).

    Raises:
        ValidationError: the file is damaged, or of another shape.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            probabilities = archive["probabilities"].astype(np.float32)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ValidationError(f"{path}: cannot be read as nnU-Net's npz ({error})") from error
    expected = (len(member.head.channels), *shape)
    if probabilities.shape != expected:
        raise ValidationError(f"{path}: shape {probabilities.shape}, the case has {expected}")
    return probabilities


def mean_probabilities(
    stored: StoredValidation, members: Sequence[Member], case: Case, model: Model
) -> np.ndarray:
    """Return the members' mean probabilities (channel, z, y, x) in the model's head.

    Folds of one network never share a case, so that the mean is over probabilities, as in
    `ensemble.predict`.
    """
    mean = ProbabilityMean(model.head)
    for member in in_run_order(members):
        path = stored.archive(member, case.id)
        probabilities = read_probabilities(path, member, case.shape)
        mean.add(
            to_head(probabilities, member.head, model.head), member.weight, member.channel_weights
        )
    return mean.value(case.shape)


def value_table(model: Model) -> np.ndarray:
    """Return what nnU-Net's label values of a model's first source mean: (256,) uint8."""
    table = np.zeros(256, np.uint8)
    entry = read_manifest(model.folder / MANIFEST)["members"][0]
    for value, name in entry["labels"].items():
        table[int(value)] = model.scheme.labels[name]
    return table


def read_labels(path: Path, model: Model, shape: tuple[int, ...]) -> np.ndarray:
    """Read nnU-Net's labels of a case of shape (z, y, x), in the values of the model's scheme.

    Raises:
        CaseError: the file cannot be read.
        ValidationError: it has another shape.
    """
    labels = read_volume(path, np.uint8).array
    if labels.shape != shape:
        raise ValidationError(f"{path}: shape {labels.shape}, the case has {shape}")
    return np.asarray(value_table(model)[labels])


@dataclass(frozen=True)
class Agreement:
    """How nnU-Net's labels of a case and ours agree."""

    differing: int  # voxels
    foreground: int  # voxels that either calls foreground

    @property
    def is_close(self) -> bool:
        """Return whether they are those of the same network."""
        return self.differing <= MOST_DIFFERING * max(self.foreground, 1)

    def sentence(self, path: Path) -> str:
        """Return the agreement in words, and what follows from it."""
        counts = f"{self.differing} of {self.foreground} foreground voxels differ from ours"
        if self.is_close:
            return f"{path}: {counts}"
        return (
            f"{path}: {counts}, so that nnU-Net's validation is not used and all cases are "
            "predicted here; is it of another checkpoint, or of other mirroring?"
        )


def compare(stored: np.ndarray, here: np.ndarray) -> Agreement:
    """Compare nnU-Net's labels (z, y, x) of a case with ours."""
    foreground = int(((stored > 0) | (here > 0)).sum())
    return Agreement(int((stored != here).sum()), foreground)
