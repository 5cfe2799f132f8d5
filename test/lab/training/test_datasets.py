"""Patients that never touch the disk are those that files would give."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny

from lab.phantom import atlas, cohort
from lab.training.datasets import (
    MEAN_USES,
    SEED,
    MissingSequenceDataset,
    SyntheticDataset,
    ThinSlabDataset,
)

SPACING_MM = (6.0, 6.0, 6.0)


def trainer(fold: int, plans: dict) -> SimpleNamespace:
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(plans)
    regions = tiny.dataset(tiny.REGIONS, order=tiny.REGION_ORDER) | {"phantom": "brats-gli"}
    return SimpleNamespace(
        plans_manager=manager,
        configuration_manager=manager.get_configuration("3d_fullres"),
        dataset_json=regions,
        fold=fold,
    )


def test_a_patient_is_what_nnunet_reads_from_its_files(tmp_path: Path) -> None:
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

    stub = trainer(1, tiny.plans(spacing_mm=SPACING_MM, use_mask_for_norm=[True] * 4))
    data, seg, before, properties = SyntheticDataset(stub, 9).make(3)
    patient = cohort.Population("brats-gli", SEED + 1, SPACING_MM).patient(3)
    cohort.save_nnunet(tmp_path, patient, ".nii.gz")
    images = sorted(map(str, (tmp_path / "imagesTr").iterdir()))
    theirs, their_seg, their_properties = DefaultPreprocessor(verbose=False).run_case(
        images,
        str(next((tmp_path / "labelsTr").iterdir())),
        stub.plans_manager,
        stub.configuration_manager,
        stub.dataset_json,
    )
    np.testing.assert_allclose(data, theirs, atol=1e-5)
    np.testing.assert_array_equal(seg, their_seg)
    assert before is None
    assert properties["class_locations"].keys() == their_properties["class_locations"].keys()


def test_each_fold_has_its_own_patients_and_none_of_a_cohort_on_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requested: list[tuple[int, int]] = []
    stub = trainer(0, tiny.plans(spacing_mm=SPACING_MM))
    monkeypatch.setattr(
        cohort.Population, "patient", lambda self, number: requested.append((self.seed, number))
    )
    for fold in (0, 1):
        stub.fold = fold
        with pytest.raises(AttributeError):
            SyntheticDataset(stub, 5).make(2)
    assert requested == [(SEED, 2), (SEED + 1, 2)]
    assert len(SyntheticDataset(stub, 2000).identifiers) == 2000
    with pytest.raises(ValueError, match="synthetic=20000"):  # half of them are the next fold's
        SyntheticDataset(stub, 20_000)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="patient 10000"):
        cohort.Population("brats-gli", 100).patient(10_000)


def test_a_share_of_the_patients_has_no_tumour() -> None:
    stub = trainer(0, tiny.plans(spacing_mm=SPACING_MM))
    stub.dataset_json["phantom"] = "panther-t1"
    assert SyntheticDataset(stub, 5, healthy=0.2).population.healthy == 0.2
    assert SyntheticDataset(stub, 5).population.healthy == 0


def test_what_patients_are_bent_from_is_read_before_loaders_are_forked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = []
    monkeypatch.setattr(atlas, "maps", lambda: read.append("atlas"))
    SyntheticDataset(trainer(0, tiny.plans(spacing_mm=SPACING_MM)), 5)
    assert read == ["atlas"]


def test_patients_are_drawn_a_few_times_and_then_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = SyntheticDataset(trainer(0, tiny.plans(spacing_mm=SPACING_MM)), 2000)
    count = []
    monkeypatch.setattr(source, "make", lambda number: count.append(number) or (number,))
    np.random.seed(0)  # noqa: NPY002 -- nnU-Net draws from it
    seen = [source.load_case(str(number))[0] for number in range(2000)]
    assert 0.8 < len(seen) / len(count) / MEAN_USES < 1.25
    assert len(set(seen)) > 0.8 * len(seen) / MEAN_USES


class Full:
    identifiers = ("a",)

    def load_case(self, identifier: str) -> tuple:
        return np.ones((4, 2, 2, 2), np.float32), np.zeros((1, 2, 2, 2)), None, {}


def test_some_cases_lack_some_sequences_and_none_lacks_all() -> None:
    np.random.seed(0)  # noqa: NPY002
    source = MissingSequenceDataset(Full(), 0.4)
    left = [int(source.load_case("a")[0].any((1, 2, 3)).sum()) for _ in range(400)]
    assert min(left) >= 1
    assert 0.3 < np.mean(np.array(left) < 4) < 0.5
    assert Full().load_case("a")[0].all()


class Tall:
    """Ten slices, numbered; label 1 in slice 7, label 2 nowhere."""

    identifiers = ("a",)
    image = np.broadcast_to(np.arange(10.0)[None, :, None, None], (1, 10, 2, 2))

    def load_case(self, identifier: str) -> tuple:
        locations = {1: np.array([[0, 7, 1, 0]]), 2: np.array([])}
        return self.image, self.image, None, {"class_locations": locations}


def test_class_locations_of_a_slab_point_at_the_same_voxels() -> None:
    np.random.seed(0)  # noqa: NPY002
    source = ThinSlabDataset(Tall(), 0.5, min_slices=3)
    thick = []
    for _ in range(400):
        image, seg, before, properties = source.load_case("a")
        thick.append(image.shape[1])
        (voxel,) = properties["class_locations"][1]
        assert image[tuple(voxel)] == seg[tuple(voxel)] == 7
        assert before is None
        assert len(properties["class_locations"][2]) == 0
    assert {3, 9, 10} <= set(thick) <= set(range(3, 11))
    assert 0.4 < np.mean(np.array(thick) < 10) < 0.6
    assert ThinSlabDataset(Tall(), 1.0, min_slices=10).load_case("a")[0].shape[1] == 10


def test_a_cohort_of_regions_describes_them_as_nnunet_wants(tmp_path: Path) -> None:
    cohort.describe(tmp_path, "brats-gli", regions=True)
    content = json.loads((tmp_path / "dataset.json").read_text())
    assert content["labels"] == {
        "background": 0,
        "WT": [1, 2, 3],
        "TC": [1, 3],
        "ET": [3],
        "RC": [4],
    }
    assert content["regions_class_order"] == [2, 1, 3, 4]
