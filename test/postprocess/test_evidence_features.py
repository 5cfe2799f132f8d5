"""Features of labels, probabilities and votes: cubes counted by hand, and any map at all."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from cubes import GLI, PANTHER, box, certain, make_case, random_map, softmax_head
from hypothesis import given, settings
from hypothesis import strategies as st

from challenge.case import Case
from challenge.scheme import SCHEMES, Head
from postprocess.feature_names import GROUPS, feature_names, group_names, needs_votes
from postprocess.features import DEFAULT_SETTINGS, FeatureError
from postprocess.refine_input import RefineInput, case_features

NETC, SNFH, ET, RC = (GLI.labels[name] for name in ("NETC", "SNFH", "ET", "RC"))
EVIDENCE = GROUPS[1:4]  # GLI has no JSON inputs
NAMES = tuple(name for group in EVIDENCE for name in group_names(GLI, group))
REGIONS = Head("regions", (("NETC", "SNFH", "ET"), ("ET",)), ("SNFH", "ET"))


def features_of(refine_input: RefineInput, *groups: str) -> dict[str, float]:
    names = [name for group in groups for name in group_names(refine_input.scheme, group)]
    return dict(zip(names, case_features(refine_input, names, {}).tolist(), strict=True))


@pytest.fixture
def labels():
    """A core in oedema, 64 voxels; 6 and 2 of ET by themselves; 28 of cavity."""
    labels = np.zeros((12, 14, 16), np.uint8)
    box(labels, SNFH, (1, 1, 1), (4, 4, 4))
    box(labels, NETC, (2, 2, 2), (2, 2, 2))
    box(labels, ET, (8, 1, 1), (1, 2, 3))  # 4 slices below the main component
    box(labels, ET, (1, 1, 10), (1, 1, 2))  # 6 columns beside it
    box(labels, RC, (5, 10, 1), (1, 2, 14))
    return labels


@pytest.fixture
def case():
    return Case("case-1", {}, (3.0, 1.0, 0.5))


def test_names_by_group():
    assert group_names(GLI, "radiomic") == feature_names(GLI.sequences)
    assert len(group_names(GLI, "mask")) == 4 * 4 + 5
    assert group_names(GLI, "mask")[:2] == ("mask_NETC_Share", "mask_NETC_Components")
    assert len(group_names(PANTHER, "mask")) == 2 * 4 + 3  # a label is itself the tumour
    assert len(group_names(GLI, "probability")) == 5
    assert len(group_names(GLI, "votes")) == 3
    for scheme in SCHEMES.values():
        names = [name for group in GROUPS for name in group_names(scheme, group)]
        assert len(set(names)) == len(names)
    assert needs_votes(group_names(GLI, "votes")[1:2])
    assert not needs_votes([n for g in GROUPS[:3] for n in group_names(GLI, g)])


def test_labels_by_their_pieces(case, labels):
    features = features_of(RefineInput(case, labels, GLI), "mask")
    assert features == pytest.approx(
        {
            "mask_NETC_Share": 8 / 100,
            "mask_NETC_Components": 1,
            "mask_NETC_ShareOutsideLargest": 0,
            "mask_NETC_LargestVolume": 8 * 1.5,
            "mask_SNFH_Share": 56 / 100,
            "mask_SNFH_Components": 1,
            "mask_SNFH_ShareOutsideLargest": 0,
            "mask_SNFH_LargestVolume": 56 * 1.5,
            "mask_ET_Share": 8 / 100,
            "mask_ET_Components": 2,
            "mask_ET_ShareOutsideLargest": 2 / 8,
            "mask_ET_LargestVolume": 6 * 1.5,
            "mask_RC_Share": 28 / 100,
            "mask_RC_Components": 1,
            "mask_RC_ShareOutsideLargest": 0,
            "mask_RC_LargestVolume": 28 * 1.5,
            "mask_tumour_Components": 3,
            "mask_tumour_ShareOutsideLargest": 8 / 72,
            "mask_tumour_MeanDistance": (12.0 + 3.0) / 2,
            "mask_tumour_LargestDistance": 12.0,
            "mask_tumour_SmallComponents": 3,  # 64 voxels are 96 mm3
        }
    )
    large = features_of(RefineInput(Case("case-1", {}, (6.0, 1.0, 0.5)), labels, GLI), "mask")
    assert large["mask_tumour_SmallComponents"] == 2


def test_a_label_that_is_not_there_and_a_tumour_in_one_piece(case):
    labels = np.zeros((5, 5, 5), np.uint8)
    labels[2, 2, 2] = ET  # a single voxel, which has no radiomic features
    features = features_of(RefineInput(case, labels, GLI), "mask")
    assert (features["mask_ET_Share"], features["mask_tumour_Components"]) == (1, 1)
    rest = {n: v for n, v in features.items() if n.split("_")[1] in ("NETC", "SNFH", "RC")}
    assert set(rest.values()) == {0.0}
    assert features["mask_tumour_MeanDistance"] == features["mask_tumour_LargestDistance"] == 0


@pytest.mark.parametrize("kind", ["softmax", "regions"])
def test_probability_of_tumour_whatever_the_head(case, labels, kind):
    tumour = np.where(GLI.mask(labels, "WT"), 1.0, 0.2).astype(np.float32)
    tumour[8], tumour[1, 1, 10:12] = 0.875, (0.5, 1.0)  # 6 voxels, and 2 of mean 0.75
    if kind == "softmax":  # half each of oedema and core, of which the features know nothing
        head, channels = softmax_head(GLI), [1 - tumour, tumour / 2, tumour / 2]
        channels += [np.zeros_like(tumour)] * 2
    else:
        head, channels = REGIONS, [tumour, tumour / 2]
    features = features_of(RefineInput(case, labels, GLI, np.stack(channels), head), "probability")
    entropy = 6 * -(0.875 * math.log2(0.875) + 0.125 * math.log2(0.125)) + 1
    assert features == pytest.approx(
        {
            "probability_MeanInside": (64 + 6 * 0.875 + 1.5) / 72,
            "probability_MeanEntropy": entropy / 72,
            "probability_MeanOthers": (6 * 0.875 + 1.5) / 8,
            "probability_LeastComponentMean": 0.75,
            "probability_UncertainShare": 7 / 72,
        },
        rel=1e-5,
    )


def test_without_others_the_main_piece_speaks_for_them(case):
    labels = np.zeros((5, 5, 5), np.uint8)
    box(labels, ET, (1, 1, 1), (2, 2, 2))
    probability = np.full((2, 5, 5, 5), 0.625, np.float32)
    features = features_of(RefineInput(case, labels, GLI, probability, REGIONS), "probability")
    assert features["probability_MeanOthers"] == features["probability_MeanInside"] == 0.625


def test_votes(case, labels):
    votes = GLI.mask(labels, "WT").astype(np.float32)
    votes[8] *= 0.75  # 6 voxels
    votes[1, 1, 10:12] = (0.5, 0.25)
    votes[11, 0, 0] = 0.25  # where no tumour is predicted
    features = features_of(RefineInput(case, labels, GLI, votes=votes), "votes")
    assert features == pytest.approx(
        {
            "votes_MeanDisagreement": (6 * 0.75 + 1 + 2 * 0.75) / 73,
            "votes_DoubtedShare": 8 / 72,
            "votes_LeastComponentMean": 0.375,
        }
    )
    none = features_of(RefineInput(case, labels, GLI, votes=np.zeros_like(votes)), "votes")
    assert list(none.values()) == [0, 1, 0]


def test_shares_that_miss_one_by_rounding_are_no_doubt(case, labels):
    votes = GLI.mask(labels, "WT") * np.nextafter(np.float32(1), np.float32(0))
    assert (
        features_of(RefineInput(case, labels, GLI, votes=votes), "votes")["votes_DoubtedShare"] == 0
    )


def test_what_is_missing_is_said(case, labels):
    bare = RefineInput(case, labels, GLI)
    with pytest.raises(FeatureError, match=r"^no probabilities to describe$"):
        features_of(bare, "probability")
    with pytest.raises(FeatureError, match=r"^no votes of members to describe$"):
        features_of(bare, "votes")
    labels[GLI.mask(labels, "WT")] = 0  # a cavity alone is no tumour
    for group in EVIDENCE:
        with pytest.raises(FeatureError, match="the tumour is empty"):
            features_of(RefineInput(case, labels, GLI), group)
    with pytest.raises(FeatureError, match="no channel"):
        core = Head("regions", (("NETC", "ET"),), ("NETC",))
        labels[0, 0, 0] = ET
        features_of(
            RefineInput(case, labels, GLI, np.zeros((1, *labels.shape)), core), "probability"
        )


def test_a_probability_that_is_not_finite_is_named(case, labels):
    probabilities = np.full((2, *labels.shape), np.nan, np.float32)
    with pytest.raises(FeatureError, match="4 features are not finite, the first is probability_M"):
        features_of(RefineInput(case, labels, GLI, probabilities, REGIONS), "probability")


def test_groups_mix_in_the_order_of_the_names(labels):
    case = make_case(GLI)
    names = ("mask_tumour_Components", "t1c_firstorder_Mean", "shape_VoxelVolume", "mask_ET_Share")
    features = case_features(RefineInput(case, labels, GLI), names, DEFAULT_SETTINGS)
    assert features[[0, 2, 3]].tolist() == [3, 64, 0.08]
    everything = group_names(GLI, "radiomic")
    whole = case_features(RefineInput(case, labels, GLI), everything, DEFAULT_SETTINGS)
    assert features[1] == whole[everything.index("t1c_firstorder_Mean")]


def test_only_the_groups_that_are_named_are_computed(case, labels, monkeypatch):
    def refuse(*_):
        raise AssertionError("not requested")

    for name in ("radiomic_features", "probability_features", "votes_features"):
        monkeypatch.setattr(f"postprocess.refine_input.{name}", refuse)
    probabilities = certain(labels, GLI)
    refine_input = RefineInput(
        case, labels, GLI, probabilities, softmax_head(GLI), probabilities[0]
    )
    assert features_of(refine_input, "mask")["mask_tumour_Components"] == 3


def test_pyradiomics_is_not_even_imported():
    code = """
import sys
import numpy as np
from challenge.case import Case
from challenge.scheme import SCHEMES
from postprocess.feature_names import group_names
from postprocess.refine_input import RefineInput, case_features
scheme, labels = SCHEMES["brats-gli"], np.ones((3, 3, 3), np.uint8)
refine_input = RefineInput(Case("x", {}, (1.0, 1.0, 1.0)), labels, scheme)
case_features(refine_input, group_names(scheme, "mask"), {})
assert "radiomics" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def any_input(seed: int, offset=(0, 0, 0), room: int = 0) -> RefineInput:
    """Return a random case with all evidence, moved into a larger empty volume."""
    rng = np.random.default_rng(seed)
    labels = random_map(seed, (5, 6, 7)) * (rng.random((5, 6, 7)) < rng.random())
    labels[tuple(rng.integers(0, (5, 6, 7)))] = ET
    probabilities = rng.dirichlet(np.full(5, 0.3), labels.shape).astype(np.float32)
    votes = rng.integers(0, 6, labels.shape).astype(np.float32) / np.float32(5)
    arrays = [labels, np.moveaxis(probabilities, -1, 0), votes]
    pads = [(at, room - at) for at in offset]
    moved = [np.pad(a, [(0, 0)] * (a.ndim - 3) + pads) for a in arrays]
    spacing_mm = tuple(rng.uniform(0.3, 5, 3))
    moved_case = Case("x", {}, spacing_mm)
    return RefineInput(
        moved_case, moved[0].astype(np.uint8), GLI, moved[1], softmax_head(GLI), moved[2]
    )


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_map_with_a_tumour_has_finite_features(seed):
    features = features_of(any_input(seed), *EVIDENCE)
    assert all(math.isfinite(value) for value in features.values())
    shares = [v for n, v in features.items() if "Share" in n or n.startswith(("prob", "votes"))]
    assert min(shares) >= 0
    assert max(shares) <= 1 + 1e-9


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), offset=st.tuples(*[st.integers(0, 4)] * 3))
def test_where_a_tumour_lies_does_not_matter(seed, offset):
    moved = features_of(any_input(seed, offset, room=4), *EVIDENCE)
    assert moved == features_of(any_input(seed), *EVIDENCE)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_distances_are_those_between_all_voxels(seed):
    refine_input = any_input(seed)
    from postprocess.components import find_components

    ids = find_components(GLI.mask(refine_input.labels, "WT")).ids
    counts = np.bincount(ids.ravel())[1:]
    points = [
        np.argwhere(ids == i) * refine_input.case.spacing_mm for i in range(1, counts.size + 1)
    ]
    main = points.pop(int(counts.argmax()))
    away = [np.linalg.norm(p[:, None] - main, axis=2).min() for p in points] or [0.0]
    features = features_of(refine_input, "mask")
    assert features["mask_tumour_MeanDistance"] == pytest.approx(np.mean(away))
    assert features["mask_tumour_LargestDistance"] == pytest.approx(max(away))


def test_numbers_of_json_inputs(labels):
    """Also where the tumour is described by nothing else; null and missing ones have a default."""
    scheme = SCHEMES["isles-2026"]
    values = {"stroke-metadata": {"CHRONICITY": None, "DAYS_POST_STROKE": 471.0}}
    case = Case("case-1", {}, (3.0, 1.0, 0.5), values=values)
    lesion = (labels > 0).astype(np.uint8)
    assert features_of(RefineInput(case, lesion, scheme), "input") == {
        "input_stroke-metadata.CHRONICITY": -1.0,
        "input_stroke-metadata.DAYS_POST_STROKE": 471.0,
    }
    bare = RefineInput(replace(case, values={}), lesion, scheme)
    assert set(features_of(bare, "input").values()) == {-1.0}
