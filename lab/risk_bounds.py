"""How much is lost at most: upper bounds on the mean of losses, at a stated confidence.

A bound on what a fixed procedure loses holds for cases that are drawn as the held-out ones were,
whatever the distribution of losses. The case is the unit: lesions of one case hang together.
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

CONFIDENCE = 0.9


def upper_bound(losses: np.ndarray, confidence: float = CONFIDENCE) -> float:
    """Return a number that the mean loss is below, at a confidence; 1 where nothing is known.

    The Hoeffding-Bentkus bound of Bates et al. (2021), on which the risk control of Angelopoulos
    et al. rests. Where no case lost anything it is that of Clopper and Pearson.

    Args:
        losses: (case,) each from 0 to 1, independent; NaN where a case has nothing to lose.
        confidence: from 0 to 1, both excluded.

    Raises:
        ValueError: a loss is not from 0 to 1.
    """
    losses = losses[~np.isnan(losses)]
    if losses.size and not (losses.min() >= 0 and losses.max() <= 1):
        raise ValueError(f"losses from {losses.min():g} to {losses.max():g}, not from 0 to 1")
    mean, n = float(losses.mean()) if losses.size else 1.0, losses.size
    if mean == 1.0:
        return 1.0
    if mean == 0.0:
        return float(1 - (1 - confidence) ** (1 / n))

    def excess(risk: float) -> float:
        return _tail(mean, risk, n) - (1 - confidence)

    highest = 1 - 1e-12
    return 1.0 if excess(highest) > 0 else float(brentq(excess, mean, highest))


def fewest_cases(at_most: float, confidence: float = CONFIDENCE) -> int:
    """Return how many cases without any loss show that at most so much is lost on average."""
    if at_most >= 1:
        return 0
    if at_most <= 0:
        raise ValueError(f"at most {at_most:g}: no number of cases shows that")
    return math.ceil(math.log(1 - confidence) / math.log1p(-at_most))


def _tail(mean: float, risk: float, n: int) -> float:
    """Return the largest chance that n losses of a mean `risk` average at most `mean`."""
    below = min(mean, risk)
    entropy = (1 - below) * math.log((1 - below) / (1 - risk))
    entropy += below * math.log(below / risk) if below > 0 else 0.0
    # A mean of n losses that is a whole number over n may lie above it by rounding.
    count = math.ceil(n * mean - 1e-9)
    return min(math.exp(-n * entropy), math.e * float(binom.cdf(count, n, risk)))
