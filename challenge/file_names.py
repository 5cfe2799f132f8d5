"""Endings of image files and marks of label maps in file names: one copy for the whole project."""

import re

NIFTI_ENDINGS = (".nii.gz", ".nii")
METAIMAGE_ENDING = ".mha"
IMAGE_ENDINGS = (*NIFTI_ENDINGS, METAIMAGE_ENDING)
TIFF_ENDINGS = (".tif", ".tiff")
SOCKET_ENDINGS = (METAIMAGE_ENDING, *NIFTI_ENDINGS, *TIFF_ENDINGS)  # of a socket's image
# What BraTS appends to a case's name where the file is a label map; gtv: radiotherapy.
LABEL_WORDS = ("seg", "gtv")
LABEL_SUFFIX = re.compile(rf"[-_]({'|'.join(LABEL_WORDS)})$")
# nnU-Net numbers a case's images: <case>_0000, <case>_0001, ...
NNUNET_STEM = re.compile(r"(?P<id>.+)_(?P<channel>\d{4})$")


def image_stem(name: str) -> str | None:
    """Return a file's name without the ending of an image, or None where it has none."""
    return next((name.removesuffix(e) for e in IMAGE_ENDINGS if name.endswith(e)), None)
