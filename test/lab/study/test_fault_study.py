"""Each kind of planted fault is repaired by its remedy, and by nothing that cannot see it."""

import numpy as np
import pytest

from lab.study.confidence import Confidence
from lab.study.fault_kinds import FAULT_KINDS, HYSTERESIS, NULL_KIND, PEAKS, SIZE_OR_PEAK, FaultKind
from lab.study.fault_study import (
    ALL,
    METHODS,
    FaultResult,
    recovers,
    row_of,
    study_fault,
    study_faults,
)
from lab.study.page import render_markdown
from lab.study.planted import PlantedCase, PlantedCluster, PlantedCohort, planted_case
from postprocess.components import find_components

KINDS = {kind.name: kind for kind in (*FAULT_KINDS, NULL_KIND)}


def first_case(cluster: PlantedCluster) -> PlantedCase:
    return planted_case(0, PlantedCohort((cluster,), seed=2))


def peaks(case: PlantedCase, label: int) -> list[tuple[int, float, bool]]:
    """Return voxels, highest probability and whether it is true of each predicted component."""
    components = find_components(case.prediction == label)
    return [
        (
            int(components.voxels[number]),
            float(case.probabilities[label][components.ids == number].max()),
            bool((case.reference[components.ids == number] == label).any()),
        )
        for number in range(1, components.voxels.size)
    ]


def test_false_components_are_less_probable_and_of_the_same_sizes() -> None:
    rows = peaks(first_case(PEAKS), 3)
    true = [row for row in rows if row[2] and row[0] <= 24]
    false = [row for row in rows if not row[2]]
    assert true and false and all(8 <= voxels <= 24 for voxels, *_ in false)
    assert max(peak for _, peak, _ in false) < min(peak for _, peak, _ in true)


def test_neither_size_nor_peak_separates_them() -> None:
    rows = [row for row in peaks(first_case(SIZE_OR_PEAK), 3) if row[0] <= 60]
    false = [row for row in rows if not row[2]]
    small = [row for row in rows if row[2] and row[0] <= 14]
    large = [row for row in rows if row[2] and row[0] >= 30]
    assert false and small and large
    assert min(v for v, *_ in small) <= max(v for v, *_ in false)
    assert min(p for _, p, _ in large) <= max(p for _, p, _ in false)


def test_what_is_missed_is_nearly_seen() -> None:
    case = first_case(HYSTERESIS)
    missed = (case.prediction == 0) & (case.reference > 0)
    assert missed.sum() > 100
    assert 0.35 < case.probabilities[2][missed].min() <= case.probabilities[2][missed].max() < 0.5
    ghosts = (case.reference == 0) & (case.probabilities[2] > 0.35) & (case.prediction == 0)
    assert find_components(ghosts).voxels.size > 1
    assert np.array_equal(case.probabilities.argmax(0), case.prediction)


def test_confidence_without_further_faults_draws_the_same_numbers() -> None:
    assert (Confidence().timid, Confidence().missed, Confidence().ghosts) == (1.0, None, ())


def test_a_remedy_has_to_pass_and_to_gain_nearly_the_most() -> None:
    rng = np.random.default_rng(0)
    kind = FaultKind("x", "", (), "peaks")
    rows = [row_of(name, np.zeros(20), 0) for name in METHODS]
    assert not recovers(kind, rows)
    rows[1] = row_of("peaks", rng.uniform(0.04, 0.06, 20), 0)
    assert rows[1]["passes"] and recovers(kind, rows)
    rows[0] = row_of("sizes", rng.uniform(0.08, 0.09, 20), 0)
    assert not recovers(kind, rows)
    rows[0] = row_of(ALL, rng.uniform(0.08, 0.09, 20), 0)  # of which the remedy is a part
    assert recovers(kind, rows)
    assert recovers(NULL_KIND, [row_of("sizes", np.zeros(20), 0)])
    assert not recovers(NULL_KIND, rows)


def test_the_table_shows_who_wins_where(monkeypatch: pytest.MonkeyPatch) -> None:
    gains = {"sizes": 0.0, "peaks": 0.05, "size or peak": 0.04, "hysteresis": 0.0}

    def planted(kind: FaultKind, cases: int, seed: int) -> FaultResult:
        rng = np.random.default_rng(seed)
        rows = [row_of(m, rng.uniform(0.9, 1.1, cases) * gain, seed) for m, gain in gains.items()]
        return FaultResult(kind.name, seed, rows, recovers(kind, rows))

    monkeypatch.setattr("lab.study.fault_study.study_fault", planted)
    done: list[str] = []
    rows = study_faults((KINDS["peaks"], NULL_KIND), 20, 3, 5, done.append)
    assert done == ["faults: peaks", "faults: nothing"]
    assert [(row["recovered"], row["cohorts"]) for row in rows] == [(3, 3), (0, 3)]
    text = render_markdown({"faults": rows}, "faults.md.j2")
    assert "| peaks | 3 of 3 | 0.0000 (0) | +0.04" in text
    assert "Cohorts of 20 cases" in text and "| peaks | 7 | peaks | +0.0" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["peaks", "look-alikes"])
def test_the_remedy_is_recovered(name: str) -> None:
    result = study_fault(KINDS[name], 16, 1)
    by_method = {row["method"]: row for row in result.rows}
    assert result.recovered, result.rows
    assert by_method[KINDS[name].remedy]["low"] > 0
    assert not by_method["sizes"]["passes"]
