"""Small things that the tests of `postprocess` share: cases, label maps and frozen artefacts."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from challenge.case import Case
from challenge.scheme import SCHEMES, Head, Scheme
from postprocess.artefacts import Artefacts, Cluster, Fallback, KnownAnswer
from postprocess.clusters import ClusterModel
from postprocess.component_gates import ComponentGate, GateAnswer
from postprocess.feature_names import feature_names
from postprocess.features import DEFAULT_SETTINGS
from postprocess.gate_models import BoostedTrees, Familiarity, Logistic, Scaling
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

GLI, PED, PANTHER = SCHEMES["brats-gli"], SCHEMES["brats-ped"], SCHEMES["panther-t1"]
FIT = {
    "date": "2026-01-02",
    "library_versions": {"scikit-learn": "1.9.1"},
    "training_cases": 20,
    "case_list_sha256": "0" * 64,
    "config": "validated",
    "scorer": "2025-gli",
    "objective": "overlap",
    "ships": "adaptive",
    "score_without_rules": 0.8,
    "score_with_rules": 0.81,
    "gain_interval": [0.005, 0.015],
}


def make_case(scheme: Scheme, shape=(12, 14, 16), spacing_mm=(1.0, 1.0, 1.0), seed=0) -> Case:
    """Return a case of noise, one image a sequence."""
    rng = np.random.default_rng(seed)
    images = {s: rng.normal(200, 40, shape).astype(np.float32) for s in scheme.sequences}
    return Case("case-1", images, spacing_mm)


def box(labels: np.ndarray, value: int, at: tuple[int, int, int], size: tuple[int, int, int]):
    """Paint a box into a label map (z, y, x), in place."""
    labels[tuple(slice(a, a + n) for a, n in zip(at, size, strict=True))] = value


def random_map(seed: int, shape=(8, 9, 10), most: int = 4) -> np.ndarray:
    """Return a map (z, y, x) of 0 to `most` in smooth patches."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(most + 1, *shape)), (0, 0.8, 0.8, 0.8))
    return smooth.argmax(0).astype(np.uint8)


def softmax_head(scheme: Scheme) -> Head:
    """Return the head with one channel a label."""
    names = ("", *scheme.labels)
    return Head("softmax", tuple((n,) if n else () for n in names), names)


def certain(labels: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Return the probabilities (channel, z, y, x) of a softmax head that is sure of a label map."""
    channels = [labels == value for value in (0, *scheme.labels.values())]
    return np.stack(channels).astype(np.float32)


def make_artefacts(scheme: Scheme = GLI, far: float = 1e9, seed: int = 0) -> Artefacts:
    """Return artefacts of two clusters that differ in the sign of one projection."""
    rng = np.random.default_rng(seed)
    names = feature_names(scheme.sequences)
    n = len(names)
    first, second = list(scheme.labels)[:2]
    model = ClusterModel(
        log=np.arange(n) % 2 == 0,
        feature_centre=rng.normal(size=n),
        feature_scale=rng.uniform(0.5, 2, n),
        clip=np.full(n, np.inf),
        row_l2=np.array(False),
        pca_mean=rng.normal(size=n) * 0.01,
        components=np.linalg.qr(rng.normal(size=(n, 3)))[0].T.copy(),
        centres=np.array([[3.0, 0, 0], [-3.0, 0, 0]]),
    )
    vectors = [rng.normal(size=n), rng.normal(size=n)]
    return Artefacts(
        scheme=scheme,
        model=model,
        clusters=(
            Cluster(12, far, (RemoveSmall(first, "background", min_voxels=5),)),
            Cluster(8, far, (RelabelMinor(first, second, 0.25),)),
        ),
        feature_names=names,
        settings=DEFAULT_SETTINGS,
        fallback=Fallback("pooled", (RemoveSmall(second, first, min_volume_mm3=3.5),)),
        known_answers=tuple(KnownAnswer(v, *model.assign(v)) for v in vectors),
        fit=FIT,
    )


def size_gate(
    label: str, least_mm3: float, becomes: str = "background", **changes
) -> ComponentGate:
    """Return a gate that removes the components of a label below a volume, as one tree."""
    names = ("volume_mm3", "sphericity")
    scaling = Scaling(np.zeros(2, bool), np.array([least_mm3, 0.0]), np.array([1000.0, 1.0]))
    rows = np.array([[least_mm3 - 1, 0.5], [least_mm3 + 1, 0.5]])
    gate = ComponentGate(
        label=label if label in GLI.labels else "",
        region="" if label in GLI.labels else label,
        per="component",
        becomes=becomes,
        feature_names=names,
        scaling=scaling,
        familiarity=Familiarity(np.eye(2), np.array(1e6)),
        model=one_tree(threshold=-1e-6, low=2.0, high=-2.0),
        slope=1.0,
        offset=0.0,
        cutoff=0.5,
        known_answers=(),
        training_components=40,
    )
    gate = replace(gate, **changes)
    answers = zip(rows, gate.probabilities(rows).tolist(), strict=True)
    return replace(gate, known_answers=tuple(GateAnswer(row, p) for row, p in answers))


def one_tree(threshold: float, low: float, high: float) -> BoostedTrees:
    """Return one split of the first of two features."""
    return BoostedTrees(
        columns=np.array(2, np.int32),
        baseline=np.array(0.0),
        feature=np.array([[0, 0, 0]], np.int32),
        threshold=np.array([[threshold, 0.0, 0.0]]),
        left=np.array([[1, -1, -1]], np.int32),
        right=np.array([[2, -1, -1]], np.int32),
        value=np.array([[0.0, low, high]]),
    )


def linear(weights: list[float], intercept: float = 0.0) -> Logistic:
    """Return a linear model."""
    return Logistic(np.array(weights), np.array(intercept))
