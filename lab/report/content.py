"""All numbers of a report in one nested dict: what report.json holds, and what the pages show."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab import statistics
from lab.evaluation import counts
from lab.evaluation.case_groups import Grouping
from lab.evaluation.origin import in_sample, in_sample_sentences
from lab.evaluation.other_summaries import PANTHER
from lab.evaluation.results import Results
from lab.report import changes, extremes, groups, headline, numbers, relations, shares

SOURCE_WORDS = {
    "platform-csv": "a table of another program",
    "nnunet": "nnU-Net's summary.json",
    PANTHER: "PANTHER's evaluate_local.py",
}
ABSENT_RULES = {
    "excluded": "left out of Dice and IoU (NaN)",
    "one": "counted as Dice and IoU 1",
}


@dataclass(frozen=True)
class Options:
    """How to count and what to show."""

    name: str
    absent: str = "excluded"  # excluded | one
    key: str | None = None  # metric that orders the cases; None: the scorer's Dice
    count: int = 20  # worst and best cases
    groupings: tuple[Grouping, ...] = ()  # of the results' cases


def gather(results: Results, options: Options, before: Sequence[changes.Earlier]) -> dict[str, Any]:
    """Compute every number of the report, section by section.

    Sections that need voxel counts are None where the results hold none.

    Raises:
        ValueError: the results contradict themselves, or have no metric of the wanted name.
    """
    cohort = counts.cohort_of(results)
    key = headline.key_metric(results, options.key)
    rows = shares.share_rows(cohort, results) if cohort else []
    systems = {options.name: in_sample(results)}
    systems |= {earlier.name: in_sample(earlier.results) for earlier in before}
    return {
        "cover": cover(results, options, cohort),
        "changes": [
            changes.changes(results, earlier, options.name, key, options.absent, options.groupings)
            for earlier in before
        ],
        "groups": groups.group_scores(results, options.groupings, key),
        "regions": headline.region_dices(results, cohort, options.absent),
        "in_sample": in_sample_sentences({name: w for name, w in systems.items() if w}),
        "warnings": shares.warnings(rows, results),
        "shares": rows,
        "unjudged": shares.unjudged(cohort, results) if cohort else [],
        **voxel_sections(results, options, cohort),
        "distributions": headline.distributions(results),
        "extremes": extremes.extremes(results, cohort, key, options.count)
        | {"dice_kind": headline.kind_of(results, key)},
        "bootstrap": {
            "resamples": statistics.RESAMPLES,
            "resamples_of_pairs": changes.SAMPLING.resamples,
            "level": statistics.CONFIDENCE,
            "seed": statistics.SEED,
            "fewest_cases": statistics.FEWEST_FOR_INTERVAL,
        },
    }


def cover(results: Results, options: Options, cohort: counts.Cohort | None) -> dict[str, Any]:
    """Return what a reader must know before any number, and the scorer's own headline."""
    return {
        "name": options.name,
        "scorer": results.scorer,
        "scorer_year": headline.scorer_year(results.scorer),
        "dice_kind": headline.dice_beside(results)[1],
        "source": SOURCE_WORDS.get(results.scorer, "the results file"),
        "scheme": results.scheme,
        "labels": dict(results.labels),
        "regions": {region: list(names) for region, names in results.regions.items()},
        "absent": results.absent,
        "absent_voxelwise": ABSENT_RULES[options.absent],
        "not_judged": sorted(counts.beyond_prediction(results, cohort.tables)) if cohort else [],
        "n_cases": len(results.cases),
        "n_cases_with_scores": sum(map(_has_a_score, results.cases.values())),
        "n_cases_with_voxel_counts": len(cohort.ids) if cohort else 0,
        "problems": [asdict(problem) for problem in results.problems],
        "headline": headline.headline(results),
        "extra": headline.extra_headline(results, cohort),
    }


def _has_a_score(regions: Mapping[str, Mapping[str, float]]) -> bool:
    """Tell a case from one that the scorer could not score, whose every value is NaN."""
    return any(not math.isnan(value) for row in regions.values() for value in row.values())


def voxel_sections(
    results: Results, options: Options, cohort: counts.Cohort | None
) -> dict[str, Any]:
    """Return the sections that come from the confusion matrices and lesions."""
    names = ("overlap", "volume_and_dice", "cross_class", "false_positive", "confusion")
    if cohort is None:
        return dict.fromkeys((*names, "detection"))
    overlap = [numbers.overlap_row(cohort, c, options.absent) for c in cohort.classes]
    has_lesions = any(facts.lesions for facts in results.facts.values())
    return {
        "overlap": {
            "rows": overlap,
            "mean_of_labels": numbers.mean_over(overlap, "label"),
            "mean_of_regions": numbers.mean_over(overlap, "region"),
        },
        "volume_and_dice": [relations.volume_and_dice(cohort, c) for c in cohort.classes],
        "cross_class": relations.cross_class(cohort),
        "false_positive": [numbers.false_positive_row(cohort, c) for c in cohort.classes],
        "detection": relations.detection(results, cohort) if has_lesions else None,
        "confusion": numbers.confusion(cohort, results.labels),
    }
