"""False positives by what they probably are: pitfalls of post-treatment and adult glioma by name.

A predicted component without a voxel of the reference's region is described by shape, place and
look (`postprocess.component_features`), and the first cause in CAUSES whose conditions all hold is
named. These are rules of thumb on features, no reading by a person; what fits none is `other`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from challenge.case import Case, CaseError
from challenge.scheme import Scheme
from challenge.volume import read_scan, read_volume
from lab.evaluation.results import Facts, Results
from lab.progress import progress
from lab.report.scans import scans_of
from postprocess.component_features import describe_components
from postprocess.features import FeatureError
from postprocess.refine_input import RefineInput

OTHER = "other"
MOST_NAMES = 5
Features = Mapping[str, float]


@dataclass(frozen=True)
class Cause:
    """What a false component of some labels probably is."""

    name: str
    labels: tuple[str, ...]  # that it is mistaken for
    conditions: str  # in words, for the page
    holds: Callable[[Features], bool]


# The four pitfalls of a published post-treatment glioma network; limits are ours. z: standard
# deviations of a sequence inside the head.
CAUSES: Sequence[Cause] = (
    Cause(
        "T1-bright without contrast agent",
        ("ET",),
        "T1 brighter than around it by 0.5 z, T1c less than 0.5 z above T1",
        lambda f: f["t1n_contrast"] > 0.5 and f["enhancement"] < 0.5,
    ),
    Cause(
        "vessel",
        ("ET",),
        "a line (tubularity above 0.5) of 8 mm or more",
        lambda f: f["tubularity"] > 0.5 and f["length_mm"] >= 8,
    ),
    Cause(
        "choroid plexus",
        ("ET",),
        "up to 2 mL, within 5 mm of fluid that looks like a ventricle, as bright in T1c on the "
        "other side",
        lambda f: (
            f["volume_mm3"] <= 2000
            and f["from_ventricles_mm"] <= 5
            and abs(f["t1c_asymmetry"]) < 0.5
        ),
    ),
    Cause(
        "small white-matter lesion",
        ("SNFH",),
        "up to 1 mL, 10 mm or more from the tumour, brighter than around it in T2-FLAIR by 0.5 z",
        lambda f: f["volume_mm3"] <= 1000 and f["from_main_mm"] >= 10 and f["t2f_contrast"] > 0.5,
    ),
)
NAMES = (
    *("volume_mm3", "length_mm", "tubularity", "from_main_mm", "from_ventricles_mm"),
    *("enhancement", "t1n_contrast", "t1c_asymmetry", "t2f_contrast"),
)
LABELS = tuple(dict.fromkeys(label for cause in CAUSES for label in cause.labels))


@dataclass(frozen=True)
class FalsePositive:
    """A predicted component that touches nothing of its region in the reference."""

    case: str
    label: str
    cause: str
    volume_mm3: float


def covers(scheme: Scheme) -> bool:
    """Whether the causes are of a challenge's labels and sequences."""
    return set(LABELS) <= set(scheme.labels) and {"t1n", "t1c", "t2f"} <= set(scheme.sequences)


def cause_of(label: str, features: Features) -> str:
    """Return the first cause whose conditions hold for a false component of a label."""
    fitting = (cause for cause in CAUSES if label in cause.labels and cause.holds(features))
    return next((cause.name for cause in fitting), OTHER)


def false_positives(
    case: Case, prediction: np.ndarray, reference: np.ndarray, scheme: Scheme
) -> list[FalsePositive]:
    """Return the false components of a case, each with its probable cause.

    One of SNFH is false where it touches no tumour of the reference at all, one of ET where it
    touches no ET.

    Args:
        case: with its scans.
        prediction: label map (z, y, x) in the scheme's values.
        reference: the same.
        scheme: the challenge.

    Raises:
        FeatureError: a scan is missing or constant.
    """
    refine_input, errors = RefineInput(case, prediction, scheme), []
    for label in LABELS:
        described = describe_components(refine_input, (label,), NAMES)
        names = scheme.regions[scheme.tumour] if label == "SNFH" else (label,)
        true = np.isin(reference, [scheme.labels[name] for name in names])
        ids = described.components.ids
        touched = np.bincount(ids[true], minlength=described.components.voxels.size)[1:] > 0
        for row in described.rows[~touched]:
            features = dict(zip(NAMES, row.tolist(), strict=True))
            cause = cause_of(label, features)
            errors.append(FalsePositive(case.id, label, cause, features["volume_mm3"]))
    return errors


def look_alike_table(errors: Iterable[FalsePositive]) -> list[dict[str, Any]]:
    """Count false components by label and cause, every cause listed."""
    listed = list(errors)
    causes = [(label, cause) for cause in CAUSES for label in cause.labels]
    keys = [(label, cause.name, cause.conditions) for label, cause in causes]
    keys += [(label, OTHER, "none of these") for label in LABELS]
    rows = []
    for label, name, conditions in sorted(keys, key=lambda key: LABELS.index(key[0])):
        of_cause = [each for each in listed if (each.label, each.cause) == (label, name)]
        cases = list(dict.fromkeys(each.case for each in of_cause))
        rows.append(
            {
                "label": label,
                "cause": name,
                "conditions": conditions,
                "components": len(of_cause),
                "volume_ml": sum(each.volume_mm3 for each in of_cause) / 1000,
                "cases": len(cases),
                "names": cases[:MOST_NAMES],
            }
        )
    return rows


def read_errors(
    facts: Facts, id: str, scans: Mapping[str, Path], scheme: Scheme
) -> list[FalsePositive]:
    """Read a case's label maps and scans, and return its false components.

    Raises:
        CaseError: a file is missing or unreadable, or on another grid.
        FeatureError: a scan is missing or constant.
    """
    if facts.prediction is None:
        return []
    prediction, reference = (
        read_volume(Path(path), np.uint8) for path in (facts.prediction, facts.reference)
    )
    if missing := [name for name in scheme.sequences if name not in scans]:
        raise FeatureError(f"no scan of {', '.join(missing)}")
    images = {name: read_scan(scans[name]).array for name in scheme.sequences}
    shapes = {prediction.array.shape, reference.array.shape, *(i.shape for i in images.values())}
    if len(shapes) > 1:
        raise CaseError(f"{facts.prediction}: label maps and scans differ in size")
    case = Case(id, images, prediction.spacing_mm, orientation=prediction.orientation)
    return false_positives(case, prediction.array, reference.array, scheme)


def look_alikes(
    results: Results, images: Mapping[str, Path], scheme: Scheme
) -> dict[str, Any] | None:
    """Return the table over all cases with scans, and why others are left out.

    None where the causes are not of the challenge.

    Args:
        results: whose facts name the label maps.
        images: files of scans, as `index_images` returns them.
        scheme: the challenge.
    """
    if not covers(scheme):
        return None
    errors: list[FalsePositive] = []
    left_out = {}
    for id, facts in progress(results.facts.items(), len(results.facts), "false positives"):
        try:
            errors += read_errors(facts, id, scans_of(id, images, scheme), scheme)
        except (CaseError, FeatureError) as error:
            left_out[id] = str(error)
    cases = len(results.facts) - len(left_out)
    return {"rows": look_alike_table(errors), "cases": cases, "left_out": left_out}
