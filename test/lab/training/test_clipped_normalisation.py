"""Our normalisation, in nnU-Net's training and at inference."""

from pathlib import Path

import numpy as np


def test_the_clipped_normalisation_is_the_same_in_nnunet_and_at_inference() -> None:
    import nnunetv2
    from nnunetv2.preprocessing.normalization import default_normalization_schemes as schemes
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    from ensemble.normalisation import NORMALISATIONS
    from lab.training.normalisation import NAME, register

    register()
    folder = Path(nnunetv2.__path__[0]) / "preprocessing" / "normalization"
    module = "nnunetv2.preprocessing.normalization"
    scheme = recursive_find_python_class(str(folder), NAME, module)
    assert scheme is getattr(schemes, NAME)
    rng = np.random.default_rng(0)
    image = rng.normal(300, 40, (8, 9, 10)).astype(np.float32)
    image[:3], image[5, 5, 5] = 0, 90_000  # outside, and one bright voxel
    seg = np.where(image == 0, -1, 0)
    theirs = scheme(use_mask_for_norm=True, intensityproperties={}).run(image.copy(), seg)
    ours = NORMALISATIONS[NAME](image.copy(), image != 0, {})
    np.testing.assert_array_equal(theirs, ours)
    assert not ours[:3].any()
    assert abs(float(ours[3:].mean())) < 1e-5
    assert ours.max() < 4  # by hand: about 2.3 deviations at the 99th percentile
