"""Masks of a label map, cropped and resampled, are those of nnU-Net's preprocessor."""

import cascades
import numpy as np
import pytest
import tiny
from small_models import scan
from test_stock import TRANSPOSED

from challenge.scheme import MRI_SEQUENCES, SCHEMES
from ensemble.plans import read_plan
from ensemble.preprocess import find_nonzero_region, preprocess
from ensemble.stage_masks import numbered, with_labelled, with_masks

SCHEME = SCHEMES["brats-gli"]
TORCH = {
    "resampling_fn_seg": "resample_torch_fornnunet",
    "resampling_fn_seg_kwargs": {"is_seg": True, "force_separate_z": None},
}


@pytest.mark.parametrize("changes", [{}, TORCH], ids=["splines", "torch"])
@pytest.mark.parametrize("fullres_mm", [(1.5, 0.5, 0.6), (2.6, 1.4, 0.5), (1, 0.9, 1.1)])
@pytest.mark.parametrize("seed", range(3))
def test_masks_are_stocks(seed: int, fullres_mm: tuple, changes: dict) -> None:
    """Blocks of labels, whose borders tie at a factor of two, also in zeros beside the head."""
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.utilities.label_handling.label_handling import convert_labelmap_to_one_hot
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    case = scan((14, 18, 16), (3, 1, 1.1), 2)
    for image in case.images.values():
        image[:7, :8, :6] = 0
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 5, (7, 9, 8))
    labels = blocks.repeat(2, 0).repeat(2, 1).repeat(2, 2).astype(np.uint8)
    plans = cascades.plans((3, 2, 2), fullres_mm, **changes) | TRANSPOSED
    plan, manager = read_plan(plans, cascades.CASCADE), PlansManager(plans)
    images = np.stack([case.images[sequence] for sequence in MRI_SEQUENCES])
    data, seg, _ = DefaultPreprocessor(verbose=False).run_case_npy(
        *(images, labels[None].astype(np.int16), {"spacing": list(case.spacing_mm)}),
        *(manager, manager.get_configuration(cascades.CASCADE), tiny.dataset()),
    )
    expected = convert_labelmap_to_one_hot(seg[0], [1, 2, 3, 4], data.dtype)
    numbers = numbered(labels, ("NETC", "SNFH", "ET", "RC"), SCHEME)
    nonzero = with_labelled(find_nonzero_region(case, MRI_SEQUENCES), numbers)
    ours = preprocess(case, tuple(MRI_SEQUENCES), plan, nonzero)
    seen = with_masks(ours, numbers, 4, plan).data
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen[4:], expected)
    np.testing.assert_allclose(seen[:4], data, atol=1e-3)
    assert expected.any((1, 2, 3)).all()


def test_labels_are_numbered_by_their_values_in_training() -> None:
    labels = np.array([[[0, 1, 2, 3]]], np.uint8)
    names = ("ET", "NETC")  # 1 and 2 of the training, 3 and 1 of the challenge
    np.testing.assert_array_equal(numbered(labels, names, SCHEME), [[[0, 2, 0, 1]]])
