"""Every official scorer by name and year; a result without its scorer's name means nothing.

To add a scorer:

1. Write `lab/metrics/<challenge><year>.py` with `score(pair) -> region -> metric -> value`. Arrays
   are (z, y, x), spacing is in the same order; give the source of every constant.
2. Add a row to SCORERS: what the platform does with missing cases, what its organisers rank by.
3. Add a row to METRICS in `metric_info.py` for each metric that has none.
4. If its platform writes a table, add its `Layout` to `csv_layouts.py` and name it in the row.
5. Test it against the organisers' own numbers, as `test/lab/metrics/test_official.py` does, and
   against a slow, obvious peer. `test_new_scorer.py` shows that no other file has to change.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NoReturn

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme
from lab.metrics import brats2023, brats2025, brats2026, isles2026, lesionwise, panther, voxel
from lab.metrics.csv_layouts import GOAT_2026, LESIONWISE, METS_2026, SEG_2026
from lab.metrics.metric_info import PR_AUC
from lab.metrics.pair import Pair
from lab.metrics.scorer import Missing, Scorer
from lab.metrics.variant_scores import table_scorer

ONE = "a region in neither map scores 1 (HD95 0)"
SKIPPED = "a region in neither map is left out of the means"
SCHEME_OF = {
    "gli": "brats-gli",
    "ssa": "brats-ssa",
    "met": "brats-met",
    "mets": "brats-met-2025",
    "ped": "brats-ped",
    "men": "brats-men",
    "goat": "brats-goat",
    "men-rt": "brats-men-rt",
}
# The challenges whose labels changed on the way.
SCHEME_2023 = SCHEME_OF | {"gli": "brats-gli-2023", "ped": "brats-gli-2023"}
SCHEME_2025 = SCHEME_OF | {"met": "brats-met-2025"}


_SCORE = {2023: brats2023.score}
# MET's by its wiki as three teams read it, GoAT's as its organisers answered one; PED's is open.
RANKED_2026 = {
    "mets": ("dice", "nsd", "small_instance_f1"),
    "goat": ("global_dice", "global_nsd_1.0"),
}


def _lesionwise(year: int, missing: Missing) -> dict[str, Scorer]:
    profiles, schemes = {
        2023: (brats2023.PROFILES, SCHEME_2023),
        2024: (brats2025.PROFILES_2024, SCHEME_OF),
        2025: (brats2025.PROFILES_2025, SCHEME_2025),
    }[year]
    return {
        f"{year}-{task}": Scorer(
            name=f"{year}-{task}",
            scheme=schemes[task],
            score=partial(_SCORE.get(year, lesionwise.score), profile=profile),
            missing=missing,
            fast_scorer=partial(table_scorer, profile=profile),
            fast_distances=partial(table_scorer, profile=profile, hd95=True),
            # The runner knows two penalties only, whatever the task's own one.
            missing_mm=brats2025.PENALTY_GLI_MM if task == "gli" else brats2025.PENALTY_MM,
            absent=ONE,
            layout=LESIONWISE,
            # 2025 reports three metrics, of which its README ranks one and teams rank two.
            ranked_by=() if year == 2025 else ("dice", "hd95"),
            # From 2024 on the script writes its own files with the prediction's affine; MEN's not.
            spacing_from="header" if year == 2023 or task == "men" else "affine",
        )
        for task, profile in profiles.items()
    }


COHORTS = ("GLI", "MEN", "MET", "PED", "SSA")  # of GoAT, in its mapping's column "Cohort"
PED_NOTE = (
    "reads 1 ET, 2 NETC, 3 CC, 4 ED in PED's cases, GoAT's files hold 1 NETC, 2 SNFH, 3 ET: "
    "of its regions only WT is what it says; reproduced as it is"
)


def _goat(year: int, scorers: Mapping[str, Scorer]) -> Scorer:
    """GoAT of 2024 and 2025: each case by the program of the cohort that it came from.

    In 2024 that was the one program of 2023 with each cohort's limits, in 2025 each cohort's own of
    that year (Sage-Bionetworks-Challenges/brats-infra, evaluation/lesionwise/score.py).
    """
    name = f"{year}-goat"
    program = 2023 if year == 2024 else year
    by_cohort = {
        cohort: replace(
            scorers[f"{program}-{cohort.lower()}"],
            name=name,
            scheme=SCHEME_OF["goat"],
            missing_mm=brats2025.PENALTY_MM,  # whatever the cohort's own
        )
        for cohort in COHORTS
    }
    return replace(
        by_cohort["SSA"],
        score=partial(_without_cohort, name=name),
        fast_scorer=None,
        fast_distances=None,
        by_cohort=by_cohort,
        cohort_notes={"PED": f"{name} {PED_NOTE}"} if year == 2025 else {},
    )


def _without_cohort(pair: Pair, name: str) -> NoReturn:
    raise Refusal(
        f"{name} scores each case by its cohort ({', '.join(COHORTS)}), which is not told"
    )


def _instances(task: str) -> Scorer:
    parser = brats2026.MetParser() if task == "mets" else None
    return Scorer(
        name=f"2026-{task}",
        scheme=SCHEME_OF[task],
        score=partial(
            brats2026.score,
            regions=brats2026.REGIONS[task],
            parser=parser,
            global_nsd_mm=1.0 if task == "goat" else None,
        ),
        missing="penalty",
        missing_mm=brats2026.PENALTY_MM,
        absent=SKIPPED,
        grid="all",
        reads_with="SimpleITK",
        strict_labels=True,
        layout={"mets": METS_2026, "goat": GOAT_2026}.get(task, SEG_2026),
        ranked_by=RANKED_2026.get(task, ()),
    )


def _panther(name: str, order: panther.Order) -> Scorer:
    return Scorer(
        name=name,
        scheme="panther-t1",
        score=partial(panther.score, order=order),
        missing="empty",
        absent="an empty prediction scores 0 and the grid's diagonal",
        grid="spacing",
        reads_with="SimpleITK",
        strict_labels=order == "as-published",
        binary=True,
        dice="voxel-wise",
        ranked_by=("dice", "surface_dice_5mm", "hd95", "masd"),  # and the cohort's volume RMSE
        fast_scorer=partial(panther.tumour_table, order=order),
    )


def _isles() -> Scorer:
    return Scorer(
        name="2026-isles",
        scheme="isles-2026",
        score=isles2026.score,
        # "ranks for the corresponding metrics to be set to the worst possible value": design
        # document, as OrenGurevitch/isles26-ranking-aware-selection quotes it.
        missing="last",
        absent="a lesion in neither map scores 1 (differences 0)",
        reads_with="any",
        dice="voxel-wise",
        ranked_by=("dice", "lesion_f1", PR_AUC, "volume_difference_ml", "lesion_count_difference"),
        probability_of=isles2026.REGION,
        fast_scorer=isles2026.lesion_table,
    )


_LESIONWISE = {
    **_lesionwise(2023, missing="left-out"),
    **_lesionwise(2024, missing="left-out"),
    **_lesionwise(2025, missing="penalty"),
}
SCORERS: dict[str, Scorer] = {
    **_LESIONWISE,
    **{f"{year}-goat": _goat(year, _LESIONWISE) for year in (2024, 2025)},
    **{f"2026-{task}": _instances(task) for task in brats2026.REGIONS},
    "2026-isles": _isles(),
    "panther": _panther("panther", "right"),
    "panther-as-published": _panther("panther-as-published", "as-published"),
}
VOXEL = "voxel"


def voxel_scorer(scheme: Scheme, absent: voxel.AbsentRule) -> Scorer:
    """Return the voxel-wise scorer of a scheme's labels and regions."""
    return Scorer(
        name=VOXEL,
        scheme=scheme.name,
        score=partial(voxel.score, scheme=scheme, absent=absent),
        missing="empty",
        reads_with="any",
        dice="voxel-wise",
        absent=SKIPPED if absent == "excluded" else "a region in neither map scores 1",
    )


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


def ranked_by(name: str) -> tuple[str, ...]:
    """Return the metrics that the organisers of a scorer rank by; () where they do not say."""
    return SCORERS[name].ranked_by if name in SCORERS else ()


def dice_kind(scorer: str, metric: str) -> str:
    """Say what a Dice of a scorer's results is over: lesion-wise or voxel-wise; "" if unknown."""
    if metric == "dice" and scorer in SCORERS:
        return SCORERS[scorer].dice
    if metric.startswith(("global_", "legacy_")) or scorer in (VOXEL, "nnunet"):
        return "voxel-wise"
    return "lesion-wise" if metric.startswith("lesionwise_") else ""
