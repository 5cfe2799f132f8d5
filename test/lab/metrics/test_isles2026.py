"""ISLES'26: each metric by hand, against panoptica 1.0.1 and against scikit-learn."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from painted_maps import KINDS, random_case
from sklearn.metrics import auc, precision_recall_curve

from challenge.scheme import SCHEMES
from lab.metrics.isles2026 import lesion_table, pr_auc, score
from lab.metrics.label_components import find_label_components
from lab.metrics.pair import Pair
from lab.metrics.scorers import scorer_named
from lab.metrics.search_columns import search_columns
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.optimise import choose_rules
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_parameter import SearchParameter
from lab.rule_search.tabulate_case import make_search_case

SHAPE = (12, 12, 12)
PUBLISHED = Path(__file__).with_name("isles2026_panoptica.json")
PANOPTICA_CASES = [
    *((kind, seed) for kind in KINDS for seed in range(8)),
    *(("bars", seed) for seed in range(12)),
    *(("ties", seed) for seed in range(12)),
]
# Two equal lesions of one map, one of the other that overlaps both alike, and one of the first end.
EQUAL, BETWEEN = ((0, 30), (31, 61)), ((0, 9), (10, 51))


def cube(*boxes: tuple[slice, slice, slice]) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    for box in boxes:
        labels[box] = 1
    return labels


def line(*spans: tuple[int, int], length: int = 60) -> np.ndarray:
    """A label map (1, 1, x) of lesions from the first to before the second voxel."""
    labels = np.zeros((1, 1, length), np.uint8)
    for start, stop in spans:
        labels[0, 0, start:stop] = 1
    return labels


def scored(prediction: np.ndarray, reference: np.ndarray, **more: np.ndarray) -> dict[str, float]:
    return score(Pair(prediction, reference, (1.0, 1.0, 1.0), **more))["lesion"]


def bars(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bars on a lattice (z, y, x), many of which overlap several others."""
    rng = np.random.default_rng(seed)
    prediction, reference = (np.zeros((3, 24, 24), np.uint8) for _ in range(2))
    for y in range(0, 24, 4):
        for x in range(0, 24, 6):
            if rng.random() < 0.8:
                reference[1, y : y + 2, x : x + int(rng.integers(2, 6))] = 1
            if rng.random() < 0.8:
                start, width = (int(n) for n in rng.integers((0, 2), (3, 6)))
                up, down = rng.random(2) < 0.3
                rows = slice(y + int(up), y + 2 + 2 * int(down))
                prediction[1, rows, x + start : x + start + width] = 1
    return prediction, reference


def ties(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (1, y, x) in which the order of pairs of equal IoU decides how many match."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(4):
        pair = [line(*spans, length=62) for spans in (BETWEEN, EQUAL)]
        pair = pair[::-1] if rng.random() < 0.5 else pair
        pair = [labels[..., ::-1] for labels in pair] if rng.random() < 0.5 else pair
        rows.append([np.pad(labels, ((0, 0), (0, 1), (0, 0))) for labels in pair])
    prediction, reference = (np.concatenate(side, axis=1) for side in zip(*rows, strict=True))
    return prediction, reference


def panoptica_case(kind: str, seed: int) -> Pair:
    """Return the masks, and a probability map, that panoptica and scikit-learn scored."""
    spacing_mm = (1.0, 1.0, 1.0)
    if kind in ("bars", "ties"):
        prediction, reference = {"bars": bars, "ties": ties}[kind](seed)
    else:
        case = random_case(seed, kind)
        masks = ((labels > 0).astype(np.uint8) for labels in (case.prediction, case.reference))
        prediction, reference = (np.ascontiguousarray(mask.T) for mask in masks)
        spacing_mm = case.spacing_mm[::-1]
    noise = np.random.default_rng(seed).normal(0, 0.25, prediction.shape)
    probability = np.clip(0.5 * prediction + 0.3 * reference + noise, 0, 1).round(seed % 3 + 1)
    return Pair(prediction, reference, spacing_mm, probability.astype(np.float32))


def test_a_hit_a_miss_and_a_false_lesion() -> None:
    """27 + 8 reference voxels and 18 + 1 predicted ones; 18 in common, IoU 18 / 27."""
    reference = cube((slice(0, 3),) * 3, (slice(6, 8),) * 3)
    prediction = cube((slice(0, 2), slice(0, 3), slice(0, 3)), (slice(10, 11),) * 3)
    spacing_mm = (2.0, 5.0, 10.0)  # 0.1 mL a voxel
    assert score(Pair(prediction, reference, spacing_mm))["lesion"] == pytest.approx(
        {
            "dice": 2 * 18 / (35 + 19),
            "lesion_f1": 1 / 2,
            "volume_difference_ml": 1.6,
            "lesion_count_difference": 0,
        }
    )


def test_dice_is_zero_where_no_lesion_is_matched() -> None:
    """Panoptica's Dice of whole masks: 4 of 20 voxels are an IoU of 0.2, 5 are one of 0.25."""
    assert scored(line((0, 4)), line((0, 20)))["dice"] == 0.0
    assert scored(line((0, 5)), line((0, 20)))["dice"] == pytest.approx(2 * 5 / 25)


def test_lesions_that_meet_at_a_corner_are_one() -> None:
    reference = cube((slice(0, 2),) * 3, (slice(2, 4),) * 3)
    assert scored(reference * 0, reference)["lesion_count_difference"] == 1


def test_pairs_are_taken_from_the_highest_iou_down() -> None:
    """The long one goes to the left lesion (21 / 43); 12 / 34 and 8 / 30 would be two."""
    result = scored(line((0, 8), (9, 43)), line((0, 30), (31, 43)))
    assert result["lesion_f1"] == 1 / 2


def test_of_equal_pairs_the_first_lesions_are_taken() -> None:
    """One lesion has IoU 20 / 51 with both others; the first gets it, the last gets the rest."""
    between, equal = line(*BETWEEN, length=62), line(*EQUAL, length=62)
    assert scored(between, equal)["lesion_f1"] == scored(equal, between)["lesion_f1"] == 1 / 2
    turned = between[..., ::-1], equal[..., ::-1]
    assert scored(*turned)["lesion_f1"] == scored(*turned[::-1])["lesion_f1"] == 1.0


def test_a_split_lesion_is_matched_once_and_a_merged_one_too() -> None:
    split = scored(line((0, 9), (10, 20)), line((0, 20)))
    merged = scored(line((0, 20)), line((0, 9), (10, 20)))
    for result in (split, merged):
        assert (result["lesion_f1"], result["lesion_count_difference"]) == (2 / 3, 1)


def test_two_empty_maps_are_right_and_one_is_wrong() -> None:
    empty, lesion = line(), line((0, 2))
    both = scored(empty, empty, probability=np.zeros(empty.shape, np.float32))
    assert both == {
        "dice": 1.0,
        "lesion_f1": 1.0,
        "pr_auc": 1.0,
        "volume_difference_ml": 0.0,
        "lesion_count_difference": 0,
    }
    for result in (scored(empty, lesion), scored(lesion, empty)):
        assert result == {
            "dice": 0.0,
            "lesion_f1": 0.0,
            "volume_difference_ml": pytest.approx(0.002),
            "lesion_count_difference": 1,
        }


def test_every_value_but_0_is_lesion() -> None:
    reference = line((3, 9))
    assert scored(reference * np.uint8(255), reference)["dice"] == 1.0
    assert scored(reference.astype(float), reference)["dice"] == 1.0


def test_an_empty_reference_asks_for_a_constant_map() -> None:
    empty = line()
    for constant in (0.0, 0.3):
        assert pr_auc(np.full(empty.shape, constant, np.float32), empty) == 1.0
    almost = np.zeros(empty.shape, np.float32)
    almost[0, 0, 7] = 1e-9
    assert pr_auc(almost, empty) == 0.0


def test_pr_auc_by_hand() -> None:
    """From (recall 0, precision 1) to (1/2, 1), (1/2, 1/2) and (1, 2/3)."""
    reference = line((0, 1), (2, 3), length=4)
    probability = np.array([[[0.9, 0.8, 0.5, 0.1]]], np.float32)
    assert pr_auc(probability, reference) == pytest.approx(1 / 2 + 1 / 2 * (1 / 2 + 2 / 3) / 2)


def test_probabilities_are_compared_in_single_precision() -> None:
    reference = line((0, 1), length=2)
    probability = np.array([[[0.5, 0.5 + 1e-12]]])
    assert pr_auc(probability, reference) == pytest.approx(0.75)  # one threshold, precision 1/2


def test_a_map_with_nan_has_no_pr_auc() -> None:
    probability = np.array([[[0.5, np.nan]]], np.float32)
    assert np.isnan(pr_auc(probability, line((0, 1), length=2)))


@pytest.mark.parametrize("decimals", [1, 2, 3, 7])
@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 1.0])
def test_pr_auc_is_scikit_learns(share: float, decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    reference = (rng.random((20, 25, 30)) < share).astype(np.uint8)
    logits = rng.normal(-3, 2, reference.shape) + 3 * reference
    probability = (1 / (1 + np.exp(-logits))).round(decimals).astype(np.float32)
    precision, recall, _ = precision_recall_curve(reference.ravel() > 0, probability.ravel())
    expected = auc(recall, precision)
    assert pr_auc(probability, reference) == pytest.approx(expected, rel=0, abs=1e-9)


def test_panoptica_gives_the_same_numbers() -> None:
    """Panoptica 1.0.1 and scikit-learn 1.9.1 on these maps, called as the organisers do."""
    published = json.loads(PUBLISHED.read_text())
    assert len(published) == len(PANOPTICA_CASES)
    for kind, seed in PANOPTICA_CASES:
        case = f"{kind} {seed}"
        result = score(panoptica_case(kind, seed))["lesion"]
        assert result == pytest.approx(published[case], rel=0, abs=1e-9), case


def test_more_lesions_than_8_bits_number_are_counted_right() -> None:
    """Where panoptica 1.0.1 wraps round or fails."""
    reference = np.zeros((1, 40, 40), np.uint8)
    reference[0, ::2, ::2] = 1  # 400 lesions of one voxel
    prediction = reference.copy()
    prediction[0, :, 20:] = 0
    result = scored(prediction, reference)
    assert (result["lesion_count_difference"], result["lesion_f1"]) == (200, 2 / 3)


@pytest.mark.parametrize("seed", range(6))
def test_variants_are_scored_as_their_volumes(seed: int) -> None:
    pair = panoptica_case("bars" if seed % 2 else "moved", seed)
    table = pickle.loads(pickle.dumps(lesion_table(pair)))  # noqa: S301 -- as joblib sends it
    ids = find_label_components(pair.prediction).ids
    rng = np.random.default_rng(seed)
    for _ in range(5):
        values = (rng.random(int(ids.max()) + 1) < 0.6).astype(np.uint8)
        values[0] = 0
        expected = score(Pair(values[ids], pair.reference, pair.spacing_mm))
        assert table.score(values) == expected


@pytest.mark.parametrize("objective", ["overlap", "rank"])
def test_a_search_with_the_challenges_scorer_removes_false_lesions(objective: str) -> None:
    """A false lesion of 8 voxels; without it Dice is 1, with it 2 * 64 / (64 + 72)."""
    scheme = SCHEMES["isles-2026"]
    scorer = scorer_named(None, scheme)
    assert scorer.name == "2026-isles"
    reference = cube((slice(2, 6),) * 3)
    prediction = reference | cube((slice(8, 10),) * 3)
    pair = Pair(prediction, reference, (1.0, 1.0, 1.0))
    config = SEARCH_CONFIGS["published"]
    cases = [make_search_case(id, pair, scheme, config, scorer) for id in ("a", "b")]
    sizes = SearchParameter("lesion", "", "background", "voxels", (0, 4, 20, 100))
    cache = ScoreCache(cases, (sizes,), search_columns(scorer, scheme), scheme)
    setting = choose_rules(cache, np.array([0.5, 0.5]), (0,), objective, "label-by-label")
    assert sizes.grid[setting[0]] == 20
    before, after = (
        cache.scores([rules], np.array([0])).ravel() for rules in (cache.no_rules, setting)
    )
    assert before == pytest.approx([128 / 136, 2 / 3, 0.008, 1])
    assert after.tolist() == [1, 1, 0, 0]
