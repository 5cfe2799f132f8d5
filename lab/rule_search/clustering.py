"""From feature vectors to clusters: scikit-learn fits, plain arrays are stored.

The result is a `ClusterModel`, which the container applies with numpy alone. The configuration
`published` divides each case's vector by its length, as the published artefact does; `validated`
scales each feature by itself (median and quartiles, logarithm first where it spans decades), so
that no feature wins by its unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from challenge.refusal import Refusal
from lab.rule_search.config import VARIANCE, SearchConfig
from postprocess.artefacts import KnownAnswer
from postprocess.clusters import ClusterModel

NORMAL_QUARTILES = 1.349  # distance between the quartiles of a normal distribution, in deviations
MOST_DEVIATIONS = 5.0  # an outlier farther out says no more than this
# A case this many times farther out than any training case of its cluster belongs to none.
FAR = 1.5
STARTS = 10  # of k-means; the best counts
RESAMPLES = 20
STABLE = 0.8  # adjusted Rand index from which clusters count as the same


@dataclass(frozen=True)
class Stability:
    """How reproducible k clusters are."""

    k: int
    over_resamples: float  # mean adjusted Rand index of bootstrap fits against the fit on all cases
    over_seeds: float  # the same of single starts from other seeds
    silhouette: float  # NaN for one cluster
    smallest: int  # cases in the smallest cluster

    @property
    def is_stable(self) -> bool:
        """Whether both indices say that the clusters are reproducible."""
        return min(self.over_resamples, self.over_seeds) >= STABLE


def fit_space(rows: np.ndarray, names: Sequence[str], config: SearchConfig) -> ClusterModel:
    """Fit scaling and PCA on feature vectors (case, feature); the model has one cluster, at 0.

    Raises:
        Refusal: there are fewer than two cases, or a value is not finite.
    """
    from sklearn.decomposition import PCA

    if len(rows) < 2:
        raise Refusal(f"{len(rows)} cases with features, at least 2 are needed")
    if not np.isfinite(rows).all():
        raise Refusal(f"{names[int(np.argwhere(~np.isfinite(rows))[0, 1])]}: not finite")
    n = len(names)
    by_rows = config.scaling == "rows"
    unscaled = ClusterModel(
        log=np.zeros(n, bool) if by_rows else _spans_a_decade(rows),
        feature_centre=np.zeros(n),
        feature_scale=np.ones(n),
        clip=np.full(n, np.inf),
        row_l2=np.array(by_rows),
        pca_mean=np.zeros(n),
        components=np.eye(n),
        centres=np.zeros((1, n)),
        all_features=np.array(config.gated),  # no case is far in the published method
    )
    model = unscaled if by_rows else _scaled_by_feature(unscaled, rows, names)
    most = min(config.most_components, len(rows) - 1, n)
    scaled = model.project(rows)
    pca = PCA(most, svd_solver="full").fit(scaled)
    count = 1 + int(np.searchsorted(np.cumsum(pca.explained_variance_ratio_), VARIANCE))
    components = pca.components_[:count].astype(np.float64)
    return replace(
        model,
        pca_mean=pca.mean_.astype(np.float64),
        components=components,
        centres=np.zeros((1, len(components))),
    )


def with_clusters(space: ClusterModel, rows: np.ndarray, k: int, seed: int = 0) -> ClusterModel:
    """Find k clusters of feature vectors (case, feature); the largest comes first.

    Raises:
        Refusal: there are fewer different cases than clusters.
    """
    projected = space.project(rows)
    if k > (different := len(np.unique(projected, axis=0))):
        raise Refusal(f"{k} clusters of {different} different cases")
    centres, members = _kmeans(projected, k, seed, STARTS)
    order = np.argsort(-np.bincount(members, minlength=k), kind="stable")
    return replace(space, centres=centres[order].astype(np.float64))


def assign(model: ClusterModel, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cluster and the distance of each feature vector (case, feature)."""
    if len(rows) == 0:
        return np.empty(0, int), np.empty(0)
    clusters, distances = zip(*(model.assign(row) for row in rows), strict=True)
    return np.array(clusters), np.array(distances)


def distance_limits(model: ClusterModel, rows: np.ndarray, config: SearchConfig) -> np.ndarray:
    """Return how far from each centre (cluster,) a case may lie and still belong to it.

    `rows` are the training cases' feature vectors (case, feature). Without a gate no case is too
    far, as in the published method.
    """
    k = len(model.centres)
    if not config.gated:
        return np.full(k, np.inf)
    members, distances = assign(model, rows)
    return np.array([FAR * distances[members == c].max(initial=0.0) for c in range(k)])


def known_answers(rows: np.ndarray, model: ClusterModel) -> tuple[KnownAnswer, ...]:
    """Return two vectors that belong to no patient: the quartiles of rows (case, feature)."""
    vectors = np.quantile(rows, (0.25, 0.75), axis=0)
    return tuple(KnownAnswer(vector, *model.assign(vector)) for vector in vectors)


def stability(
    space: ClusterModel, rows: np.ndarray, k: int, seed: int = 0, draws: int = RESAMPLES
) -> Stability:
    """Cluster bootstrap resamples, and all cases from other seeds, and compare with the fit."""
    projected = space.project(rows)
    return _stability(projected.tobytes(), projected.shape, k, seed, draws)


# The study searches the same features with one configuration after another.
@lru_cache(maxsize=512)
def _stability(points: bytes, shape: tuple[int, int], k: int, seed: int, draws: int) -> Stability:
    """Measure it of points (case, p) float64, given by their bytes."""
    from sklearn.metrics import adjusted_rand_score, silhouette_score

    projected = np.frombuffer(points).reshape(shape)
    members = _kmeans(projected, k, seed, STARTS)[1]
    smallest = int(np.bincount(members, minlength=k).min())
    if k == 1:
        return Stability(1, 1.0, 1.0, np.nan, smallest)
    rng = np.random.default_rng(seed)
    resampled, seeded = [], []
    for draw in range(draws):
        chosen = projected[rng.integers(0, len(projected), len(projected))]
        if len(np.unique(chosen, axis=0)) >= k:
            centres, _ = _kmeans(chosen, k, seed + draw, 3)
            resampled.append(adjusted_rand_score(members, nearest(projected, centres)))
        seeded.append(
            adjusted_rand_score(members, _kmeans(projected, k, seed + 1 + draw, STARTS // 2)[1])
        )
    # Divided among joblib's workers, distances would differ in their last bit.
    separate = smallest < len(projected) - 1
    silhouette = float(silhouette_score(projected, members, n_jobs=1)) if separate else np.nan
    mean = float(np.mean(resampled)) if resampled else 0.0
    return Stability(k, mean, float(np.mean(seeded)), silhouette, smallest)


def nearest(projected: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the number of the nearest centre (k, p) of each point (case, p)."""
    squared = ((projected[:, None] - centres) ** 2).sum(2)
    return squared.argmin(1)


def loadings(model: ClusterModel, variances: np.ndarray) -> np.ndarray:
    """Return the share (feature,) of the components' variance that each feature carries.

    `variances` are those of the cases along each component.
    """
    energy = (model.components**2 * variances[:, None]).sum(0)
    return energy / energy.sum()


def _kmeans(points: np.ndarray, k: int, seed: int, starts: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.cluster import KMeans

    fitted = KMeans(k, n_init=starts, random_state=seed).fit(points)
    return fitted.cluster_centers_, fitted.labels_


def _spans_a_decade(rows: np.ndarray) -> np.ndarray:
    return np.asarray((rows > 0).all(0) & (rows.max(0) > 10 * rows.min(0)))


def _scaled_by_feature(
    unscaled: ClusterModel, rows: np.ndarray, names: Sequence[str]
) -> ClusterModel:
    """Centre on the median, divide by the quartiles' distance, and let each group weigh the same.

    Where most cases share one value (no cavity, no second component) the deviation is used instead.
    """
    logged = unscaled.project(rows)
    low, centre, high = np.quantile(logged, (0.25, 0.5, 0.75), axis=0)
    spread, deviation = (high - low) / NORMAL_QUARTILES, logged.std(0)
    scale = np.where(spread > 0.1 * deviation, spread, deviation)
    groups = np.array([name.split("_")[0] for name in names])
    sizes = np.array([np.count_nonzero(groups == group) for group in groups])
    return replace(
        unscaled,
        feature_centre=centre,
        feature_scale=np.where(scale > 0, scale, 1.0) * np.sqrt(sizes),
        clip=MOST_DEVIATIONS / np.sqrt(sizes),
    )
