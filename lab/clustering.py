"""Clusters of feature vectors: scikit-learn fits, plain arrays are kept.

The chain is that of the adaptive post-processing of Parida et al. (PCA to 99 % of the variance,
then k-means with k chosen by silhouette), with features standardised one by one before, which
the published artefact did not do.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from postprocess.clusters import ClusterModel

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MOST_CLUSTERS = 4
FEWEST_CASES = 8  # in a cluster
MOST_COMPONENTS = 8
VARIANCE = 0.99
# Below this silhouette (Kaufman and Rousseeuw, 1990: "no substantial structure") one cluster it is.
FAINTEST_STRUCTURE = 0.25
# A case this many times farther out than any training case of its cluster belongs to none.
MAX_DISTANCE_FACTOR = 1.5
SEED = 0


@dataclass(frozen=True)
class Clustering:
    """A frozen model, the cluster of each row it was fitted on, and how far clusters reach."""

    model: ClusterModel
    members: np.ndarray  # (row,) int
    max_distance: tuple[float, ...]


def fit_clusters(rows: np.ndarray) -> Clustering:
    """Fit clusters on feature vectors (row, feature), largest cluster first.

    Raises:
        ValueError: there are too few rows for one cluster.
        AssertionError: the frozen arrays do not assign as scikit-learn does.
    """
    if len(rows) < FEWEST_CASES:
        raise ValueError(f"{len(rows)} cases with features, at least {FEWEST_CASES} are needed")
    # A feature that spans more than a decade (a volume, an energy) is compared by its logarithm.
    log = (rows > 0).all(0) & (rows.max(0) > 10 * rows.min(0))
    chain = _choose_chain(_logged(rows, log))
    order = np.argsort(-np.bincount(chain[-1].labels_), kind="stable")
    model = from_sklearn(chain, log, order)
    check_equal(model, chain, order, rows)
    found = [model.assign(row) for row in rows]
    members = np.array([cluster for cluster, _ in found])
    distances = np.array([distance for _, distance in found])
    reach = [float(distances[members == k].max()) for k in range(len(order))]
    return Clustering(model, members, tuple(MAX_DISTANCE_FACTOR * far for far in reach))


def from_sklearn(chain: "Pipeline", log: np.ndarray, order: np.ndarray) -> ClusterModel:
    """Copy what a fitted (StandardScaler, PCA, KMeans) pipeline needs to assign, and no more."""
    scaler, pca, kmeans = (step for _, step in chain.steps)
    return ClusterModel(
        log=log,
        feature_centre=scaler.mean_.astype(np.float64),
        feature_scale=scaler.scale_.astype(np.float64),
        row_l2=np.array(False),
        pca_mean=pca.mean_.astype(np.float64),
        components=pca.components_.astype(np.float64),
        centres=kmeans.cluster_centers_[order].astype(np.float64),
    )


def check_equal(
    model: ClusterModel, chain: "Pipeline", order: np.ndarray, rows: np.ndarray, more: int = 1000
) -> None:
    """Assert equal assignments on every training row and on random ones like them."""
    rng = np.random.default_rng(SEED)
    mixed = rng.permuted(np.resize(rows, (more, rows.shape[1])), axis=0)
    tried = np.concatenate([rows, mixed * rng.normal(1, 0.1, mixed.shape)])
    ours = [model.assign(row)[0] for row in tried]
    theirs = np.argsort(order)[chain.predict(_logged(tried, model.log))]
    np.testing.assert_array_equal(ours, theirs, "frozen arrays and scikit-learn disagree")


def _logged(rows: np.ndarray, log: np.ndarray) -> np.ndarray:
    return np.where(log, np.sign(rows) * np.log1p(np.abs(rows)), rows)


def _choose_chain(logged: np.ndarray) -> "Pipeline":
    """Fit one chain a number of clusters, and return the one with the clearest structure."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.metrics import silhouette_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    most = min(MOST_COMPONENTS, len(logged) - 1, logged.shape[1])
    spectrum = make_pipeline(StandardScaler(), PCA(most, svd_solver="full")).fit(logged)[-1]
    explained = np.cumsum(spectrum.explained_variance_ratio_)
    kept = min(most, 1 + int(np.searchsorted(explained, VARIANCE)))

    def fitted(k: int) -> "Pipeline":
        kmeans = KMeans(k, n_init=20, random_state=SEED)
        return make_pipeline(StandardScaler(), PCA(kept, svd_solver="full"), kmeans).fit(logged)

    best, clearest = fitted(1), FAINTEST_STRUCTURE
    for k in range(2, MOST_CLUSTERS + 1):
        chain = fitted(k)
        members = chain[-1].labels_
        if np.bincount(members, minlength=k).min() >= FEWEST_CASES:
            score = silhouette_score(chain[:-1].transform(logged), members)
            best, clearest = (chain, score) if score > clearest else (best, clearest)
    return best
