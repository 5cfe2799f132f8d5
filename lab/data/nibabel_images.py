"""What nibabel raises on a file that is no readable NIfTI image."""

import zlib

import nibabel

NIFTI_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    zlib.error,
    nibabel.filebasedimages.ImageFileError,
    nibabel.spatialimages.HeaderDataError,
)
