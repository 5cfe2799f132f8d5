"""Which metric and which label map a cohort is scored by, and whose cases those are."""

import sys
from collections.abc import Sequence

from challenge.challenges import scheme_of_ending, scheme_of_id
from challenge.file_names import METAIMAGE_ENDING, NIFTI_ENDINGS
from challenge.folders import few
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme, other_challenge, renumbers
from lab.evaluation.matching import CasePair
from lab.evaluation.results import Problem
from lab.metrics.scorer import Scorer
from lab.metrics.scorers import SCORERS, VOXEL, voxel_scorer
from lab.metrics.voxel import AbsentRule


def choose_scorer(
    name: str, scheme: str | None, absent: AbsentRule, pairs: Sequence[CasePair]
) -> tuple[Scorer, Scheme, list[Problem]]:
    """Return the scorer and its label map, and a problem where the map had to be assumed.

    Raises:
        Refusal: the scorer has another label map than `scheme`.
    """
    if name != VOXEL:
        scorer = SCORERS[name]
        if scheme not in (None, scorer.scheme):
            raise Refusal(f"--scheme {scheme}: {scorer.name} scores {scorer.scheme}")
        return scorer, SCHEMES[str(scorer.scheme)], []
    assumed = []
    scheme = scheme or _scheme_of_ids([pair.id for pair in pairs])
    if scheme is None:
        is_mha = any(pair.reference.suffix == METAIMAGE_ENDING for pair in pairs)
        scheme = scheme_of_ending(METAIMAGE_ENDING if is_mha else NIFTI_ENDINGS[0]).name
        text = f"the ids do not tell the label map, {scheme} assumed; --scheme names another"
        assumed = [Problem(None, "scheme", text, scored=True)]
    return voxel_scorer(SCHEMES[scheme], absent), SCHEMES[scheme], assumed


def refuse_other_labels(ids: Sequence[str], scheme: Scheme, accepted: bool) -> None:
    """Refuse cases in whose challenge a value stands for another label than it is scored as.

    Raises:
        Refusal: there are some, and nobody said that they are meant; the message names them.
    """
    named = {id: other for id in ids if (other := other_challenge(id, scheme))}
    odd = {id: other.name for id, other in named.items() if renumbers(other, scheme)}
    if not odd:
        return
    challenges = ", ".join(dict.fromkeys(odd.values()))
    text = (
        f"{len(odd)} of {len(ids)} cases are named as of {challenges} "
        f"({few(odd)}), whose label values are not those of "
        f"{scheme.name}"
    )
    if not accepted:
        raise Refusal(f"{text}; --foreign scores them as {scheme.name} all the same")
    print(f"{text}; scored as {scheme.name}: --foreign", file=sys.stderr)


def _scheme_of_ids(ids: Sequence[str]) -> str | None:
    """Return the challenge that all ids speak of, if they do."""
    names = {scheme.name if (scheme := scheme_of_id(id)) else None for id in ids}
    return names.pop() if len(names) == 1 else None
