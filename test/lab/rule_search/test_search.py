"""The scores that a search adds up are those of the images, or it says for which case not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from files import write_nifti
from scipy import ndimage

from challenge.case import CaseFiles
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Head, Scheme
from lab.data.cohort import CohortCase
from lab.member_selection.probability_maps import Candidate, write_candidate, write_map
from lab.metrics.objective import objective_values, selection_row
from lab.metrics.scorers import scorer_named
from lab.metrics.search_columns import search_columns
from lab.rule_search.cases import (
    read_pair,
    read_probability,
    refine_on_image,
)
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.image_scores import ScoreMismatch, SearchImages, score_on_image
from lab.rule_search.search import make_score_cache
from lab.rule_search.search_space import rules_of, searched_parameters
from lab.rule_search.summary import peaks_line
from lab.rule_search.workspace import Setup
from lab.rule_search.written_scorer import score_as_written

GLI, PANTHER = SCHEMES["brats-gli"], SCHEMES["panther-t1"]
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
SCORER = scorer_named("2025-gli", GLI)


def label_maps(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a prediction and a reference (z, y, x): nested boxes, and false islands besides."""
    rng = np.random.default_rng(seed)
    reference = np.zeros((26, 30, 34), np.uint8)
    reference[6:20, 6:20, 6:20] = GLI.labels["SNFH"]
    reference[8:17, 8:17, 8:17] = GLI.labels["ET"]
    reference[10:14, 10:14, 10:14] = GLI.labels["NETC"]
    prediction = np.roll(reference, 1, axis=int(rng.integers(3)))
    for x, label in zip(range(24, 34, 3), GLI.labels.values(), strict=False):
        side = int(rng.integers(1, 3))
        prediction[2 : 2 + side, 2 : 2 + side, x : x + side] = label
    prediction[11, 11, 12] = GLI.labels["RC"]
    return prediction, reference


Cohort = tuple[list[CohortCase], Setup]


def write_cohort(root: Path, scheme: Scheme) -> Cohort:
    """Write two cases, with voxels of 2 mm3, in the values of a challenge."""
    cases = []
    for seed in range(2):
        name = f"case-{seed}.nii.gz"
        for folder, labels in zip(("predictions", "labels"), label_maps(seed), strict=True):
            write_nifti(root / folder / name, labels % (1 + len(scheme.labels)), AFFINE)
        files = CaseFiles(f"case-{seed}", {}, "t1c", Path(name), scheme.name, ())
        table = np.arange(256, dtype=np.uint8)
        cases.append(CohortCase(files, root / "labels" / name, table))
    return cases, Setup(scheme.name, "validated", str(root), str(root / "predictions"), None, ())


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory) -> dict[str, Cohort]:
    root = tmp_path_factory.mktemp("cohorts")
    return {scheme.name: write_cohort(root / scheme.name, scheme) for scheme in (GLI, PANTHER)}


@pytest.fixture
def cohort(cohorts) -> Cohort:
    return cohorts[GLI.name]


@pytest.mark.parametrize(
    ("scheme", "name", "objective", "read"),
    [
        (GLI, "2025-gli", "overlap", "dice nsd_0.5 nsd_1.0"),
        (GLI, "2025-gli", "hd95", "dice hd95 nsd_0.5 nsd_1.0"),
        (GLI, "2023-gli", "rank", "dice hd95"),
        (GLI, "2024-gli", "positions", "dice hd95"),
        (GLI, "2026-gli", "hd95", "dice hd95 nsd"),
        (PANTHER, "panther", "masd", "dice masd surface_dice_5mm"),
        (PANTHER, "panther", "volume", "dice surface_dice_5mm volume_error_mm3"),
        (PANTHER, "panther", "positions", "dice hd95 masd surface_dice_5mm volume_error_mm3"),
    ],
)
def test_every_grid_point_scores_as_the_image_does(cohorts, scheme, name, objective, read):
    cases, setup = cohorts[scheme.name][0][:1], cohorts[scheme.name][1]
    scorer = scorer_named(name, scheme)
    cache = make_score_cache(cases, setup, scorer, objective=objective)
    assert sorted({metric for _, metric in cache.columns}) == read.split()
    everything, distinct = np.arange(len(cases)), 0
    space, confusion = cache.parameters, cache.confusion(everything)
    images: dict[bytes, list[float]] = {}
    for parameter in searched_parameters(space, setup.config, scheme, confusion):
        searched = space[parameter]
        scores = cache.grid_scores(cache.no_rules, parameter, everything)
        for index in range(len(searched.grid)):
            setting = tuple(index if i == parameter else 0 for i in range(len(space)))
            for case, row in zip(cases, scores[:, index], strict=True):
                pair = refine_on_image(case, rules_of(space, setting), setup)
                labels = pair.prediction.tobytes()
                if labels not in images:
                    anew = score_as_written(pair, scheme, scorer)
                    images[labels] = selection_row(anew, cache.columns)
                np.testing.assert_allclose(row, images[labels], rtol=0, atol=1e-9, equal_nan=True)
        distinct += len(np.unique(scores.round(9), axis=1)[0])
    assert distinct > len(space)  # thresholds do change scores


def with_probabilities(cohort, channels: int, folder: Path) -> Setup:
    """Write random probabilities of so many channels, in steps of a grid's thresholds."""
    cases, setup = cohort
    for case in cases:
        shape = label_maps(0)[0].shape[::-1]  # as it is read from the file
        array = np.random.default_rng(channels).dirichlet(np.ones(channels), shape)
        array = np.moveaxis(array.astype(np.float16), -1, 0)
        np.savez(folder / f"{case.files.id}.npz", probabilities=np.floor(array * 20) / 20)
    return replace(setup, probabilities=str(folder))


@pytest.mark.parametrize(("channels", "unknown"), [(5, set()), (3, {"RC"})])
def test_rules_by_peak_score_as_the_image_does(cohort, tmp_path, channels, unknown):
    """Of labels of a softmax head, and of the three regions of a head that knows no cavity."""
    cases, setup = cohort[0], with_probabilities(cohort, channels, tmp_path)
    cache = make_score_cache(cases, setup, SCORER)
    parameters = cache.parameters
    by_peak = [i for i, p in enumerate(parameters) if "peak" in p.rule_type]
    assert {parameters[i].name for i in by_peak} == {*GLI.labels, "WT"} - unknown
    rng, everything = np.random.default_rng(0), np.arange(len(cases))
    changed = 0
    for _ in range(12):
        setting = [0] * len(parameters)
        for i in [*rng.choice(by_peak, 2), *rng.choice(len(parameters), 2)]:
            setting[i] = int(rng.integers(len(parameters[i].grid)))
        settings = [tuple(setting)] * len(cases)
        SearchImages(cache, cases, setup, SCORER).check(settings, everything)
        both = cache.scores([settings[0], cache.no_rules], np.array([0, 0]))
        changed += not np.allclose(*both, equal_nan=True)
    assert changed > 3
    words = "" if not unknown else "peaks of RC are not searched: no probability is theirs alone"
    assert peaks_line(cache, setup.config, True) == words


def test_rules_after_a_lower_threshold_score_as_the_image_does(cohort, tmp_path):
    """Hysteresis: other components there are, whose peaks, sizes and shares decide."""
    cases, setup = cohort
    for seed, case in enumerate(cases):
        predicted = label_maps(seed)[0].T  # as it is read from the file
        blurred = ndimage.gaussian_filter(np.eye(5)[predicted], (1, 1, 1, 0))
        steps = np.floor(np.moveaxis(blurred, -1, 0) * 20) / 20
        np.savez(tmp_path / f"{case.files.id}.npz", probabilities=steps.astype(np.float32))
    setup = replace(setup, config_name="hysteresis", probabilities=str(tmp_path))
    cache = make_score_cache(cases, setup, SCORER)
    parameters, everything = cache.parameters, np.arange(len(cases))
    thresholds = [i for i, p in enumerate(parameters) if p.rule_type == "threshold"]
    assert [parameters[i].name for i in thresholds] == list(GLI.labels)
    assert parameters[thresholds[0]].in_words(2) == "NETC takes voxels of probability >= 0.425"
    rng, changed = np.random.default_rng(0), 0
    for _ in range(12):
        setting = [0] * len(parameters)
        for i in [*rng.choice(thresholds, 2), *rng.choice(len(parameters), 4)]:
            setting[i] = int(rng.integers(len(parameters[i].grid)))
        settings = [tuple(setting)] * len(cases)
        SearchImages(cache, cases, setup, SCORER).check(settings, everything)
        rest = tuple(0 if i in thresholds else point for i, point in enumerate(setting))
        both = cache.scores([settings[0], rest], np.array([0, 0]))
        changed += not np.allclose(*both, equal_nan=True)
    assert changed > 3
    for parameter in (thresholds[2], thresholds[2] + 4):  # a threshold, and a peak after it
        others = tuple(3 if i == thresholds[0] else 0 for i in range(len(parameters)))
        grid = cache.grid_scores(others, parameter, everything)
        for index in range(len(parameters[parameter].grid)):
            setting = (*others[:parameter], index, *others[parameter + 1 :])
            np.testing.assert_array_equal(
                cache.scores([setting] * len(cases), everything), grid[:, index]
            )


def test_maps_of_out_of_fold_are_probabilities_too(cohort, tmp_path):
    cases, setup = cohort
    of_nnunet, of_lab = tmp_path / "npz", tmp_path / "maps"
    of_nnunet.mkdir()
    of_lab.mkdir()
    names = ("", *GLI.labels)
    head = Head("softmax", tuple((name,) if name else () for name in names), names)
    for case in cases:
        array = np.zeros((5, 34, 30, 26), np.float16)
        array[0] = 1
        inside = np.random.default_rng(1).dirichlet(np.ones(5), (20, 20, 18))
        array[:, 2:22, 3:23, 1:19] = np.moveaxis(inside, -1, 0)
        np.savez(of_nnunet / f"{case.files.id}.npz", probabilities=array)
        write_map(of_lab / f"{case.files.id}.npz", array, head)
    members = {case.files.id: ("member",) for case in cases}
    write_candidate(Candidate("maps", of_lab, GLI, head, members, 1.0))
    peaks = [
        make_score_cache(cases, replace(setup, probabilities=str(folder)), SCORER)
        .search_cases[0]
        .components.peaks
        for folder in (of_nnunet, of_lab)
    ]
    assert peaks[0].keys() == peaks[1].keys() and len(peaks[0]) == 5
    for names in peaks[0]:
        np.testing.assert_array_equal(*(each[names] for each in peaks))
        assert (peaks[0][names][1:] > 0).any()
    other = replace(setup, probabilities=str(of_lab), scheme_name="brats-ssa")
    with pytest.raises(Refusal, match="maps: of brats-gli, not brats-ssa"):
        read_probability(cases[0], other, read_pair(cases[0], setup))


def test_without_probabilities_no_peak_is_tried_and_that_is_said(cohort):
    cache = make_score_cache(cohort[0][:1], cohort[1], SCORER)
    assert not any("peak" in p.rule_type for p in cache.parameters)
    line = "are not searched: `lab features` had no --probabilities"
    assert peaks_line(cache, cohort[1].config, False) == f"peaks {line}"
    hysteresis = SEARCH_CONFIGS["hysteresis"]
    assert peaks_line(cache, hysteresis, False) == f"peaks and thresholds {line}"
    assert peaks_line(cache, SEARCH_CONFIGS["published"], False) == ""


@pytest.mark.parametrize(
    ("scheme", "name", "objective"),
    [
        *((GLI, "2025-gli", objective) for objective in ("overlap", "dice", "nsd", "hd95", "rank")),
        *((PANTHER, "panther", objective) for objective in ("masd", "volume", "rank")),
    ],
)
def test_an_objective_of_a_grid_is_that_of_its_scores(cohorts, scheme, name, objective) -> None:
    """Also where some of the variants were scored earlier, and where others are scored later."""
    cases, setup = cohorts[scheme.name]
    cache = make_score_cache(cases, setup, scorer_named(name, scheme), objective=objective)
    everything = np.arange(len(cases))
    for numbers in (everything[:1], everything, everything[::-1]):
        for parameter in (0, 1, 0):
            grid = cache.no_rules, parameter % len(cache.parameters), numbers
            expected = objective_values(cache.grid_scores(*grid), cache.columns, objective)
            values = cache.grid_objectives(*grid, objective)
            np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "objective"), [("2025-gli", "masd"), ("2025-gli", "volume"), ("2023-gli", "nsd")]
)
def test_an_objective_that_a_scorer_does_not_report_is_refused_by_name(name, objective) -> None:
    with pytest.raises(Refusal, match=f"objective {objective}: none of the scorer's metrics"):
        search_columns(scorer_named(name, GLI), GLI, objective)


def test_scores_that_differ_from_the_images_are_a_fault_that_names_the_case(cohort):
    cases, setup = cohort
    cache = make_score_cache(cases, setup, SCORER)
    settings = [cache.no_rules] * len(cases)
    images, numbers = SearchImages(cache, cases, setup, SCORER), np.arange(len(cases))
    images.check(settings, numbers)
    region, metric = cache.columns[0]
    cache._rows[1, 0] += 0.25  # of case-1, as predicted
    right = score_on_image(cases[1], (), setup, SCORER, None)[region][metric]
    with pytest.raises(ScoreMismatch, match=f"case-1: {region} {metric} is {right} on the image"):
        images.check(settings, numbers)
