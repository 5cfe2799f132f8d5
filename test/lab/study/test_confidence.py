"""Probabilities and folds of simulated networks agree with the prediction as far as they should."""

import numpy as np
import pytest

from challenge.scheme import SCHEMES
from lab.study.confidence import Confidence, doubtful_components, pseudo_folds, pseudo_probabilities

GLI = SCHEMES["brats-gli"]
ET, SNFH = GLI.labels["ET"], GLI.labels["SNFH"]
MM = (2.0, 2.0, 2.0)
TRUE, FALSE = (slice(2, 8),) * 3, (slice(11, 14),) * 3
SURE = Confidence(noise=0.0, blur_voxels=0.0)


@pytest.fixture
def pair():
    """A reference of one cube, and a prediction with a false one besides."""
    reference = np.zeros((16, 16, 16), np.uint8)
    reference[TRUE] = SNFH
    prediction = reference.copy()
    prediction[FALSE] = ET
    return prediction, reference


def probabilities_of(pair, confidence, seed=0):
    return pseudo_probabilities(*pair, confidence, GLI, np.random.default_rng(seed))


@pytest.mark.parametrize("confidence", [Confidence(), Confidence(temperature=2.0, noise=5.0), SURE])
def test_the_arg_max_is_the_prediction_and_channels_add_up(pair, confidence):
    probabilities = probabilities_of(pair, confidence)
    assert probabilities.shape == (5, 16, 16, 16)
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(probabilities.argmax(0), pair[0])
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-6)


def test_a_random_prediction_is_the_arg_max_as_well():
    prediction = np.random.default_rng(0).integers(0, 5, (9, 9, 9)).astype(np.uint8)
    probabilities = probabilities_of((prediction, np.zeros_like(prediction)), Confidence())
    np.testing.assert_array_equal(probabilities.argmax(0), prediction)


def test_temperature_and_doubt_are_what_they_say(pair):
    highest = probabilities_of(pair, SURE).max(0)
    lead = 1 / SURE.temperature + 0.01  # log-odds of the predicted label over the four others
    doubted = SURE.doubt / SURE.temperature + 0.01
    np.testing.assert_allclose(highest[TRUE], 1 / (1 + 4 * np.exp(-lead)), rtol=1e-4)
    np.testing.assert_allclose(highest[FALSE], 1 / (1 + 4 * np.exp(-doubted)), rtol=1e-4)


def test_borders_are_less_sure_than_insides(pair):
    highest = probabilities_of(pair, Confidence(noise=0.0)).max(0)
    assert highest[2, 2, 2] < highest[2, 5, 5] < highest[5, 5, 5]


def test_doubtful_is_what_overlaps_no_reference_of_its_label(pair):
    prediction, reference = pair
    prediction[3:5, 3:5, 3:5] = ET  # inside the true cube, where the reference has SNFH
    numbers = doubtful_components(prediction, reference)
    assert sorted(np.unique(numbers)) == [0, 1, 2]
    np.testing.assert_array_equal(numbers > 0, prediction == ET)
    reference[13, 13, 13] = ET
    assert np.count_nonzero(doubtful_components(prediction, reference)) == 8


def test_folds_disagree_about_the_doubtful_as_often_as_configured(pair):
    confidence = Confidence(folds=200, agreement=0.6, fold_noise_mm=0.0)
    folds = pseudo_folds(*pair, confidence, MM, np.random.default_rng(0))
    assert folds.shape == (200, 16, 16, 16)
    agrees = (folds[(slice(None), *FALSE)] == ET).all((1, 2, 3))
    assert 0.5 < agrees.mean() < 0.7  # 0.6 and three standard errors of 0.035
    np.testing.assert_array_equal(folds[agrees][0], pair[0])
    np.testing.assert_array_equal(folds[~agrees][0], pair[1])


def test_noise_makes_folds_differ_at_borders(pair):
    folds = pseudo_folds(*pair, Confidence(fold_noise_mm=1.5), MM, np.random.default_rng(0))
    assert folds.dtype == np.uint8
    assert (folds[0] != folds[1]).any()
    assert (folds[:, 4:6, 4:6, 4:6] == SNFH).all()


def test_the_same_seed_gives_the_same_bytes(pair):
    assert (
        probabilities_of(pair, Confidence(), 5).tobytes()
        == probabilities_of(pair, Confidence(), 5).tobytes()
    )
    assert (
        probabilities_of(pair, Confidence(), 5).tobytes()
        != probabilities_of(pair, Confidence(), 6).tobytes()
    )
