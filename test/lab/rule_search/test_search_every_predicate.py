"""`--config every-predicate` from files: probabilities, members, and the scores of images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crowded_maps import GLI, SHAPE, random_map
from files import write_nifti

from challenge.case import CaseError, CaseFiles
from lab.data.cohort import CohortCase
from lab.metrics.objective import selection_row
from lab.metrics.scorers import scorer_named
from lab.rule_search.cases import refine_on_image
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.search import make_score_cache
from lab.rule_search.search_space import rules_of
from lab.rule_search.summary import not_searched_lines
from lab.rule_search.workspace import Setup
from lab.rule_search.written_scorer import score_as_written

SCORER = scorer_named("2025-gli", GLI)
NAME = "case-0.nii.gz"
MEMBERS = ("a", "b", "c")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> tuple[list[CohortCase], Setup]:
    """One case of small components, its probabilities, and three members that see parts of it."""
    root, rng = tmp_path_factory.mktemp("cohort"), np.random.default_rng(1)
    affine = np.diag([0.75, 0.75, 2.5, 1.0])
    prediction = random_map(1)
    write_nifti(root / "predictions" / NAME, prediction.T, affine)
    write_nifti(root / "labels" / NAME, np.roll(random_map(1), 1, axis=2).T, affine)
    for member in MEMBERS:
        seen = np.where(rng.random(SHAPE) < 0.6, prediction, 0).astype(np.uint8)
        write_nifti(root / member / NAME, seen.T, affine)
    channels = rng.random((1 + len(GLI.labels), *SHAPE)).astype(np.float32)
    np.savez(root / "predictions" / "case-0.npz", probabilities=channels / channels.sum(0))
    files = CaseFiles("case-0", {}, "t1c", Path(NAME), GLI.name, ())
    cases = [CohortCase(files, root / "labels" / NAME, np.arange(256, dtype=np.uint8))]
    predictions = str(root / "predictions")
    members = tuple(str(root / member) for member in MEMBERS)
    return cases, Setup(GLI.name, "every-predicate", str(root), predictions, predictions, members)


@pytest.mark.slow
def test_each_rule_scores_as_its_image_does(cohort) -> None:
    cases, setup = cohort
    cache = make_score_cache(cases, setup, SCORER)
    space, rng = cache.parameters, np.random.default_rng(0)
    assert {p.rule_type for p in space} == set(setup.config.rule_types)
    images: dict[bytes, list[float]] = {}
    for number, parameter in enumerate(space):
        index = int(rng.integers(1, len(parameter.grid)))
        setting = tuple(index if i == number else 0 for i in range(len(space)))
        pair = refine_on_image(cases[0], rules_of(space, setting), setup)
        labels = pair.prediction.tobytes()
        if labels not in images:
            anew = score_as_written(pair, GLI, SCORER)
            images[labels] = selection_row(anew, cache.columns)
        (row,) = cache.grid_scores(cache.no_rules, number, np.array([0]))[:, index]
        np.testing.assert_allclose(row, images[labels], rtol=0, atol=1e-9, err_msg=parameter.title)
    assert len(images) > 20


def test_votes_are_the_share_of_the_members_that_see_tumour(cohort) -> None:
    cases, setup = cohort
    votes = make_score_cache(cases, setup, SCORER).search_cases[0].components.votes
    assert set(votes[1:].tolist()) <= {np.float32(n / 3) for n in range(4)}
    assert votes[1:].max() == 1


def test_what_is_not_searched_is_said(cohort) -> None:
    cases, setup = cohort
    only_labels = replace(setup, members=(), probabilities=None)
    cache = make_score_cache(cases, only_labels, SCORER)
    types = {p.rule_type for p in cache.parameters}
    assert not types & {"votes", "size or votes", "mean", "peak"}
    assert not_searched_lines(cache, setup.config, False, False) == [
        "peaks and means are not searched: `lab features` had no --probabilities",
        "votes are not searched: `lab features` had no --members",
    ]
    assert not_searched_lines(cache, SEARCH_CONFIGS["published"], False, False) == [""]


def test_a_member_of_another_shape_is_named(cohort, tmp_path) -> None:
    cases, setup = cohort
    write_nifti(tmp_path / NAME, np.zeros((3, 3, 3), np.uint8), np.eye(4))
    with pytest.raises(CaseError, match=r"case-0.nii.gz: a label map of \(3, 3, 3\), not"):
        make_score_cache(cases, replace(setup, members=(str(tmp_path),) * 2), SCORER)
