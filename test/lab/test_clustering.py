"""Frozen arrays assign as scikit-learn does, in a canonical order."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lab.clustering import MAX_DISTANCE_FACTOR, check_equal, fit_clusters, from_sklearn


def cloud(rng, cases, centre, n=386):
    """Return feature vectors around a centre: some Gaussian, some spanning decades."""
    rows = centre + rng.normal(size=(cases, 5)) @ np.random.default_rng(0).normal(size=(5, n))
    rows[:, ::7] = np.exp(rows[:, ::7])
    return rows


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
def test_clusters_can_be_renumbered(order):
    rows = np.random.default_rng(0).normal(size=(40, 30))
    chain = make_pipeline(StandardScaler(), PCA(5), KMeans(3, random_state=0)).fit(rows)
    order = np.array(order)
    model = from_sklearn(chain, np.zeros(30, bool), order)
    check_equal(model, chain, order, rows)
    assert order[model.assign(rows[0])[0]] == chain.predict(rows[:1])[0]
    with pytest.raises(AssertionError, match="disagree"):
        check_equal(model, chain, order[::-1], rows)


@pytest.mark.parametrize("sizes", [(9, 20, 14), (20, 14, 9), (14, 9, 20)])
def test_the_largest_cluster_comes_first(sizes):
    rng = np.random.default_rng(1)
    parts = zip(sizes, (-15.0, 0.0, 15.0), strict=True)
    rows = np.concatenate([cloud(rng, n, centre, 40) for n, centre in parts])
    clustering = fit_clusters(rows)
    assert np.bincount(clustering.members).tolist() == sorted(sizes, reverse=True)


def test_a_cluster_that_would_be_too_small_is_not_made():
    rng = np.random.default_rng(2)
    rows = np.concatenate([cloud(rng, 30, 0.0), cloud(rng, 7, 40.0)])
    assert min(np.bincount(fit_clusters(rows).members)) >= 8


def test_one_cloud_is_one_cluster_and_reaches_beyond_its_cases():
    rows = cloud(np.random.default_rng(1), 30, 0.0)
    clustering = fit_clusters(rows)
    assert clustering.model.centres.shape[0] == 1
    farthest = max(clustering.model.assign(row)[1] for row in rows)
    assert clustering.max_distance == (MAX_DISTANCE_FACTOR * farthest,)


def test_a_feature_that_never_varies_does_no_harm():
    rows = np.random.default_rng(3).normal(size=(20, 12))
    rows[:, 4] = 7.0
    model = fit_clusters(rows).model
    changed = rows[0].copy()
    changed[4] = 1e6
    assert np.allclose(model.project(changed), model.project(rows[0]))


def test_a_handful_of_cases_is_too_few():
    with pytest.raises(ValueError, match="7 cases with features, at least 8"):
        fit_clusters(np.zeros((7, 10)))
