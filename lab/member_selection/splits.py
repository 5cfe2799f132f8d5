"""nnU-Net's splits_final.json, and which members of a model were trained without a case."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from challenge.refusal import Refusal
from ensemble.manifest import Member
from lab.json_files import read_json

Fold = Mapping[str, list[str]]  # of nnU-Net's splits: "train" and "val", case ids


class SplitsError(Refusal):
    """Splits that are none, or that a model's members do not fit."""


def read_splits(path: Path, cohort: Collection[str]) -> list[Fold]:
    """Read nnU-Net's splits_final.json.

    Raises:
        SplitsError: not splits, a case in no cohort, in two folds' validation, or in both parts of
            one fold: its prediction would come from a network that was trained on it.
    """
    folds = read_json(path)
    try:
        parts = [fold[part] for fold in folds for part in ("train", "val")]
        if odd := [p for p in parts if not isinstance(p, list) or not all(map(_is_text, p))]:
            raise TypeError(f"{odd[0]!s:.60} is no list of case ids")
        held_out = [id for fold in folds for id in fold["val"]]
        both = [id for fold in folds for id in set(fold["val"]) & set(fold["train"])]
    except (KeyError, TypeError) as error:
        raise SplitsError(f"{path}: not nnU-Net's splits ({error!r})") from error
    if twice := sorted(id for id, n in Counter(held_out).items() if n > 1):
        raise SplitsError(f"{path}: folds overlap, {', '.join(twice[:5])} validated twice")
    if both:
        raise SplitsError(f"{path}: {', '.join(sorted(both)[:5])} trained on and validated alike")
    if unknown := sorted(set(held_out) - set(cohort)):
        raise SplitsError(f"{path}: {', '.join(unknown[:5])} not in the cohort")
    return list(folds)


def _is_text(id: object) -> bool:
    return isinstance(id, str)


def fold_of(member: Member, splits: Sequence[Fold]) -> int:
    """Return the fold a member was trained without, from its folder's name.

    Raises:
        SplitsError: the splits do not know the fold, or the member was trained on all cases.
    """
    fold = member.checkpoint.parent.name.removeprefix("fold_")
    if fold == "all":
        raise SplitsError(f"{member.name}: fold_all was trained on every case and left none out")
    if not fold.isdigit() or int(fold) >= len(splits):
        raise SplitsError(
            f"{member.name}: fold {fold!r} is not in the splits (0..{len(splits) - 1})"
        )
    return int(fold)


def by_source(members: Sequence[Member]) -> dict[str, list[Member]]:
    """Gather members by the trained folder that they come from, in the order of the manifest."""
    sources: dict[str, list[Member]] = {}
    for member in members:
        sources.setdefault(member.checkpoint.parents[1].name, []).append(member)
    return sources


def members_without(
    members: Sequence[Member], splits: Sequence[Sequence[Fold]]
) -> dict[str, tuple[Member, ...]]:
    """Return the members that were trained without each case, by case id.

    Args:
        members: of a model.
        splits: of all sources, or of each source in the order of `by_source`.

    Returns:
        Cases in the order of the folds of the first source; those that each averaged member saw are
        absent. A donor is among the members of the cases that it did not see.

    Raises:
        SplitsError: another number of splits than sources, or a member that they do not fit.
    """
    sources = by_source(members)
    if len(splits) not in (1, len(sources)):
        raise SplitsError(
            f"--splits: {len(splits)} files for {len(sources)} sources ({', '.join(sources)}); "
            "one for all, or one for each in this order"
        )
    unseen: dict[str, list[Member]] = {}
    for number, of_source in enumerate(sources.values()):
        folds = splits[number if len(splits) > 1 else 0]
        for member in of_source:
            for id in folds[fold_of(member, folds)]["val"]:
                unseen.setdefault(id, []).append(member)
    for id, of_case in unseen.items():
        _check_previous_stages(id, of_case)
    return {
        id: tuple(each) for id, each in unseen.items() if any(member.is_averaged for member in each)
    }


def _check_previous_stages(id: str, members: Sequence[Member]) -> None:
    """Refuse a case whose labels, as a cascade sees them, would come from no network or one of it.

    nnU-Net trains the second stage on labels that the previous stage's fold left of its validation.

    Raises:
        SplitsError: naming the member and the case.
    """
    groups = {member.group for member in members}
    for member in members:
        if member.previous_stage and member.previous_stage not in groups:
            raise SplitsError(
                f"{member.name}: every packed member of its previous stage "
                f"{member.previous_stage} was trained on {id}; pack that fold too"
            )
