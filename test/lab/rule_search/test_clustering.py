"""Clusters from features: as scikit-learn has them, robust, stable, and distinct from noise."""

from dataclasses import replace

import joblib
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from lab.rule_search.clustering import (
    assign,
    distance_limits,
    fit_space,
    loadings,
    stability,
    with_clusters,
)
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.feature_table import FeatureTable, informative, load_table, save_table

VALIDATED, PUBLISHED = SEARCH_CONFIGS["validated"], SEARCH_CONFIGS["published"]


def clouds(sizes, centres, seed=0, features=12):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(c, 1.0, (n, features)) for n, c in zip(sizes, centres, strict=True)]
    return np.concatenate(parts)


def names(n):
    return tuple(f"shape_{i}" for i in range(n))


def table(rows):
    n = len(rows)
    ids = tuple(f"case-{i}" for i in range(n))
    return FeatureTable(ids, names(rows.shape[1]), np.asarray(rows, float), ("",) * n)


def test_the_published_clustering_is_scikit_learns():
    rows = np.abs(clouds((15, 25), (3.0, 9.0), features=20)) ** 3
    space = fit_space(rows, names(20), PUBLISHED)
    unit = normalize(rows)
    pca = PCA(0.99, svd_solver="full").fit(unit)
    np.testing.assert_allclose(space.project(rows), pca.transform(unit), atol=1e-9)
    model = with_clusters(space, rows, 2)
    reference = KMeans(2, n_init=10, random_state=0).fit(pca.transform(unit))
    clusters, _ = assign(model, rows)
    same = {(a, b) for a, b in zip(clusters.tolist(), reference.labels_.tolist(), strict=True)}
    assert len(same) == 2


def test_no_feature_wins_by_its_unit():
    rows = clouds((20, 20), (-3.0, 3.0))
    scaled = rows * np.logspace(-4, 6, rows.shape[1])
    one, two = (fit_space(r, names(12), VALIDATED) for r in (rows, scaled))
    np.testing.assert_allclose(np.abs(one.project(rows)), np.abs(two.project(scaled)), atol=1e-6)


def test_every_group_weighs_the_same():
    rows = np.random.default_rng(0).normal(size=(400, 30))
    mixed = (*(f"t1c_{i}" for i in range(28)), "mask_a", "mask_b")
    space = fit_space(rows, mixed, replace(VALIDATED, most_components=30))
    share = loadings(space, space.project(rows).var(0))
    assert share[28:].sum() == pytest.approx(0.5, abs=0.05)


def test_one_wild_value_moves_nothing_far():
    rows = clouds((40,), (0.0,))
    wild = rows.copy()
    wild[0, 3] = 1e9
    space = fit_space(wild, names(12), VALIDATED)
    assert np.abs(space.project(wild)).max() < 10


def test_a_feature_that_most_cases_share_still_counts():
    rows = clouds((40,), (0.0,))
    rows[:, 5] = 0.0
    rows[:9, 5] = 3.0
    assert np.isfinite(fit_space(rows, names(12), VALIDATED).project(rows)).all()


@pytest.mark.parametrize("sizes", [(9, 20, 14), (20, 14, 9), (14, 9, 20)])
def test_the_largest_cluster_comes_first_and_reaches_beyond_its_cases(sizes):
    rows = clouds(sizes, (-15.0, 0.0, 15.0))
    model = with_clusters(fit_space(rows, names(12), VALIDATED), rows, 3)
    members, distances = assign(model, rows)
    assert np.bincount(members).tolist() == sorted(sizes, reverse=True)
    assert (distances < distance_limits(model, rows, VALIDATED)[members]).all()


def test_real_clusters_are_stable_and_those_of_noise_are_not():
    rows = clouds((20, 20, 20), (-9.0, 0.0, 9.0))
    space = fit_space(rows, names(12), VALIDATED)
    assert stability(space, rows, 3).is_stable
    assert stability(space, rows, 1).is_stable
    noise = clouds((60,), (0.0,))
    of_noise = stability(fit_space(noise, names(12), VALIDATED), noise, 4)
    assert not of_noise.is_stable
    assert of_noise.smallest < 30


def test_stability_is_the_same_to_the_last_bit_on_any_number_of_workers():
    for seed in range(4):
        rows = np.random.default_rng(seed).normal(size=(12, 6))
        space = fit_space(rows, names(6), VALIDATED)
        in_one = [stability(space, rows, k, draws=1) for k in range(2, 7)]
        with joblib.parallel_config(backend="loky", n_jobs=2):
            assert [stability(space, rows, k, draws=1) for k in range(2, 7)] == in_one


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((1, 3)), "1 cases with features, at least 2"),
        (np.array([[0.0, 1.0, 2.0], [1.0, np.nan, 2.0]]), "shape_1: not finite"),
    ],
)
def test_what_cannot_be_fitted_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        fit_space(rows, names(3), VALIDATED)


def test_more_clusters_than_different_cases_are_refused():
    rows = np.repeat(clouds((3,), (0.0,)), 2, axis=0)
    space = fit_space(rows, names(12), VALIDATED)
    with pytest.raises(ValueError, match="4 clusters of 3 different cases"):
        with_clusters(space, rows, 4)


def test_useless_features_are_dropped_by_reason():
    rows = clouds((8,), (0.0,))
    rows[2, 1], rows[:, 4] = np.inf, 7.0
    used, dropped = informative(table(rows), drops_constant=True)
    assert dropped == {"not finite": ["shape_1"], "constant": ["shape_4"]}
    assert len(used.names) == used.rows.shape[1] == 10
    assert "shape_4" in informative(table(rows), drops_constant=False)[0].names
    with pytest.raises(ValueError, match="none of 12 features varies"):
        informative(table(np.ones((5, 12))), drops_constant=False)


def test_a_table_comes_back_as_it_was(tmp_path):
    rows = clouds((4,), (0.0,))
    rows[1] = np.nan
    before = FeatureTable(("a", "b", "c", "d"), names(12), rows, ("", "no tumour", "", ""))
    save_table(before, tmp_path / "t.npz")
    after = load_table(tmp_path / "t.npz")
    assert (after.ids, after.names, after.reasons) == (before.ids, before.names, before.reasons)
    np.testing.assert_array_equal(after.rows, before.rows)
    assert after.described.tolist() == [True, False, True, True]
    with pytest.raises(ValueError, match="'nobody' is not one of the table's 12 features"):
        after.named(["nobody"])
    (tmp_path / "bad.npz").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"bad.npz: no feature table"):
        load_table(tmp_path / "bad.npz")


def test_a_case_whose_features_do_not_go_together_as_ever_is_far():
    rng = np.random.default_rng(0)

    def pairs(cases):  # of features that are nearly one, so that components see their mean alone
        first = rng.uniform(-1, 1, (cases, 6))
        return np.hstack([first, first + rng.normal(0, 0.05, (cases, 6))])

    rows, new = pairs(30), pairs(50)
    model = with_clusters(fit_space(rows, names(12), VALIDATED), rows, 1)
    limit = distance_limits(model, rows, VALIDATED)
    assert (assign(model, new)[1] <= limit).all()
    apart = new + np.repeat([-2.0, 2.0], 6)
    assert (assign(model, apart)[1] > limit).all()
    along = replace(model, all_features=np.array(False))
    limit = distance_limits(along, rows, VALIDATED)
    assert (assign(along, apart)[1] <= limit).mean() > 0.9
