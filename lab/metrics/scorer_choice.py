"""The scorer of a challenge: the one that is named, or the default of the challenge's row."""

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme
from lab.metrics.scorer import Scorer
from lab.metrics.scorers import SCORERS, VOXEL, voxel_scorer


def scorer_named(name: str | None, scheme: Scheme) -> Scorer:
    """Return the scorer of that name, or the challenge's default.

    Raises:
        Refusal: the scorer's label values are not the scheme's, or it asks for cohorts.
    """
    name = name or scheme.default_scorer
    if name == VOXEL:
        return voxel_scorer(scheme, "one")
    scorer = SCORERS[name]
    if scorer.by_cohort:
        names = ", ".join(scorer.by_cohort)
        raise Refusal(f"scorer {name} scores by cohort ({names}), which a search does not know")
    theirs = SCHEMES[str(scorer.scheme)].labels
    if any(scheme.labels.get(label) != value for label, value in theirs.items()):
        ours = f"{scheme.name} has {dict(scheme.labels)}"
        raise Refusal(f"scorer {name} reads labels {dict(theirs)}, {ours}")
    return scorer
