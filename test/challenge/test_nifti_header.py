"""The header types are those of the format: nibabel, which is not needed to read, has the same."""

import nibabel

from challenge.nifti_header import FIRST, SECOND


def test_headers_have_the_fields_that_nibabel_has() -> None:
    assert nibabel.Nifti1Header.template_dtype == FIRST
    assert nibabel.Nifti2Header.template_dtype == SECOND


def test_headers_are_as_long_as_the_format_says() -> None:
    assert (FIRST.itemsize, SECOND.itemsize) == (348, 540)
