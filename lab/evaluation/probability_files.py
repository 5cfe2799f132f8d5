"""Probability maps of the cases that are scored: which file is whose, and reading them.

A scorer with a metric of probabilities (`Scorer.probability_of`) reads one map of that region a
case, `<id>_<region>.nii.gz` or `.mha`, as `inference.py --probabilities` names them, or `<id>.mha`
as an output socket of the platform does in a folder of its own. Where there is none the metric is
not measured; the others are scored all the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from challenge.file_names import IMAGE_ENDINGS
from challenge.folders import few
from challenge.grid import displacement_voxels
from challenge.headers import CaseError, check_header, last_line
from challenge.refusal import Refusal
from challenge.volume import SAME_GRID_VOXELS, Volume, read_volume
from lab.evaluation.matching import CasePair, case_id, stem
from lab.evaluation.results import Problem
from lab.metrics.metric_info import PR_AUC
from lab.metrics.pair import Pair
from lab.metrics.scorer import Scorer

KIND = "probability"  # of problems
UNMEASURED = f"{PR_AUC} is not measured"


def with_probabilities(
    pairs: Sequence[CasePair], folder: Path | None, scorer: Scorer
) -> tuple[list[CasePair], list[Problem]]:
    """Give each pair its map, from the folder or, without one, from beside the prediction.

    Returns the pairs, and what is not measured; a case without a prediction needs no map.

    Raises:
        Refusal: the folder is missing or holds no map of these cases, or the scorer reads none.
    """
    if not scorer.probability_of:
        if folder is not None:
            raise Refusal(f"--probabilities {folder}: {scorer.name} scores label maps alone")
        return list(pairs), []
    if folder is not None and not folder.is_dir():
        raise Refusal(f"{folder}: no such folder")
    files = {pair.id: _maps_of(pair, folder, scorer.probability_of) for pair in pairs}
    names = f"<id>_{scorer.probability_of}.nii.gz or .mha"
    if not any(files.values()):
        if folder is not None:
            ids = few(pair.id for pair in pairs)
            raise Refusal(f"{folder}: no probability map {names} of any case ({ids})")
        text = f"{UNMEASURED} without probability maps, {names}; --probabilities names their folder"
        return list(pairs), [Problem(None, KIND, text, scored=True)]
    problems = []
    for pair in pairs:
        count = len(files[pair.id])
        if pair.prediction is not None and count != 1:
            where = folder or pair.prediction.parent
            name = f"{pair.id}_{scorer.probability_of}"
            what = f"{count} maps {name}" if count else f"no probability map {name}.nii.gz or .mha"
            text = f"{where}: {what}, {UNMEASURED}"
            problems.append(Problem(pair.id, KIND, text, scored=True))
    one = {id: paths[0] for id, paths in files.items() if len(paths) == 1}
    return [replace(pair, probability=one.get(pair.id)) for pair in pairs], problems


def without_maps(
    problems: Sequence[Problem], pairs: Sequence[CasePair], scorer: Scorer
) -> list[Problem]:
    """Leave out that a map which lies among the predictions is a prediction of no case."""
    if not scorer.probability_of:
        return list(problems)
    names = {f"{pair.id}_{scorer.probability_of}" for pair in pairs}
    names |= {stem(pair.probability) for pair in pairs if pair.probability is not None}
    return [p for p in problems if not (p.kind == "extra" and p.case in names)]


def add_map(read: Pair, pair: CasePair) -> tuple[Pair, list[Problem]]:
    """Read a case's map into its arrays, and say what keeps the metric from being measured."""
    path = pair.probability
    if path is None or pair.prediction is None:
        return read, []
    try:
        volume = read_volume(path, None)
        faults = _faults(path, volume, pair.reference)
    except CaseError as error:
        return read, [_problem(pair, f"{error}; {UNMEASURED}")]
    except Exception as error:  # noqa: BLE001 - one file never ends an evaluation
        text = f"{path}: cannot be read ({type(error).__name__}: {last_line(error)}); {UNMEASURED}"
        return read, [_problem(pair, text)]
    probability = volume.array.astype(np.float32, copy=False)
    if not np.isfinite(probability).all():
        text = f"{path}: NaN or infinite; as in the organisers' program {PR_AUC} is no number"
        faults.append(text)
    return replace(read, probability=probability), [_problem(pair, text) for text in faults]


def _maps_of(pair: CasePair, folder: Path | None, region: str) -> list[Path]:
    """Return the maps of a case, named as its prediction or as its reference."""
    if pair.prediction is None:
        return []
    home = pair.prediction.parent
    where = folder or home
    ids = dict.fromkeys((case_id(pair.prediction), pair.id))
    names = [f"{id}_{region}" for id in ids]
    if where.resolve() != home.resolve():
        names += ids
    paths = (where / f"{name}{ending}" for name in names for ending in IMAGE_ENDINGS)
    return [path for path in paths if path.is_file()]


def _faults(path: Path, volume: Volume, reference: Path) -> list[str]:
    """Return what is odd about a map on a grid of the reference's size.

    Raises:
        CaseError: its size is another.
    """
    grid = check_header(reference).grid
    size = volume.array.shape[::-1]
    if size != grid.size:
        raise CaseError(f"{path}: size {size}, reference {grid.size}")
    faults = []
    apart = displacement_voxels(volume.geometry, grid.affine, volume.array.shape)
    if not apart < SAME_GRID_VOXELS:
        faults.append(f"{path}: not where its reference lies, up to {apart:.2g} voxels away")
    if volume.array.dtype.kind in "iub":
        faults.append(f"{path}: whole numbers ({volume.array.dtype}), {PR_AUC} is of a label map")
    return faults


def _problem(pair: CasePair, text: str) -> Problem:
    return Problem(pair.id, KIND, text, scored=True)
