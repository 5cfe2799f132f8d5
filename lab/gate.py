"""The gate: which held-out gain may ship, and in words why another may not.

A percentile interval is clear of zero as soon as a handful of cases improve and none suffers; the
sign-flip test asks for more of them; and a gain below what counts is none, however sure it is.
"""

import math
from dataclasses import dataclass

import numpy as np

from lab.statistics import CONFIDENCE, bootstrap_interval, sign_flip_p

LARGEST_P = 0.05
# Half of what `rank` and `report` draw (`lab.evaluation.pair.Sampling`), since a search judges many
# gains. Of the same differences that moves an interval's ends by about a hundredth of its width;
# both call `bootstrap_interval`, and nothing else differs. What ships was judged with these.
RESAMPLES = 5000
FLIPS = 5000


@dataclass(frozen=True)
class Gain:
    """By how much one system is better than another, case by case, on held-out cases."""

    mean: float
    low: float  # of the paired bootstrap interval; NaN below two cases
    high: float
    p: float  # two-sided, by sign flips
    cases: int


@dataclass(frozen=True)
class Gate:
    """What a held-out gain has to pass."""

    least_gain: float  # in the unit of the gain; 0: whatever is above zero
    unit: str = ""
    largest_p: float = LARGEST_P

    @property
    def fewest_cases(self) -> int:
        """Return the cases below which no p is small enough: one of n has at least 2 / 2^n."""
        return math.floor(1 - math.log2(self.largest_p)) + 1

    def failures(self, gain: Gain) -> tuple[str, ...]:
        """Say which conditions a gain fails, of a loss only that it is one; () passes."""
        if not gain.cases:
            return ("no case has a number in both",)
        unit = f" {self.unit}" if self.unit else ""
        if not gain.mean > 0:
            return (f"gain {gain.mean:+.4f}{unit} is not above zero",)
        words = []
        if gain.cases < self.fewest_cases:
            are = "case is" if gain.cases == 1 else "cases are"
            words.append(
                f"{gain.cases} {are} too few, p below {self.largest_p:.3g} needs at least "
                f"{self.fewest_cases}"
            )
        if not gain.mean >= self.least_gain:
            words.append(f"gain {gain.mean:+.4f}{unit} is below {self.least_gain:g}")
        if not gain.low > 0:
            words.append(f"interval {gain.low:+.4f} to {gain.high:+.4f} is not above zero")
        if not gain.p < self.largest_p:
            words.append(f"p = {gain.p:.3g} is not below {self.largest_p:.3g}")
        return tuple(words)


def measure_gain(
    gains: np.ndarray, rng: np.random.Generator, confidence: float = CONFIDENCE
) -> Gain:
    """Return the mean of paired gains (case,), without NaN, its bootstrap interval and p."""
    if not len(gains):
        return Gain(math.nan, math.nan, math.nan, math.nan, 0)
    low, high = bootstrap_interval(gains[:, None], RESAMPLES, rng, confidence)[:, 0]
    p = sign_flip_p(gains[:, None], FLIPS, rng)[0]
    return Gain(float(gains.mean()), float(low), float(high), float(p), len(gains))
