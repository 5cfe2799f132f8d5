"""The headers of NIfTI-1 and NIfTI-2 as numpy types, field by field as the format has them.

Source: nifti1.h and nifti2.h of the NIfTI Data Format Working Group, https://nifti.nimh.nih.gov.
nibabel has the same types, and a test compares them: the program itself does without nibabel.
"""

from typing import Any

import numpy as np

Field = tuple[Any, ...]  # name, type, and how many there are


def _many(kind: str, *names: str) -> list[Field]:
    return [(name, kind) for name in names]


def _orientation(code: str, number: str) -> list[Field]:
    """Return the fields of the qform and the sform, in the types of whole numbers and others."""
    turn = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
    rows = [(name, number, (4,)) for name in ("srow_x", "srow_y", "srow_z")]
    return [*_many(code, "qform_code", "sform_code"), *_many(number, *turn), *rows]


FIRST = np.dtype(
    [
        ("sizeof_hdr", "i4"),
        ("data_type", "S10"),
        ("db_name", "S18"),
        ("extents", "i4"),
        ("session_error", "i2"),
        ("regular", "S1"),
        ("dim_info", "u1"),
        ("dim", "i2", (8,)),
        *_many("f4", "intent_p1", "intent_p2", "intent_p3"),
        *_many("i2", "intent_code", "datatype", "bitpix", "slice_start"),
        ("pixdim", "f4", (8,)),
        *_many("f4", "vox_offset", "scl_slope", "scl_inter"),
        ("slice_end", "i2"),
        *_many("u1", "slice_code", "xyzt_units"),
        *_many("f4", "cal_max", "cal_min", "slice_duration", "toffset"),
        *_many("i4", "glmax", "glmin"),
        ("descrip", "S80"),
        ("aux_file", "S24"),
        *_orientation("i2", "f4"),
        ("intent_name", "S16"),
        ("magic", "S4"),
    ]
)
SECOND = np.dtype(
    [
        ("sizeof_hdr", "i4"),
        ("magic", "S4"),
        ("eol_check", "i1", (4,)),
        *_many("i2", "datatype", "bitpix"),
        ("dim", "i8", (8,)),
        *_many("f8", "intent_p1", "intent_p2", "intent_p3"),
        ("pixdim", "f8", (8,)),
        ("vox_offset", "i8"),
        *_many("f8", "scl_slope", "scl_inter", "cal_max", "cal_min"),
        *_many("f8", "slice_duration", "toffset"),
        *_many("i8", "slice_start", "slice_end"),
        ("descrip", "S80"),
        ("aux_file", "S24"),
        *_orientation("i4", "f8"),
        *_many("i4", "slice_code", "xyzt_units", "intent_code"),
        ("intent_name", "S16"),
        ("dim_info", "u1"),
        ("unused_str", "S15"),
    ]
)
