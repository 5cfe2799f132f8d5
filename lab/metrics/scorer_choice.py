"""Which scorer a scheme is judged by, where nobody names one."""

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme
from lab.metrics.scorer import Scorer
from lab.metrics.scorers import SCORERS, VOXEL, voxel_scorer

# The newest official scorer that judges single lesions of what each scheme writes.
SCORER_OF = {
    "brats-gli": "2025-gli",
    "brats-gli-2023": "2023-gli",
    "brats-ssa": "2025-ssa",
    "brats-met": "2024-met",
    "brats-met-2025": "2025-met",
    "brats-men": "2025-men",
    "brats-men-rt": "2025-men-rt",
    "brats-goat": "2026-goat",
    "brats-ped": "2025-ped",
    "panther-t1": "panther",
    "panther-t2": "panther",
}


def scorer_named(name: str | None, scheme: Scheme) -> Scorer:
    """Return the scorer of that name, or the one that SCORER_OF names.

    Raises:
        Refusal: the scorer's label values are not the scheme's, or it asks for cohorts.
    """
    name = name or SCORER_OF.get(scheme.name, VOXEL)
    if name == VOXEL:
        return voxel_scorer(scheme, "one")
    scorer = SCORERS[name]
    if scorer.by_cohort:
        names = ", ".join(scorer.by_cohort)
        raise Refusal(f"scorer {name} scores by cohort ({names}), which a search is not told")
    theirs = SCHEMES[str(scorer.scheme)].labels
    if any(scheme.labels.get(label) != value for label, value in theirs.items()):
        told = f"{scheme.name} has {dict(scheme.labels)}"
        raise Refusal(f"scorer {name} reads labels {dict(theirs)}, {told}")
    return scorer
