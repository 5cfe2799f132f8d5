"""Small things that the tests of `postprocess` share: cases, label maps and frozen artefacts."""

from dataclasses import replace
from pathlib import Path

import files
import nibabel
import numpy as np
from scipy import ndimage

from challenge.case import Case
from challenge.scheme import SCHEMES, Head, Scheme
from postprocess.artefacts import Artefacts, Cluster, Fallback, KnownAnswer, save_artefacts
from postprocess.clusters import ClusterModel
from postprocess.component_gates import ComponentGate, GateAnswer
from postprocess.feature_names import feature_names
from postprocess.features import DEFAULT_SETTINGS
from postprocess.gate_models import BoostedTrees, Familiarity, Logistic, Scaling
from postprocess.rules_by_probability import DropDoubtful
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

GLI, PED, PANTHER = SCHEMES["brats-gli"], SCHEMES["brats-ped"], SCHEMES["panther-t1"]
ID = "BraTS-GLI-00001-100"
SPECKS = RemoveSmall("NETC", min_voxels=5)
DOUBT = DropDoubtful("ET", "SNFH", min_probability=0.5)
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


def freeze(folder: Path, scheme: Scheme = GLI, rules=(SPECKS, DOUBT), fallback=(SPECKS,)) -> Path:
    """Write artefacts whose clusters all have the same rules; return their folder."""
    artefacts = make_artefacts(scheme)
    clusters = tuple(Cluster(9, 1e9, tuple(rules)) for _ in artefacts.clusters)
    folder.mkdir(exist_ok=True)
    changed = replace(artefacts, clusters=clusters, fallback=Fallback("pooled", tuple(fallback)))
    save_artefacts(folder, changed)
    return folder


def tumour() -> np.ndarray:
    """Return a tumour (z, y, x) with an enhancing part, and four voxels of NETC by themselves."""
    labels = np.zeros((20, 22, 18), np.uint8)
    box(labels, GLI.labels["SNFH"], (5, 5, 5), (6, 7, 8))
    box(labels, GLI.labels["ET"], (7, 7, 7), (2, 2, 2))
    box(labels, GLI.labels["NETC"], (14, 14, 10), (1, 2, 2))
    return labels


def doubtful() -> np.ndarray:
    """Return probabilities of that tumour that doubt one voxel of its enhancing part."""
    probabilities = certain(tumour(), GLI)
    probabilities[:, 7, 7, 7] = 0.3, 0, 0.3, 0.4, 0
    return probabilities


def write_map(path: Path, labels: np.ndarray, dtype: type = np.uint8) -> Path:
    """Write a label map (z, y, x) as NIfTI."""
    return files.write_nifti(path, labels.transpose(2, 1, 0).astype(dtype))


def read_map(path: Path) -> np.ndarray:
    """Read a NIfTI as (z, y, x)."""
    return np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)


def save_npz(path: Path, probabilities: np.ndarray, key: str = "probabilities") -> None:
    """Write probabilities (channel, z, y, x) as nnU-Net does, under any key."""
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **{key: probabilities})


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
