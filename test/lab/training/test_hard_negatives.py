"""Hard negatives: mined as by hand, resampled as nnU-Net does, drawn by its loader."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny

from lab.training.datasets import HardNegativeDataset
from lab.training.hard_negatives import false_positives, onto_preprocessed


def test_false_positives_by_hand() -> None:
    predicted, reference = np.zeros((2, 9, 9, 9), np.uint8)
    reference[4, 4, 4] = 3
    predicted[4, 4, 3:6] = 3  # off by one on both sides: a border, not a false positive
    predicted[1, 1, 1] = 3
    predicted[7, 7, 5:8] = 4
    predicted[2, 2, 2] = 2  # not one of the labels
    wrong = false_positives(predicted, reference, (3, 4))
    assert sorted(map(tuple, np.argwhere(wrong == 1))) == [(1, 1, 1)]
    assert sorted(map(tuple, np.argwhere(wrong == 2))) == [(7, 7, 5), (7, 7, 6), (7, 7, 7)]


@pytest.mark.parametrize("transpose", [(0, 1, 2), (2, 0, 1)])
def test_voxels_are_where_nnunet_puts_the_labels(transpose: tuple[int, ...]) -> None:
    """Cropped, turned and resampled by nnU-Net's own preprocessor, as the reference."""
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    backward = [int(axis) for axis in np.argsort(transpose)]
    plans = tiny.plans(spacing_mm=(1.5, 1.0, 1.2), channels=1)
    plans |= {"transpose_forward": list(transpose), "transpose_backward": backward}
    manager = PlansManager(plans)
    configuration = manager.get_configuration("3d_fullres")
    rng = np.random.default_rng(0)
    image = np.zeros((1, 24, 30, 28), np.float32)
    image[0, 3:20, 5:27, 2:25] = rng.uniform(1, 2, (17, 22, 23))
    mask = np.zeros(image.shape, np.int8)
    mask[0, 6:10, 9:14, 5:9], mask[0, 12:17, 18:22, 14:20] = 1, 2
    properties = {"spacing": [1.0, 1.1, 0.8]}
    dataset = tiny.dataset({"background": 0, "a": 1, "b": 2}, ["MRI"])
    _, theirs, properties = DefaultPreprocessor(verbose=False).run_case_npy(
        image, mask, properties, manager, configuration, dataset
    )
    ours = onto_preprocessed(mask[0], properties, configuration, transpose)
    np.testing.assert_array_equal(ours, np.maximum(theirs, 0))
    assert set(np.unique(ours)) == {0, 1, 2}
    with pytest.raises(ValueError, match="voxels, nnU-Net saw"):
        onto_preprocessed(mask[0, :-1], properties, configuration, transpose)


class OneCase:
    """What nnU-Net's loader needs of a dataset."""

    identifiers = ("a",)

    def load_case(self, identifier: str) -> tuple:
        data = np.zeros((1, 40, 40, 40), np.float32)
        data[0, 20, 20, 20], data[0, 8, 9, 10] = 1, 2
        locations = {1: np.array([[0, 20, 20, 20]]), 2: []}
        return data, data.astype(np.int16), None, {"class_locations": locations}


def test_the_loader_draws_hard_negatives_as_often_as_a_label(tmp_path: Path) -> None:
    from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader

    np.savez(tmp_path / "a.npz", ET=np.array([[0, 8, 9, 10]]), RC=np.zeros((0, 4), int))
    manager = SimpleNamespace(all_labels=[0, 1, 2], has_ignore_label=False)
    np.random.seed(0)  # noqa: NPY002 -- nnU-Net draws from it
    loader = nnUNetDataLoader(
        HardNegativeDataset(OneCase(), tmp_path), 2, (8, 8, 8), (8, 8, 8), manager, 1.0
    )
    seen = [
        float(loader.generate_train_batch()["data"][i, 0, 4, 4, 4])
        for _ in range(50)
        for i in range(2)
    ]
    assert set(seen) == {1.0, 2.0}  # each patch is centred on the label or on the hard negative
    assert 35 <= seen.count(2.0) <= 65
