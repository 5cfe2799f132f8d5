"""Nearest centres, by hand and as scikit-learn finds them."""

import numpy as np
import pytest
from cubes import make_artefacts

from postprocess.clusters import ClusterModel


def tiny(**changes):
    arrays = {
        "log": np.array([False, True]),
        "feature_centre": np.array([1.0, 0.0]),
        "feature_scale": np.array([2.0, 1.0]),
        "clip": np.full(2, np.inf),
        "row_l2": np.array(False),
        "pca_mean": np.zeros(2),
        "components": np.eye(2),
        "centres": np.array([[0.0, 0.0], [4.0, 0.0]]),
    }
    return ClusterModel(**{**arrays, **changes})


def test_a_vector_goes_to_the_nearest_centre():
    assert tiny().assign(np.array([1.0, 0.0])) == (0, 0.0)
    assert tiny().assign(np.array([7.0, 0.0])) == (1, 1.0)
    cluster, distance = tiny().assign(np.array([1.0, np.e - 1]))
    assert (cluster, round(distance, 12)) == (0, 1.0)


def test_a_distance_of_all_features_sees_what_the_components_do_not():
    along_first = {"components": np.eye(2)[:1], "centres": np.array([[0.0], [4.0]])}
    beside = np.array([9.0, np.exp(3.0) - 1])  # scaled: 4, 3
    assert tiny(**along_first).assign(beside) == (1, 0.0)
    cluster, distance = tiny(**along_first, all_features=np.array(True)).assign(beside)
    assert (cluster, round(distance, 12)) == (1, 3.0)
    whole = tiny(all_features=np.array(True))
    vectors = np.random.default_rng(0).normal(size=(9, 2))
    for vector in vectors:  # where the components are all there is, both are one
        assert whole.assign(vector) == pytest.approx(tiny().assign(vector))


def test_logarithm_keeps_the_sign():
    np.testing.assert_allclose(tiny().project(np.array([1.0, 1 - np.e])), [0.0, -1.0])


def test_scaled_features_end_at_the_clip():
    model = tiny(clip=np.array([1.5, 2.0]))
    np.testing.assert_allclose(model.project(np.array([99.0, 1 - np.exp(9.0)])), [1.5, -2.0])


def test_rows_can_be_divided_by_their_length():
    model = tiny(row_l2=np.array(True))
    np.testing.assert_allclose(model.project(np.array([9.0, 0.0])), [1.0, 0.0])
    np.testing.assert_allclose(model.project(np.array([1.0, 0.0])), [0.0, 0.0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"centres": np.zeros((2, 3))}, "centres"),
        ({"pca_mean": np.zeros(3)}, "log"),
        ({"log": np.zeros(2)}, "log"),
        ({"feature_centre": np.zeros(2, np.float32)}, "float32"),
        ({"feature_scale": np.array([1.0, 0.0])}, "feature_scale"),
        ({"clip": np.zeros(2)}, "clip: not positive"),
        ({"clip": np.full(2, np.nan)}, "clip: not finite"),
        ({"components": np.full((2, 2), np.nan)}, "not finite"),
        ({"components": np.zeros(())}, "components"),
    ],
)
def test_wrong_arrays_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


def test_arrays_cannot_be_changed():
    model = make_artefacts().model
    with pytest.raises(ValueError, match="read-only"):
        model.centres[0, 0] = 1.0
