"""What is known of a training case before any rule: its scans, its prediction, how sure it is."""

from pathlib import Path

import numpy as np

from challenge.case import CaseError, check_same_grid, read_case, read_volume
from lab.data.cohort import CohortCase
from lab.rule_search.workspace import Setup
from postprocess.feature_names import group_names
from postprocess.features import FeatureError
from postprocess.read_inputs import read_probabilities
from postprocess.refine_input import RefineInput, case_features


def names_for(setup: Setup) -> tuple[str, ...]:
    """Return the features of a configuration that can be made from what is at hand."""
    absent = {
        "probability": setup.probabilities is None,
        "votes": not setup.members,
    }
    groups = [group for group in setup.config.groups if not absent.get(group, False)]
    return tuple(name for group in groups for name in group_names(setup.scheme, group))


def describe_case(case: CohortCase, names: tuple[str, ...], setup: Setup) -> tuple[np.ndarray, str]:
    """Return a case's features, or NaN and why it has none.

    Raises:
        CaseError: a file is missing, unreadable or on another grid; the message names it.
    """
    observed = observe(case, setup)
    try:
        return case_features(observed, names, setup.config.settings), ""
    except FeatureError as error:
        return np.full(len(names), np.nan), str(error)


def observe(case: CohortCase, setup: Setup) -> RefineInput:
    """Read what is known of a case before any rule."""
    scheme, scans = setup.scheme, read_case(case.files)
    path = predicted(setup.predictions, case)
    prediction = read_volume(path, np.uint8)
    check_same_grid(prediction, case.read_reference(), path, case.reference)
    votes: np.ndarray | None = None
    if setup.members:
        seen = [read_volume(predicted(folder, case), np.uint8).array for folder in setup.members]
        masks = [scheme.mask(labels, scheme.tumour) for labels in seen]
        votes = np.asarray(np.mean(masks, axis=0), np.float32)
    probabilities, head = None, None
    if setup.probabilities:
        npz = Path(setup.probabilities) / f"{case.files.id}.npz"
        probabilities, head = read_probabilities(npz, prediction.array.shape, scheme)
    return RefineInput(scans, prediction.array, scheme, probabilities, head, votes)


def predicted(folder: str, case: CohortCase) -> Path:
    """Return a case's label map in a folder, or raise CaseError."""
    path = Path(folder) / case.reference.name
    if not path.is_file():
        raise CaseError(f"{path}: no prediction for {case.reference}")
    return path
