"""The fast lesion-wise scorers and a slow, obvious peer give the same numbers on awkward maps."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_instances import naive_instances
from naive_isles import naive_isles
from naive_lesionwise import naive_scores
from naive_tasks import GOAT, INSTANCES, TASKS
from official_columns import COLUMNS
from painted_maps import (
    ISLANDS,
    KINDS,
    LABELS,
    SPACINGS_MM,
    Blob,
    Case,
    Shape,
    painted,
    random_case,
)

from lab.metrics import brats2023, brats2025
from lab.metrics.lesionwise import Profile, score
from lab.metrics.pair import Pair
from lab.metrics.scorer import Scorer
from lab.metrics.scorers import SCORERS

YEARS = {
    "2023": brats2023.PROFILES,
    "2024": brats2025.PROFILES_2024,
    "2025": brats2025.PROFILES_2025,
}
PROFILES: dict[str, Profile] = {
    f"{year}-{name}": profile for year, rows in YEARS.items() for name, profile in rows.items()
}
# Lattices on which the scores depend on who touches whom at an edge, in which order partners come,
# which of two partners wins, and from which corner lesions are numbered.
MERGING = {
    "2025-gli": (5, 22, 27),
    "2025-met": (42,),
    "2025-ssa": (19, 35),
}

# Deprecated scipy names inside the unmaintained peer of the surfel distance.
pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")


def fast(case: Case, task: str, is_contiguous: bool = True) -> dict[str, dict[str, float]]:
    prediction, reference = case.prediction.T, case.reference.T
    if is_contiguous:
        prediction, reference = np.ascontiguousarray(prediction), np.ascontiguousarray(reference)
    return score(Pair(prediction, reference, case.spacing_mm[::-1]), PROFILES[task])


def naive(case: Case, task: str) -> dict[str, dict[str, float]]:
    return naive_scores(case.prediction, case.reference, case.spacing_mm, task)


def agree(result: dict[str, dict[str, float]], expected: dict[str, dict[str, float]]) -> None:
    assert set(result) == set(expected)
    for region, row in expected.items():
        assert result[region] == pytest.approx(row, rel=0, abs=1e-9), region


@st.composite
def maps(draw: st.DrawFn, shape: Shape) -> np.ndarray:
    corners = st.tuples(*(st.integers(0, side - 1) for side in shape))
    sides = st.tuples(*(st.integers(1, 7),) * 3)
    labels = st.integers(1, LABELS)
    limits = st.sampled_from((10**6, *ISLANDS))
    blobs = st.builds(Blob, labels, corners, sides, limits, st.booleans())
    return painted(draw(st.lists(blobs, max_size=8)), shape)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = draw(st.sampled_from(((14, 13, 12), (15, 12, 18))))
    return Case(draw(maps(shape)), draw(maps(shape)), draw(st.sampled_from(SPACINGS_MM)))


def test_every_profile_has_its_peer() -> None:
    assert set(PROFILES) == set(TASKS)


def scored(case: Case, scorer: Scorer) -> dict[str, dict[str, float]]:
    """Score as `lab evaluate` does, arrays (z, y, x)."""
    arrays = (np.ascontiguousarray(labels.T) for labels in (case.prediction, case.reference))
    return scorer.score(Pair(*arrays, case.spacing_mm[::-1]))


def agree_where_both_tell(
    result: dict[str, dict[str, float]], expected: dict[str, dict[str, float]]
) -> None:
    """As `agree`; numbers that only one of the two has are not compared."""
    assert set(result) == set(expected)
    for region, row in expected.items():
        ours = {name: result[region][name] for name in row}
        assert ours == pytest.approx(row, rel=0, abs=1e-9, nan_ok=True), region


def test_every_profile_of_goat_and_2026_has_its_peer() -> None:
    assert {name: set(SCORERS[name].by_cohort) for name in GOAT} == {
        name: set(cohorts) for name, cohorts in GOAT.items()
    }
    peers = {*INSTANCES, "2026-mets", "2026-isles"}
    assert peers == {name for name in SCORERS if name[:4] == "2026"}


@settings(max_examples=40)
@given(case=cases(), year=st.sampled_from(sorted(GOAT)), data=st.data())
def test_goat_scores_each_case_as_its_cohort(case: Case, year: str, data: st.DataObject) -> None:
    cohort = data.draw(st.sampled_from(sorted(GOAT[year])))
    agree_where_both_tell(scored(case, SCORERS[year].of(cohort)), naive(case, GOAT[year][cohort]))


@settings(max_examples=40)
@given(case=cases(), task=st.sampled_from(sorted(INSTANCES)))
def test_drawn_blobs_score_alike_in_2026(case: Case, task: str) -> None:
    expected = naive_instances(case.prediction, case.reference, case.spacing_mm, task)
    agree_where_both_tell(scored(case, SCORERS[task]), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_case_scores_alike_in_goat_and_2026(kind: str) -> None:
    for seed, (year, cohorts) in enumerate(GOAT.items()):
        case = random_case(seed, kind)
        for cohort, task in cohorts.items():
            agree_where_both_tell(scored(case, SCORERS[year].of(cohort)), naive(case, task))
    for seed, task in enumerate(sorted(INSTANCES), 50):
        case = random_case(seed, kind)
        expected = naive_instances(case.prediction, case.reference, case.spacing_mm, task)
        agree_where_both_tell(scored(case, SCORERS[task]), expected)


def isles_agrees(case: Case, seed: int) -> None:
    """Compare on whatever is not 0, with a probability map that follows both maps."""
    noise = np.random.default_rng(seed).random(case.prediction.shape)
    near = 0.3 * (case.prediction > 0) + 0.3 * (case.reference > 0)
    probability = (near + 0.4 * noise).round(seed % 3 + 1).astype(np.float32)
    masks = [(labels > 0).astype(np.uint8) for labels in (case.prediction, case.reference)]
    arrays = [np.ascontiguousarray(array.T) for array in (*masks, probability)]
    pair = Pair(*arrays[:2], case.spacing_mm[::-1], probability=arrays[2])
    agree(
        SCORERS["2026-isles"].score(pair),
        naive_isles(*masks, case.spacing_mm, probability),
    )


@settings(max_examples=40)
@given(case=cases(), seed=st.integers(0, 100))
def test_drawn_blobs_score_alike_in_isles(case: Case, seed: int) -> None:
    isles_agrees(case, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_case_scores_alike_in_isles(kind: str) -> None:
    for seed in range(70, 73):
        isles_agrees(random_case(seed, kind), seed)


@settings(max_examples=60)
@given(case=cases(), task=st.sampled_from(sorted(TASKS)), is_contiguous=st.booleans())
def test_drawn_blobs_score_alike(case: Case, task: str, is_contiguous: bool) -> None:
    agree(fast(case, task, is_contiguous), naive(case, task))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_case_scores_alike(kind: str) -> None:
    for seed, task in enumerate(sorted(TASKS)):
        case = random_case(seed, kind)
        agree(fast(case, task), naive(case, task))


@pytest.mark.parametrize("task", sorted(MERGING))
def test_touching_tissues_merge_alike(task: str) -> None:
    for seed in MERGING[task]:
        case = random_case(seed, "lattice")
        agree(fast(case, task), naive(case, task))


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(100, 103), marks=pytest.mark.slow),
        pytest.param(range(103, 130), marks=pytest.mark.long),
    ],
    ids=str,
)
@pytest.mark.parametrize("task", sorted(TASKS))
def test_many_random_cases_score_alike(task: str, seeds: range) -> None:
    for seed in seeds:
        case = random_case(seed)
        agree(fast(case, task), naive(case, task))


@pytest.mark.slow
def test_the_peer_gives_the_organisers_numbers(shared_data: Path) -> None:
    folder = shared_data / "brats-official-scores-synthetic"
    official = json.loads((folder / "official.json").read_text())
    assert len(official) == 8
    for name, scorers in official.items():
        prediction = nibabel.load(folder / f"{name}.nii.gz")
        reference = nibabel.load(folder / f"{name}-seg.nii.gz")
        spacing_mm = tuple(float(mm) for mm in prediction.header.get_zooms())
        case = Case(np.asarray(prediction.dataobj), np.asarray(reference.dataobj), spacing_mm)
        for scorer, rows in scorers.items():
            expected = {
                region: {ours: row[column] for ours, column in COLUMNS.items() if column in row}
                for region, row in rows.items()
            }
            agree(naive(case, scorer.lower()), expected)
