"""A member.json to fill in, from what a MONAI bundle says; what it does not say is null."""

from typing import Any

from challenge.channels import sequence_of
from challenge.scheme import Scheme
from lab.packing.monai_bundle import (
    NORMALISE,
    ORIENTATION,
    OVERLAP,
    SPACING,
    Bundle,
    is_number,
    is_patch,
)


def draft_member(bundle: Bundle, scheme: Scheme) -> dict[str, Any]:
    """Return a member.json; the order of keys is that of `ensemble.exported_member`."""
    transforms = dict(bundle.transforms)
    roi, overlap = bundle.inferer.get("roi_size"), bundle.inferer.get("overlap", OVERLAP)
    return {
        "schema": 1,
        "channels": _channels(bundle, scheme),
        "spacing_mm": transforms.get(SPACING, {}).get("pixdim"),
        "patch": list(roi) if is_patch(roi) else None,
        "orientation": transforms.get(ORIENTATION, {}).get("axcodes"),
        "transpose": [2, 1, 0],
        "crop_to_nonzero": "CropForegroundd" in transforms,
        "head": {"kind": None, "channels": list(bundle.outputs) or None},
        "mirror_axes": [],
        "step": round(1 - overlap, 6) if is_number(overlap) else None,
    }


def _channels(bundle: Bundle, scheme: Scheme) -> list[dict[str, Any]]:
    transforms = dict(bundle.transforms)
    normalise = transforms.get(NORMALISE)
    names = [sequence_of(name, scheme) or name for name in bundle.inputs]
    absent: list[str | None] = [None] * len(scheme.sequences)
    return [
        {
            "sequence": name,
            "normalisation": None if normalise is None else "ZScoreNormalization",
            "inside_mask": bool(normalise and normalise.get("nonzero", False)),
        }
        for name in names or absent
    ]
