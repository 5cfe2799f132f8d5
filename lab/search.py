"""Rules by arithmetic: component tables, a grid search over them, and what it gains out of fold.

A case is reduced once to a table: the size of every predicted component of every label, and its
overlap with every reference region. Removing components and relabelling whole labels only adds
and moves such numbers, so voxel-wise Dice after any of the rules searched here is exact without
touching an image (a test compares the two).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from challenge.scheme import Scheme
from postprocess.components import find_components
from postprocess.rules import RelabelMinor, RemoveSmall, Rule

SIZES_MM3 = (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 400.0, 800.0)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2)
# A rule must earn this much mean Dice on the cases it is chosen on; less is noise.
MIN_GAIN = 1e-4
FOLDS = 5


@dataclass(frozen=True)
class Table:
    """One case in numbers; regions in the order of `scored_regions`."""

    voxel_volume_mm3: float
    reference: np.ndarray  # (region,) voxels
    voxels: Mapping[str, np.ndarray]  # label -> (component,)
    overlaps: Mapping[str, np.ndarray]  # label -> (component, region)


@dataclass(frozen=True)
class Decision:
    """The rules to ship for a group of cases, and the held-out scores behind that."""

    rules: tuple[Rule, ...]  # empty where the held-out gain is not convincing
    without: np.ndarray  # (case,) mean Dice with no rules
    held_out: np.ndarray  # (case,) mean Dice with rules chosen on the other folds


def scored_regions(scheme: Scheme) -> tuple[str, ...]:
    """Return the regions that the challenge can see: those made of labels that are written."""
    return tuple(r for r, names in scheme.regions.items() if set(names) <= set(scheme.written))


def make_table(
    prediction: np.ndarray, reference: np.ndarray, scheme: Scheme, voxel_volume_mm3: float
) -> Table:
    """Reduce a prediction and its reference, label maps (z, y, x), to a table."""
    masks = [scheme.mask(reference, region) for region in scored_regions(scheme)]
    voxels, overlaps = {}, {}
    for name, value in scheme.labels.items():
        components = find_components(prediction == value)
        n = components.voxels.size
        voxels[name] = components.voxels[1:]
        inside = [np.bincount(components.ids[mask], minlength=n)[1:] for mask in masks]
        overlaps[name] = np.stack(inside, axis=1)
    return Table(voxel_volume_mm3, np.array([m.sum() for m in masks]), voxels, overlaps)


def mean_dice(table: Table, rules: Sequence[Rule], scheme: Scheme) -> float:
    """Return the mean voxel-wise Dice over regions after rules; 1 where both masks are empty."""
    keep = {name: np.ones(voxels.size, bool) for name, voxels in table.voxels.items()}
    for rule in (rule for rule in rules if isinstance(rule, RemoveSmall)):
        too_small = rule.too_small(table.voxels[rule.label], table.voxel_volume_mm3)
        keep[rule.label] &= ~too_small
    if scheme.when_empty:
        _keep_some_tumour(keep, table, scheme)
    # (voxels, then overlap with each region) of each label
    totals = {
        name: np.array([voxels[keep[name]].sum(), *table.overlaps[name][keep[name]].sum(0)])
        for name, voxels in table.voxels.items()
    }
    foreground = sum(total[0] for total in totals.values())
    for share in (rule for rule in rules if isinstance(rule, RelabelMinor)):
        if foreground > 0 and totals[share.label][0] / foreground < share.min_share:
            totals[share.becomes] = totals[share.becomes] + totals[share.label]
            totals[share.label] = np.zeros_like(totals[share.label])
    return _mean_dice_of(totals, table.reference, scheme)


def _keep_some_tumour(keep: dict[str, np.ndarray], table: Table, scheme: Scheme) -> None:
    """Keep the largest tumour component where the emptiness policy would bring one back."""
    names = [name for name in scheme.regions[scheme.tumour] if table.voxels[name].size]
    if names and not any(keep[name].any() for name in names):
        largest = max(names, key=lambda name: table.voxels[name].max())
        keep[largest][table.voxels[largest].argmax()] = True


def _mean_dice_of(totals: Mapping[str, np.ndarray], reference: np.ndarray, scheme: Scheme) -> float:
    scores = []
    for i, region in enumerate(scored_regions(scheme)):
        parts = [totals[name] for name in scheme.regions[region]]
        size = sum(part[0] for part in parts) + reference[i]
        scores.append(2 * sum(part[i + 1] for part in parts) / size if size else 1.0)
    return float(np.mean(scores))


def search_rules(tables: Sequence[Table], scheme: Scheme) -> tuple[Rule, ...]:
    """Choose rules for a group of cases, one label after the other, the smallest that is best."""
    rules: tuple[Rule, ...] = ()
    best = _group_score(tables, rules, scheme)
    for candidates in _grid(scheme):
        scores = [_group_score(tables, (*rules, rule), scheme) for rule in candidates]
        top = int(np.argmax(scores))
        if scores[top] > best + MIN_GAIN:
            rules, best = (*rules, candidates[top]), scores[top]
    return rules


def decide(tables: Sequence[Table], scheme: Scheme, seed: int = 0) -> Decision:
    """Choose rules on all cases, and ship them only if choosing like this gains out of fold.

    The mean held-out gain over no rules must exceed its own standard error.
    """
    fold_of = np.random.default_rng(seed).permutation(len(tables)) % FOLDS
    without = np.array([mean_dice(table, (), scheme) for table in tables])
    held_out = without.copy()
    for fold in sorted(set(fold_of)):
        rules = search_rules([t for t, f in zip(tables, fold_of, strict=True) if f != fold], scheme)
        for i in np.flatnonzero(fold_of == fold):
            held_out[i] = mean_dice(tables[int(i)], rules, scheme)
    gain = held_out - without
    if gain.mean() <= gain.std(ddof=1) / np.sqrt(gain.size):
        return Decision((), without, without)
    return Decision(search_rules(tables, scheme), without, held_out)


def _group_score(tables: Sequence[Table], rules: Sequence[Rule], scheme: Scheme) -> float:
    return float(np.mean([mean_dice(table, rules, scheme) for table in tables]))


def _grid(scheme: Scheme) -> Iterator[list[Rule]]:
    """Yield the candidates of one label at a time: sizes of every label first, then shares.

    A challenge that forbids empty answers has one label to win or lose, so no shares there.
    """
    for label in scheme.written:
        yield [RemoveSmall(label, min_volume_mm3=size) for size in SIZES_MM3]
    if scheme.when_empty:
        return
    for label in scheme.written:
        others = [other for other in scheme.written if other != label]
        yield [RelabelMinor(label, other, share) for share in SHARES for other in others]
