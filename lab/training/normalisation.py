"""A normalisation that nnU-Net lacks, registered where nnU-Net looks for it.

`ClippedZScoreNormalization`: intensities of the non-zero voxels are clipped to their 1st and 99th
percentile, then brought to mean 0 and standard deviation 1 (the post-treatment glioma recipe).
`ensemble/normalisation.py` does the same at inference, under the same name.
"""

import numpy as np
from nnunetv2.preprocessing.normalization import default_normalization_schemes as schemes

from ensemble.normalisation import NORMALISATIONS

NAME = "ClippedZScoreNormalization"


class ClippedZScoreNormalization(schemes.ImageNormalization):
    """The normalisation behind nnU-Net's interface."""

    leaves_pixels_outside_mask_at_zero_if_use_mask_for_norm_is_true = True

    def run(self, image: np.ndarray, seg: np.ndarray | None = None) -> np.ndarray:
        """Normalise one channel; `seg` is negative where the image is outside of the head."""
        nonzero = seg >= 0 if self.use_mask_for_norm and seg is not None else None
        image = np.array(image, self.target_dtype)
        return NORMALISATIONS[NAME](image, nonzero, self.intensityproperties)


def register() -> None:
    """Make the normalisation known to nnU-Net in this process."""
    setattr(schemes, NAME, ClippedZScoreNormalization)
