"""Scores of a cohort: what `evaluate` writes, and what `rank` and `report` read.

One scorer's numbers for every case and region, the facts about each pair that no scorer changes,
and what was wrong with the folders. This is Podium's own JSON; `read_results` of
`lab/evaluation/formats.py` also reads other programs' JSON and tables.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from challenge.challenges import in_reading_order
from challenge.provenance import KEY, Provenance, from_json, hash_json
from lab.metrics.csv_layouts import SUMMARY_ROWS

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]  # case id -> region -> metric -> value

UNWRITTEN = "unwritten"  # the kind of problem of labels that the challenge does not ask for
_INFINITE = "\u0000infinite"


@dataclass(frozen=True)
class Problem:
    """Something wrong with one case (or, with `case` None, with a folder)."""

    case: str | None
    # missing | extra | duplicate | unreadable | damaged | shape | geometry | labels | unwritten |
    # scheme | cohort | probability | failed
    kind: str
    message: str  # names the file and the value
    scored: bool  # whether the case has scores all the same, by the scorer's own rule


@dataclass(frozen=True)
class Lesion:
    """One 26-connected component of a region of the reference."""

    volume_mm3: float
    detected: bool  # whether the predicted region touches it


@dataclass(frozen=True)
class Facts:
    """What one pair of label maps holds, whatever the scorer."""

    prediction: str | None  # path, None where there is no prediction
    reference: str
    voxel_volume_mm3: float
    # Voxels by (reference label, predicted label); 0 is background, then `Results.labels` in order.
    confusion: np.ndarray
    lesions: Mapping[str, tuple[Lesion, ...]]  # region -> lesions of the reference


@dataclass(frozen=True)
class Results:
    """One scorer's numbers for a cohort."""

    scorer: str
    cases: Scores
    labels: Mapping[str, int] = field(default_factory=dict)  # label name -> value in the files
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # region -> label names
    scheme: str = ""
    absent: str = ""  # how a region absent from prediction and reference is counted, in words
    facts: Mapping[str, Facts] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)  # summary numbers that are no mean
    cohorts: Mapping[str, str] = field(default_factory=dict)  # case id -> cohort it was scored as
    dice_kind: str = ""  # lesion-wise or voxel-wise, where the file says so of the metric "dice"
    not_read: tuple[str, ...] = ()  # columns of a table that hold no scores, by name
    penalised: tuple[str, ...] = ()  # cases that another scorer could not read and gave its worst
    provenance: Provenance | None = None  # of the label maps; None in other programs' files

    @property
    def scored_regions(self) -> tuple[str, ...]:
        """Regions that any case has scores of, in the order in which challenges list them."""
        return in_reading_order(region for case in self.cases.values() for region in case)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that any case has, in order of first appearance."""
        names = (
            m for regions in self.cases.values() for scores in regions.values() for m in scores
        )
        return tuple(dict.fromkeys(names))

    def column(self, region: str, metric: str) -> np.ndarray:
        """Return one metric of one region over the cases, in their order; NaN where it lacks."""
        return np.array(
            [scores.get(region, {}).get(metric, math.nan) for scores in self.cases.values()]
        )


def summarise(values: np.ndarray) -> dict[str, float]:
    """Return mean, std (n - 1), quartiles and n of the values that are not NaN."""
    numbers = values[~np.isnan(values)]
    if numbers.size == 0:
        return dict.fromkeys(SUMMARY_ROWS, math.nan) | {"n": 0}
    with np.errstate(invalid="ignore"):  # infinite distances have no spread
        std = float(numbers.std(ddof=1)) if numbers.size > 1 else math.nan
        quartiles = np.quantile(numbers, (0.25, 0.5, 0.75))
    rows = (float(numbers.mean()), std, *map(float, quartiles))
    return dict(zip(SUMMARY_ROWS, rows, strict=True)) | {"n": int(numbers.size)}


def summary(results: Results) -> dict[str, dict[str, Any]]:
    """Summarise every metric of every region over the cases, beside `results.extra`."""
    regions = [scores for case in results.cases.values() for scores in case.items()]
    tables: dict[str, dict[str, Any]] = {region: {} for region in results.scored_regions}
    for region, metric in dict.fromkeys((r, m) for r, scores in regions for m in scores):
        tables.setdefault(region, {})[metric] = summarise(results.column(region, metric))
    for region, numbers in results.extra.items():
        tables.setdefault(region, {}).update(numbers)
    return tables


def write_json(results: Results, path: Path, detection: Mapping[str, Any] | None = None) -> None:
    """Write a result file at once: full double precision, NaN as null, infinity as 1e999.

    `detection` is a summary of the cases' facts, for readers of the file (`detection.py`).

    JSON has no infinity; a number beyond the doubles is valid and reads back as one everywhere.
    """
    content = {
        "scorer": results.scorer,
        "scheme": results.scheme,
        "labels": results.labels,
        "regions": results.regions,
        "absent": results.absent,
        **({"cohorts": results.cohorts} if results.cohorts else {}),
        "cases": results.cases,
        "summary": summary(results),
        **({"detection": detection} if detection else {}),
        "problems": [vars(problem) for problem in results.problems],
        "facts": {id: facts_row(facts) for id, facts in results.facts.items()},
    }
    if results.provenance:
        sha256 = hash_json(json.loads(to_json(content)))  # of all but the record
        content[KEY] = replace(results.provenance, sha256=sha256).to_json()
    partial = path.with_name(f".partial-{path.name}")
    partial.write_text(to_json(content) + "\n", encoding="utf-8")
    partial.replace(path)


def to_json(content: Any, indent: int | None = 1) -> str:
    """Return strict JSON: NaN as null, infinity as 1e999."""
    text = json.dumps(_strict(content), indent=indent, allow_nan=False)
    return text.replace(json.dumps(_INFINITE), "1e999").replace(
        json.dumps("-" + _INFINITE), "-1e999"
    )


def results_from(content: Mapping[str, Any]) -> Results:
    """Build results from the JSON that `write_json` wrote.

    Raises:
        ValueError: labels, regions and voxel counts contradict each other, or the record of what
            was scored cannot be read.
        KeyError, TypeError, AttributeError: it is other JSON.
    """
    mean_keys = {"mean", "n"}
    results = Results(
        scorer=content["scorer"],
        cases={id: scores_from(regions) for id, regions in content["cases"].items()},
        labels=content.get("labels", {}),
        regions={r: tuple(names) for r, names in content.get("regions", {}).items()},
        scheme=content.get("scheme", ""),
        absent=content.get("absent", ""),
        cohorts=dict(content.get("cohorts", {})),
        facts={id: facts_from(row) for id, row in content.get("facts", {}).items()},
        problems=tuple(Problem(**row) for row in content.get("problems", ())),
        provenance=from_json(content[KEY], Path("results")) if KEY in content else None,
        extra={
            region: extra
            for region, numbers in content.get("summary", {}).items()
            if (extra := {k: v for k, v in numbers.items() if not mean_keys <= set(v)})
        },
    )
    _check_coherent(results)
    return results


def _check_coherent(results: Results) -> None:
    for region, names in results.regions.items():
        if unknown := set(names) - set(results.labels):
            raise ValueError(f"region {region}: {sorted(unknown)} not in {dict(results.labels)}")
    side = len(results.labels) + 1
    for id, facts in results.facts.items():
        if facts.confusion.shape != (side, side):
            raise ValueError(
                f"{id}: confusion matrix is {facts.confusion.shape}, not {(side, side)} "
                f"for background and {list(results.labels)}"
            )


def scores_from(regions: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    """Return one case's scores from JSON: region -> metric -> value, null as NaN."""
    return {r: {m: _number(v) for m, v in scores.items()} for r, scores in regions.items()}


def facts_row(facts: Facts) -> dict[str, Any]:
    """Return facts as JSON holds them."""
    lesions = {
        region: [[lesion.volume_mm3, lesion.detected] for lesion in lesions]
        for region, lesions in facts.lesions.items()
    }
    return vars(facts) | {"confusion": facts.confusion.tolist(), "lesions": lesions}


def facts_from(row: Mapping[str, Any]) -> Facts:
    """Build facts from what JSON held."""
    lesions = {
        region: tuple(Lesion(volume, detected) for volume, detected in lesions)
        for region, lesions in row["lesions"].items()
    }
    return Facts(**{**row, "confusion": np.array(row["confusion"]), "lesions": lesions})


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _strict(value: Any) -> Any:
    """Return a value without NaN, infinities and numpy types."""
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("-" if value < 0 else "") + _INFINITE
    return value
