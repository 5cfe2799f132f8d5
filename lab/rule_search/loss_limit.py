"""How many of the reference's lesions post-processing may cost, and what is shown about that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.risk_bounds import CONFIDENCE, fewest_cases, upper_bound
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_case import variant_after
from lab.rule_search.search_space import Setting, rules_of

SAYS_SOMETHING = 0.1  # a bound of a group above this, although nothing was lost, is not shown


@dataclass(frozen=True)
class LossLimit:
    """What may be lost of the reference's lesions, as the mean share over cases; 1: everything."""

    at_most: float = 1.0

    def failures(self, loss: Mapping[str, Any]) -> tuple[str, ...]:
        """Say why a loss is not shown to be within the limit; () passes.

        Args:
            loss: of `describe_loss`.
        """
        if self.at_most >= 1:
            return ()
        groups = [row for row in loss["groups"] if row["cases"] >= fewest_cases(self.at_most)]
        return tuple(
            f"{_subject(row)}up to {row['at_most']:.1%} of lesions may be lost, more than "
            f"{self.at_most:.1%}"
            for row in (loss, *groups)
            if row["at_most"] > self.at_most
        )


def describe_loss(losses: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """Say how much is lost, and how much at most.

    Args:
        losses: (case,) share of lesions lost; NaN where there are none.
        groups: (case,) number of each case's group, negative for none.

    Returns:
        Cases that have lesions, mean share lost, its upper bound, and the same of each group with
        cases enough to show `SAYS_SOMETHING`, where there are several groups.
    """
    numbers: Sequence[int] = np.unique(groups[groups >= 0]).tolist()
    rows = [{"group": number, **_bounded(losses[groups == number])} for number in numbers]
    large = [row for row in rows if row["cases"] >= fewest_cases(SAYS_SOMETHING)]
    return {**_bounded(losses), "confidence": CONFIDENCE, "groups": large if len(rows) > 1 else []}


def loss_line(name: str, loss: Mapping[str, Any]) -> str:
    """Say in a line what a method loses."""
    line = (
        f"{name}: lesions of the reference lost: {loss['mean']:.2%} on average, at most "
        f"{loss['at_most']:.1%} with {loss['confidence']:.0%} confidence ({loss['cases']} cases)"
    )
    groups = [f"{row['group']} {row['at_most']:.1%} ({row['cases']})" for row in loss["groups"]]
    return line + (f"; by cluster at most {', '.join(groups)}" if groups else "")


def rule_losses(cache: ScoreCache, settings: Sequence[Setting], cases: np.ndarray) -> np.ndarray:
    """Return the share of lesions (case,) that each of `cases` (case,) loses by its setting."""
    rules = {setting: rules_of(cache.parameters, setting) for setting in set(settings)}
    losses = []
    for number, setting in zip(cases.tolist(), settings, strict=True):
        case = cache.search_cases[number]
        variant = variant_after(case, rules[setting], cache.scheme)
        after = variant.values, case.after(variant.thresholds).lesions
        losses.append(case.lesions.lost(case.components.values, *after))
    return np.array(losses)


def _subject(row: Mapping[str, Any]) -> str:
    return f"cluster {row['group']}: " if "group" in row else ""


def _bounded(losses: np.ndarray) -> dict[str, Any]:
    known = losses[~np.isnan(losses)]
    mean = float(known.mean()) if known.size else 0.0
    return {"cases": int(known.size), "mean": mean, "at_most": upper_bound(known)}
