"""How far components are from the ventricles, in heads with a cube of fluid in their middle."""

from dataclasses import replace

import numpy as np
import pytest
from cubes import PANTHER, box
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt
from test_component_features import ET, block, described, head_with

from postprocess.component_feature_table import component_features
from postprocess.component_features import available_names, describe_components
from postprocess.features import FeatureError
from postprocess.refine_input import RefineInput


def with_ventricle(labels: np.ndarray, spacing_mm=(1.0, 1.0, 1.0)) -> RefineInput:
    """Return a head with 5 x 5 x 5 voxels of fluid in its middle, and labels in it."""
    refine_input = head_with(labels, spacing_mm)
    for sequence, fluid in {"t1n": 20, "t2w": 300, "t2f": 10}.items():
        box(refine_input.case.images[sequence], fluid, (8, 8, 8), (5, 5, 5))
    return refine_input


@settings(max_examples=10, deadline=None)
@given(st.tuples(*[st.sampled_from([1, 2, 3, 4, 16])] * 3), st.sampled_from([1.0, 2.0, 0.5]))
def test_distance_to_a_ventricle_is_that_of_scipy_and_grows_with_the_spacing(
    at: tuple[int, int, int], scale: float
) -> None:
    labels = block(ET, at, (2, 2, 2), (21, 21, 21))
    refine_input = with_ventricle(labels, (scale, scale, scale))
    outside = np.ones(labels.shape, bool)
    long, short = slice(8, 13), slice(9, 12)  # edges of the cube of fluid are opened away
    for spot in ((long, short, short), (short, long, short), (short, short, long)):
        outside[spot] = False
    expected = distance_transform_edt(outside)[labels == ET].min() * scale
    f = described(refine_input, names=("from_ventricles_mm",))
    assert f["from_ventricles_mm"] == pytest.approx([expected])


def test_distance_to_a_ventricle_by_hand_and_where_none_is_seen() -> None:
    labels = block(ET, (10, 10, 3), (1, 1, 2), (21, 21, 21))
    box(labels, ET, (10, 10, 13), (1, 1, 1))
    names = ("from_ventricles_mm",)
    # From x = 4 to x = 8, and beside the fluid.
    both = described(with_ventricle(labels), names=names)["from_ventricles_mm"]
    assert both.tolist() == [4, 1]
    dry = head_with(labels)
    for image in dry.case.images.values():
        image[image > 0] = 100
    none = described(dry, names=names)["from_ventricles_mm"]
    assert none == pytest.approx([21 * np.sqrt(3)] * 2)
    assert "from_ventricles_mm" not in {row.name for row in component_features(PANTHER)}


def test_a_distance_to_ventricles_needs_one_sequence_that_shows_fluid() -> None:
    full = with_ventricle(block(ET, (10, 10, 3), (1, 1, 2), (21, 21, 21)))
    for missing, is_available in {
        ("t1c", "t2w", "t2f"): True,  # t1n alone
        ("t1n", "t2w", "t2f"): False,
    }.items():
        lacking = replace(full, case=replace(full.case, missing_sequences=missing))
        assert ("from_ventricles_mm" in available_names(lacking, ("ET",))) == is_available
        if is_available:
            assert described(lacking, names=("from_ventricles_mm",)) == {"from_ventricles_mm": [4]}
        else:
            with pytest.raises(FeatureError, match="for ventricles"):
                describe_components(lacking, ("ET",), ["from_ventricles_mm"])
