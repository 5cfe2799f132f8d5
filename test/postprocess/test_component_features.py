"""Features of components, on boxes whose faces and voxels can be counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from cubes import GLI, PANTHER, box, certain, make_case, random_map, softmax_head
from hypothesis import given, settings
from hypothesis import strategies as st

from challenge.case import Case
from challenge.orientation import turn_between
from challenge.scheme import Head
from postprocess.component_feature_table import component_features, sources_of
from postprocess.component_features import available_names, describe_components
from postprocess.features import FeatureError
from postprocess.refine_input import RefineInput

ET, NETC, SNFH, RC = (GLI.labels[name] for name in ("ET", "NETC", "SNFH", "RC"))
NAMES = tuple(row.name for row in component_features(GLI))
SPACING_MM = (2.0, 1.0, 1.0)


def described(refine_input: RefineInput, labels=("ET",), names=None) -> dict[str, np.ndarray]:
    """Return the features by name, one number a component."""
    names = available_names(refine_input, labels) if names is None else names
    rows = describe_components(refine_input, labels, names).rows
    return dict(zip(names, rows.T, strict=True))


def of_labels(labels: np.ndarray, spacing_mm=SPACING_MM, of=("ET",)) -> dict[str, np.ndarray]:
    """Describe a label map of which nothing else is known."""
    return described(RefineInput(Case("a", {}, spacing_mm), labels, GLI), of)


def block(value: int, at, size, shape=(12, 14, 16)) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    box(labels, value, at, size)
    return labels


def test_a_block_by_hand() -> None:
    """2 x 3 x 4 voxels of 2 x 1 x 1 mm: 4 mm x 3 mm x 4 mm."""
    f = of_labels(block(ET, (1, 2, 3), (2, 3, 4)))
    assert f["volume_mm3"] == [48]
    assert f["surface_per_volume"] == pytest.approx([(2 * 12 + 2 * 16 + 2 * 12) / 48])
    assert f["extent"] == [1]
    assert f["sphericity"] == pytest.approx([np.cbrt(36 * np.pi * 48**2) / 80])
    # The variance of a side of s mm that is filled is s^2 / 12.
    assert f["length_mm"] == pytest.approx([4 * np.sqrt(16 / 12)])
    assert f["elongation"] == pytest.approx([1])
    assert f["flatness"] == pytest.approx([3 / 4])
    assert f["tubularity"] == pytest.approx([0])
    assert (f["share_of_all"], f["others"], f["nested_share"]) == ([1], [0], [0])
    assert f["from_main_mm"] == [0]


def test_a_voxel_and_a_tube() -> None:
    labels = block(ET, (2, 2, 2), (1, 1, 1))
    box(labels, ET, (6, 6, 3), (1, 1, 10))
    voxel, tube = (
        {name: values[i] for name, values in of_labels(labels, (1.0, 1.0, 1.0)).items()}
        for i in range(2)
    )
    assert (voxel["volume_mm3"], tube["volume_mm3"]) == (1, 10)
    assert voxel["sphericity"] == pytest.approx(np.cbrt(36 * np.pi) / 6)
    assert (voxel["tubularity"], voxel["elongation"]) == pytest.approx((0, 1))
    assert tube["tubularity"] == pytest.approx(1 - 1 / 100)
    assert (voxel["share_of_all"], voxel["others"]) == (1 / 11, 1)
    # The tube is the largest component; its nearest voxel lies 4, 4 and 1 away.
    assert voxel["from_main_mm"] == pytest.approx(np.sqrt(16 + 16 + 1))
    assert tube["from_main_mm"] == 0


def test_two_blocks_at_a_corner_are_one_component() -> None:
    labels = block(ET, (1, 1, 1), (2, 2, 2))
    box(labels, ET, (3, 3, 3), (2, 2, 2))
    f = of_labels(labels, (1.0, 1.0, 1.0))
    assert f["extent"] == pytest.approx([16 / 64])
    assert f["surface_per_volume"] == [48 / 16]


def test_all_components_as_one_are_described_together() -> None:
    labels = block(ET, (1, 1, 1), (1, 1, 2))
    box(labels, ET, (8, 8, 8), (2, 2, 2))
    refine_input = RefineInput(Case("a", {}, (1.0, 1.0, 1.0)), labels, GLI)
    names = ("volume_mm3", "others", "surface_per_volume", "extent")
    result = describe_components(refine_input, ("ET",), names, "case")
    assert result.rows.tolist() == [[10, 0, (10 + 24) / 10, 10 / 9**3]]
    assert result.components.voxels.tolist() == [labels.size - 10, 10]
    nothing = RefineInput(refine_input.case, np.zeros_like(labels), GLI)
    assert describe_components(nothing, ("ET",), names, "case").rows.shape == (0, 4)


def test_what_touches_it_counts_by_area() -> None:
    """A cube of two voxels a side: a face of 4 mm2 in x and y each, 2 x 2 voxels in z of 1 mm2."""
    labels = block(ET, (4, 4, 4), (2, 2, 2))
    box(labels, SNFH, (4, 4, 6), (2, 2, 1))  # one face in x: 2 x 2 voxels of 2 mm2
    f = of_labels(labels)
    assert f["nested_share"] == pytest.approx([8 / (2 * 4 + 4 * 8)])
    assert of_labels(labels, of=("NETC", "SNFH", "ET"))["nested_share"] == [0]


def test_at_the_edge_of_the_volume_nothing_touches() -> None:
    f = of_labels(block(ET, (0, 0, 0), (2, 2, 2)))
    assert f["nested_share"] == [0] and f["volume_mm3"] == [16]


def test_the_main_tumour_is_the_largest_of_all_labels() -> None:
    labels = block(ET, (1, 1, 1), (1, 1, 2))
    box(labels, SNFH, (1, 8, 1), (3, 3, 3))
    box(labels, ET, (1, 8, 4), (1, 1, 1))  # touches the oedema: a part of it
    assert of_labels(labels)["from_main_mm"] == pytest.approx([7, 0])
    no_tumour = block(RC, (1, 1, 1), (1, 1, 2))
    diagonal = np.linalg.norm(np.array(no_tumour.shape) * SPACING_MM)
    assert of_labels(no_tumour, of=("RC",))["from_main_mm"] == pytest.approx([diagonal])


def test_probabilities_and_votes_are_those_inside() -> None:
    labels = block(ET, (1, 1, 1), (1, 1, 2))
    box(labels, ET, (5, 5, 5), (1, 2, 1))
    probabilities = certain(labels, GLI) * 0.5
    channel = list(GLI.labels).index("ET") + 1
    probabilities[channel, 1, 1, 1:3], probabilities[channel, 5, 5:7, 5] = (0.6, 0.8), (0.9, 0.5)
    votes = np.zeros(labels.shape, np.float32)
    votes[1, 1, 1:3], votes[5, 5:7, 5] = (1, 0.5), 0.25
    head = softmax_head(GLI)
    case = Case("a", {}, SPACING_MM)
    f = described(RefineInput(case, labels, GLI, probabilities, head, votes))
    assert f["probability_mean"] == pytest.approx([0.7, 0.7])
    assert f["probability_peak"] == pytest.approx([0.8, 0.9])
    assert f["probability_least"] == pytest.approx([0.6, 0.5])
    assert f["votes_mean"] == pytest.approx([0.75, 0.25])
    assert f["votes_peak"] == pytest.approx([1, 0.25])


def head_with(labels: np.ndarray, spacing_mm=(1.0, 1.0, 1.0), **values: float) -> RefineInput:
    """Return a head of noise around 100 in a margin of 1 voxel of air; ET in some sequences."""
    rng = np.random.default_rng(1)
    images = {}
    for sequence in GLI.sequences:
        image = np.zeros(labels.shape, np.float32)
        image[1:-1, 1:-1, 1:-1] = 100 + rng.permutation(
            np.arange(image[1:-1, 1:-1, 1:-1].size) % 2
        ).reshape(image[1:-1, 1:-1, 1:-1].shape)
        image[labels == ET] = values.get(sequence, 100)
        images[sequence] = image
    return RefineInput(Case("a", images, spacing_mm), labels, GLI)


def test_intensities_are_z_scores_of_the_head() -> None:
    labels = block(ET, (4, 4, 4), (2, 2, 2))
    refine_input = head_with(labels, t1c=150)
    image = refine_input.case.images["t1c"].astype(float)
    inside = image[image != 0]
    z = (150 - inside.mean()) / inside.std()
    f = described(refine_input)
    assert f["t1c_mean"] == pytest.approx([z])
    assert f["t1c_deviation"] == pytest.approx([0], abs=1e-9)
    assert f["t1c_roughness"] == [0]
    near = 50 / inside.std()
    assert f["t1c_contrast"] == pytest.approx([near], abs=1 / inside.std())
    assert f["t1c_asymmetry"] == pytest.approx([near], abs=1 / inside.std())
    assert f["enhancement"] == pytest.approx(f["t1c_mean"] - f["t1n_mean"])
    scaled = {name: 7 * image for name, image in refine_input.case.images.items()}
    again = described(replace(refine_input, case=replace(refine_input.case, images=scaled)))
    for name in NAMES:
        if name in f:
            assert again[name] == pytest.approx(f[name], abs=1e-5), name


def test_texture_shows_in_deviation_and_roughness() -> None:
    labels = block(ET, (4, 4, 4), (2, 2, 4))
    stripes, halves = head_with(labels), head_with(labels)
    stripes.case.images["t2f"][4:6, 4:6, 4:8:2] = 140
    halves.case.images["t2f"][4:6, 4:6, 4:6] = 140
    fine, coarse = described(stripes), described(halves)
    assert fine["t2f_deviation"] == pytest.approx(coarse["t2f_deviation"])
    # Of 8 + 8 + 12 pairs of neighbours, 12 differ in stripes, 4 in halves.
    assert fine["t2f_roughness"] == pytest.approx(3 * coarse["t2f_roughness"])


def test_place_is_relative_to_the_head() -> None:
    """A head of 10 x 12 x 14 voxels in a margin of one, z up, y back, x left."""
    f = described(head_with(block(ET, (10, 1, 1), (1, 1, 1))))
    assert (f["height"], f["front"], f["from_midline"]) == ([1], [1], [1])
    assert f["depth_mm"] == [0]
    f = described(head_with(block(ET, (1, 6, 7), (1, 2, 2)), (3.0, 1.0, 1.0)))
    assert f["height"] == [0] and f["from_midline"] == pytest.approx([0])
    assert f["front"] == pytest.approx([1 - 5.5 / 11])
    f = described(head_with(block(ET, (5, 6, 7), (1, 1, 1)), (3.0, 1.0, 1.0)))
    assert f["depth_mm"] == [5]  # in y, from voxel 6 to voxel 1


@pytest.mark.parametrize("code", ["RAS", "LPI", "SAL", "PIR"])
def test_an_axis_order_changes_nothing(code: str) -> None:
    case = replace(make_case(GLI, spacing_mm=(2.0, 1.0, 1.5)), orientation="LPS")
    for image in case.images.values():
        image[:2] = image[:, :1] = 0
    labels = random_map(3, (12, 14, 16))
    probabilities = certain(labels, GLI)
    head = softmax_head(GLI)
    rows = describe_components(
        RefineInput(case, labels, GLI, probabilities, head, probabilities[1]), ("ET",), NAMES
    ).rows
    turn = turn_between("LPS", code)
    turned = RefineInput(
        case.oriented(code),
        turn.there(labels),
        GLI,
        turn.there(probabilities),
        head,
        turn.there(probabilities[1]),
    )
    again = describe_components(turned, ("ET",), NAMES).rows
    order, other = (np.lexsort(each.round(6).T) for each in (rows, again))
    np.testing.assert_allclose(again[other], rows[order], rtol=1e-6, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([("ET",), ("NETC", "ET"), ("RC",)]))
def test_every_feature_of_every_component_is_finite(seed: int, of: tuple[str, ...]) -> None:
    case, labels = make_case(GLI, (8, 9, 10), (2.0, 1.0, 0.7)), random_map(seed)
    probabilities = certain(labels, GLI)
    refine_input = RefineInput(case, labels, GLI, probabilities, softmax_head(GLI), labels / 4)
    assert available_names(refine_input, of) == NAMES
    result = describe_components(refine_input, of, NAMES)
    assert result.rows.shape == (result.components.voxels.size - 1, len(NAMES))
    assert np.isfinite(result.rows).all()
    shares = result.rows[:, [NAMES.index(n) for n in ("extent", "nested_share", "height")]]
    assert ((shares >= 0) & (shares <= 1 + 1e-9)).all()


def test_what_a_case_lacks_is_said_and_its_features_are_not_available() -> None:
    labels = block(ET, (4, 4, 4), (2, 2, 2))
    full = RefineInput(
        make_case(GLI), labels, GLI, certain(labels, GLI), softmax_head(GLI), labels / 4
    )
    assert available_names(full, ("ET",)) == NAMES
    lacking = {
        "no votes": (replace(full, votes=None), "votes_mean"),
        "no probabilities": (replace(full, probabilities=None), "probability_peak"),
        "no image of sequence t1n": (
            replace(full, case=replace(full.case, missing_sequences=("t1n",))),
            "t1c_mean",
        ),
        "separates": (
            replace(full, head=Head("regions", (("NETC", "ET"), ("NETC", "ET", "SNFH")), ("", ""))),
            "probability_mean",
        ),
    }
    for reason, (refine_input, name) in lacking.items():
        with pytest.raises(FeatureError, match=reason):
            describe_components(refine_input, ("ET",), ["volume_mm3", name])
        assert name not in available_names(refine_input, ("ET",))
        assert describe_components(refine_input, ("ET",), ["volume_mm3"]).rows.tolist() == [[8]]


def test_a_constant_image_has_no_z_scores() -> None:
    labels = block(ET, (4, 4, 4), (2, 2, 2))
    refine_input = RefineInput(make_case(GLI), labels, GLI)
    refine_input.case.images["t2w"][:] = 5
    with pytest.raises(FeatureError, match="t2w is constant"):
        describe_components(refine_input, ("ET",), ["t1c_mean"])


def test_without_a_component_there_is_no_row() -> None:
    refine_input = RefineInput(make_case(GLI), np.zeros((12, 14, 16), np.uint8), GLI)
    assert describe_components(refine_input, ("ET",), ["t1c_mean", "height"]).rows.shape == (0, 2)


def test_names_are_unique_and_of_one_sequence_where_there_is_one() -> None:
    for scheme in (GLI, PANTHER):
        names = [row.name for row in component_features(scheme)]
        assert len(set(names)) == len(names)
        assert all(row.meaning for row in component_features(scheme))
    assert "enhancement" not in names
    assert sources_of(["volume_mm3", "votes_peak"], GLI) == {"labels", "votes"}
