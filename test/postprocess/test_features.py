"""Features against PyRadiomics itself, its published baseline, and masks that have none."""

import ast
import csv
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from cubes import GLI, PANTHER, box, make_case

from challenge.case import Case
from lab.rule_search.config import SEARCH_CONFIGS
from postprocess.feature_names import INTENSITY, SHAPE, feature_names
from postprocess.features import (
    DEFAULT_SETTINGS,
    KNOWN_SETTINGS,
    FeatureError,
    _quiet_radiomics,
    describe,
    radiomic_features,
    settings_hash,
)


@pytest.fixture
def tumour():
    """An L of 84 voxels, and a smaller component that must not be described."""
    mask = np.zeros((12, 14, 16), bool)
    box(mask, True, (2, 2, 3), (4, 3, 5))
    box(mask, True, (2, 5, 3), (4, 3, 2))
    box(mask, True, (9, 10, 10), (2, 2, 2))
    return mask


def plain(image: np.ndarray, mask: np.ndarray, spacing_mm, settings) -> dict[str, float]:
    """Run PyRadiomics' own extractor on whole volumes."""
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    images = [SimpleITK.GetImageFromArray(array) for array in (image, mask.astype(np.uint8))]
    for each in images:
        each.SetSpacing(spacing_mm[::-1])
    result = RadiomicsFeatureExtractor(**settings).execute(*images)
    return {
        name.removeprefix("original_"): float(value)
        for name, value in result.items()
        if name.startswith("original_")
    }


def test_names_are_386_for_four_sequences_and_107_for_one():
    names = feature_names(GLI.sequences)
    assert len(names) == len(set(names)) == 386
    assert len(feature_names(PANTHER.sequences)) == 107
    assert [len(kind) for kind in INTENSITY.values()] == [18, 24, 14, 16, 16, 5]
    assert (len(SHAPE), sum(map(len, INTENSITY.values()))) == (14, 93)
    assert names[13] == "shape_VoxelVolume"
    assert names.index("t1n_firstorder_10Percentile") == 14
    assert names.index("t1c_glcm_JointEntropy") == 14 + 93 + 18 + 18


@pytest.mark.parametrize(
    ("settings", "spacing_mm"),
    [
        (DEFAULT_SETTINGS, (3.0, 0.9, 1.1)),
        ({"normalize": True, "binCount": 16}, (1.0, 1.0, 1.0)),
        ({"binWidth": 50}, (1.0, 2.0, 3.0)),
    ],
)
def test_values_are_those_of_the_plain_extractor(tumour, settings, spacing_mm):
    case = make_case(GLI, spacing_mm=spacing_mm)
    case.images["t2f"][0, 0, 0] = 1e5  # an outlier that normalisation must see
    case.images["t1c"][3, 3, 4] = 5e3  # and one inside the tumour, beyond ten deviations
    names = feature_names(GLI.sequences)
    values = dict(zip(names, radiomic_features(case, tumour, names, settings), strict=True))
    largest = tumour.copy()
    largest[9:] = False
    for sequence, image in case.images.items():
        for name, value in plain(image, largest, spacing_mm, settings).items():
            ours = values[name if name.startswith("shape_") else f"{sequence}_{name}"]
            assert ours == pytest.approx(value, rel=1e-9, abs=1e-9), (sequence, name)


def test_texture_varies_with_the_default_settings(tumour):
    names = ("t1_firstorder_Entropy", "t1_glcm_JointEntropy", "t1_ngtdm_Coarseness")
    entropy, joint, coarseness = radiomic_features(
        make_case(PANTHER), tumour, names, DEFAULT_SETTINGS
    )
    assert (entropy > 3, joint > 3, coarseness < 1) == (True, True, True)


def test_order_is_that_of_the_names(tumour):
    names = ("shape_VoxelVolume", "shape_Maximum3DDiameter")
    case = make_case(PANTHER, spacing_mm=(2.0, 1.0, 1.0))
    volume, diameter = radiomic_features(case, tumour, names, DEFAULT_SETTINGS)
    assert volume == 168.0
    swapped = radiomic_features(case, tumour, names[::-1], DEFAULT_SETTINGS)
    assert swapped.tolist() == [diameter, volume]


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (None, "empty"),
        ((1, 1, 1), "single voxel"),
        ((1, 4, 5), "flat, 1x4x5"),
        ((4, 5, 1), "flat, 4x5x1"),
        ((1, 1, 6), "flat, 1x1x6"),
    ],
)
def test_a_mask_without_features_says_why(size, message):
    mask = np.zeros((12, 14, 16), bool)
    if size:
        box(mask, True, (2, 3, 4), size)
    with pytest.raises(FeatureError, match=message):
        radiomic_features(
            make_case(PANTHER), mask, feature_names(PANTHER.sequences), DEFAULT_SETTINGS
        )


SETTINGS = {"default": DEFAULT_SETTINGS, **{name: r.settings for name, r in SEARCH_CONFIGS.items()}}
every_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


@every_setting
@pytest.mark.parametrize("flat", ["the tumour", "all but the tumour", "all but the tumour, zero"])
def test_one_grey_level_in_or_around_the_tumour_has_features(tumour, settings, flat):
    case = make_case(PANTHER)
    case.images["t1"][tumour if flat == "the tumour" else ~tumour] = 0 if "zero" in flat else 100
    names = feature_names(PANTHER.sequences)
    assert np.isfinite(radiomic_features(case, tumour, names, settings)).all()


@every_setting
def test_zeros_in_place_of_a_scan_are_never_described(tumour, settings):
    """The scan that was not handed in is zeros in memory, and no number may be made of them."""
    case = make_case(GLI)
    names = feature_names(GLI.sequences)
    others = [name for name in names if not name.startswith("t2w_")]
    before = radiomic_features(case, tumour, others, settings)
    case.images["t2w"][:] = 0
    lacking = replace(case, missing_sequences=("t2w",))
    with pytest.raises(FeatureError, match=r"^no image of sequence t2w$"):
        radiomic_features(lacking, tumour, names, settings)
    after = radiomic_features(lacking, tumour, others, settings)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("value", [0, 7.3])
@pytest.mark.parametrize(
    "settings",
    [*SETTINGS.values(), {"binWidth": 5}, {"binCount": 8}],
    ids=[*SETTINGS, "bin width alone", "bin count alone"],
)
def test_a_constant_image_says_so(tumour, settings, value):
    """Without z-scores PyRadiomics would have numbers for it, which tell nothing of a patient."""
    case = make_case(PANTHER)
    case.images["t1"][:] = value
    message = f"^the image of sequence t1 is constant, every voxel {value:g}$"
    with pytest.raises(FeatureError, match=message):
        radiomic_features(case, tumour, feature_names(PANTHER.sequences), settings)


@pytest.mark.parametrize(
    ("settings", "hot", "message"),
    [
        ({"binCount": 32}, 1000.001, "ValueError: Too many bins for data range"),
        ({"binWidth": 50}, 1e9, "MemoryError: "),
    ],
)
def test_whatever_pyradiomics_raises_is_the_reason(tumour, settings, hot, message):
    case = make_case(PANTHER)
    case.images["t1"][:] = 1000
    case.images["t1"][3, 3, 4] = hot
    names = feature_names(PANTHER.sequences)
    with pytest.raises(FeatureError, match=f"PyRadiomics cannot describe sequence t1 .{message}"):
        radiomic_features(case, tumour, names, settings)
    shape = [name for name in names if name.startswith("shape_")]
    assert np.isfinite(radiomic_features(case, tumour, shape, settings)).all()


def test_a_value_that_is_not_finite_is_named(tumour, monkeypatch):
    values = dict.fromkeys(feature_names(PANTHER.sequences), 1.0) | {"t1_glcm_MCC": np.nan}
    monkeypatch.setattr("postprocess.features.describe", lambda *_: values)
    with pytest.raises(FeatureError, match="1 features are not finite, the first is t1_glcm_MCC"):
        radiomic_features(make_case(PANTHER), tumour, tuple(values), DEFAULT_SETTINGS)


def test_the_extractor_is_quiet_and_its_logger_is_left_as_it_was(tumour, capfd, caplog):
    before = logging.getLogger("radiomics").level
    describe(make_case(PANTHER), tumour, {"normalize": True, "binCount": 8})
    assert logging.getLogger("radiomics").level in (before, logging.INFO)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_a_case_described_beside_another_stays_quiet(tumour):
    with _quiet_radiomics():  # as another thread does, which ends later
        describe(make_case(PANTHER), tumour, DEFAULT_SETTINGS)
        assert not logging.getLogger("radiomics.glcm").isEnabledFor(logging.CRITICAL)
    assert logging.getLogger("radiomics.glcm").isEnabledFor(logging.CRITICAL)


def test_the_hash_does_not_depend_on_order():
    assert settings_hash({"a": 1, "b": 2}) == settings_hash({"b": 2, "a": 1})
    assert settings_hash({"a": 1}) != settings_hash({"a": 2})


# The baseline's mesh is of an earlier version than 3.0.1, whose plain extractor agrees with us.
MESH = ("shape_Sphericity", "shape_SurfaceVolumeRatio", "shape_MeshVolume", "shape_SurfaceArea")


@pytest.mark.parametrize("column", ["brain1", "brain1_FBN", "brain1_normalization"])
def test_values_are_those_of_the_published_baseline(shared_data: Path, column: str):
    folder = shared_data / "pyradiomics-brain1"
    if not folder.is_dir():
        pytest.skip(f"no PyRadiomics baseline at {folder}")
    image = SimpleITK.ReadImage(str(folder / "brain1_image.nrrd"))
    mask = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / "brain1_label.nrrd")))
    spacing = image.GetSpacing()[::-1]
    case = Case("brain1", {"t1c": SimpleITK.GetArrayFromImage(image)}, spacing)
    compared = 0
    for kind in ("shape", *INTENSITY):
        with (folder / "baseline" / f"baseline_{kind}.csv").open() as file:
            rows = {row["featureName"]: row.get(column) for row in csv.DictReader(file)}
        if not rows["diagnostics_Configuration_Settings"]:
            continue  # this class has no baseline of these settings
        used = ast.literal_eval(rows["diagnostics_Configuration_Settings"])
        ours = describe(case, mask == 1, {k: v for k, v in used.items() if k in KNOWN_SETTINGS})
        for name, value in rows.items():
            name = name.removeprefix("original_")
            name = name if kind == "shape" else f"t1c_{name}"
            if name in ours and value:
                tolerance = 2e-3 if name in MESH else 1e-6
                assert ours[name] == pytest.approx(float(value), rel=tolerance), name
                compared += 1
    assert compared >= 75
