"""The frozen files of one model: `postprocess.json` for people, `clusters.npz` for numpy.

Both are plain data. Everything that could be half-updated, reordered or from another extractor is
checked at load, because none of it would raise an error later: it would move cases to wrong
clusters in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from challenge.scheme import Scheme

from .clusters import ClusterModel
from .features import DEFAULT_SETTINGS
from .rules import Rule

# Raise it when a reader of the old number would misread the new files.
SCHEMA = 1
JSON_NAME, ARRAYS_NAME = "postprocess.json", "clusters.npz"
# Stored distances were computed on another machine; its sums may differ in the last digits.
DISTANCE_TOLERANCE = 1e-6


class ArtefactError(ValueError):
    """Frozen files cannot be trusted; the message names the file and the value."""


@dataclass(frozen=True)
class Cluster:
    """What was learned for the cases of one cluster."""

    rules: tuple[Rule, ...]
    max_distance: float  # farther from the centre than this, the fallback takes over
    training_cases: int


@dataclass(frozen=True)
class Fallback:
    """What to do with a case that belongs to no cluster."""

    name: str  # "identity" or "pooled"
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class KnownAnswer:
    """A feature vector (n,) and where it must fall."""

    features: np.ndarray
    cluster: int
    distance: float


@dataclass(frozen=True)
class Artefacts:
    """Everything `refine` needs to know. Without a model there are no rules: the identity."""

    scheme: Scheme
    model: ClusterModel | None = None
    clusters: tuple[Cluster, ...] = ()
    feature_names: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=lambda: DEFAULT_SETTINGS)
    fallback: Fallback = Fallback("identity")
    known_answers: tuple[KnownAnswer, ...] = ()
    fit: Mapping[str, Any] = field(default_factory=dict)  # where the numbers come from


def load_artefacts(folder: Path, scheme: Scheme) -> Artefacts:
    """Read and check the frozen files of a model folder.

    A folder with neither file gives the identity: labels come out as they went in.

    Raises:
        ArtefactError: a file is missing, malformed, newer than this program, of another scheme or
            extractor, or does not give its known answers.
    """
    paths = folder / JSON_NAME, folder / ARRAYS_NAME
    present = [path for path in paths if path.is_file()]
    if not present:
        return Artefacts(scheme)
    if len(present) == 1:
        raise ArtefactError(f"{present[0]}: only one of {JSON_NAME} and {ARRAYS_NAME} is there")
    raise ArtefactError(f"{present[0]}: not read yet")
