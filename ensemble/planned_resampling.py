"""Which of nnU-Net 2.8.1's three resampling functions a plan names, and what is said to it.

nnU-Net ships splines, its default; torch's interpolation, which the `torchres` planners and the
plans of pretrained networks name; and none at all, of the planner `noResampling`. Keywords and
defaults are those of nnunetv2's `preprocessing/resampling`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SPLINE = "resample_data_or_seg_to_shape"
TORCH = "resample_torch_fornnunet"
NONE = "no_resampling_hack"
COARSE_BEYOND = "separate_z_anisotropy_threshold"
# nnU-Net itself writes all of the first function's but the last.
KEYWORDS: Mapping[str, Mapping[str, Any]] = {
    SPLINE: {
        "is_seg": False,
        "order": 3,
        "order_z": 0,
        "force_separate_z": False,
        COARSE_BEYOND: 3,
    },
    TORCH: {
        "is_seg": False,
        "force_separate_z": None,
        COARSE_BEYOND: 3,
        "mode": "linear",
        "aniso_axis_mode": "nearest-exact",
        # These change no value of an image or of logits.
        "num_threads": 4,
        "device": "cpu",
        "memefficient_seg_resampling": False,
    },
    NONE: {},
}
TORCH_ORDERS: Mapping[str, int] = {"nearest-exact": 0, "linear": 1}  # along a coarse axis
ORDERS = range(6)  # of scipy's splines
# Keywords that have few values which can be followed. nnU-Net itself looks at torch's mode only
# where it resamples slices apart.
FOLLOWED: Mapping[str, Mapping[str, Collection[Any]]] = {
    SPLINE: {"order": ORDERS, "order_z": ORDERS},
    TORCH: {"mode": ("linear",), "aniso_axis_mode": tuple(TORCH_ORDERS)},
    NONE: {},
}


@dataclass(frozen=True)
class Resampling:
    """How nnU-Net resamples: spline order in general, and along a coarse axis."""

    order: int
    order_z: int
    force_separate_z: bool | None
    anisotropy: float = 3  # an axis is coarse where its spacing is more than this times the finest
    function: str = SPLINE  # nnU-Net's name; torch's linear interpolation is the spline of order 1

    @property
    def is_none(self) -> bool:
        """Return whether the network sees the image's own grid, whatever its spacing."""
        return self.function == NONE

    @property
    def rounds_first(self) -> bool:
        """Return whether stock has logits in half precision before it resamples, and not after."""
        return self.function == TORCH


def read_resampling(function: str, arguments: Mapping[str, Any]) -> Resampling:
    """Read the keywords of one of the functions; those left out have nnU-Net's defaults.

    Raises:
        ValueError: a keyword that the function does not know, or a value that cannot be followed.
    """
    known = KEYWORDS[function]
    if unknown := sorted(set(arguments) - set(known)):
        raise ValueError(f"{unknown}: {function} knows no such keyword")
    keywords = {**known, **arguments}
    if keywords.get("is_seg"):
        raise ValueError("is_seg true resamples labels, not images or logits")
    check_values(function, keywords)
    if function == NONE:
        return Resampling(0, 0, False, function=NONE)
    separately = (keywords["force_separate_z"], keywords[COARSE_BEYOND])
    if function == TORCH:
        return Resampling(1, TORCH_ORDERS[keywords["aniso_axis_mode"]], *separately, TORCH)
    return Resampling(keywords["order"], keywords["order_z"], *separately)


def keywords_of(resampling: Resampling) -> dict[str, Any]:
    """Return the keywords that are read as this; "function" is its name, where it is not SPLINE."""
    separately = {
        "force_separate_z": resampling.force_separate_z,
        COARSE_BEYOND: resampling.anisotropy,
    }
    if resampling.function == NONE:
        return {"function": NONE}
    if resampling.function == TORCH:
        (mode,) = (name for name, order in TORCH_ORDERS.items() if order == resampling.order_z)
        return {"function": TORCH, **separately, "aniso_axis_mode": mode}
    return {"order": resampling.order, "order_z": resampling.order_z, **separately}


def leads_back(image: Resampling, logits: Resampling) -> bool:
    """Return whether logits come back to the grid that images were resampled from."""
    return image.is_none or not logits.is_none


def check_values(function: str, keywords: Mapping[str, Any]) -> None:
    """Refuse keywords of one of the functions, all of them, whose values cannot be followed.

    Raises:
        ValueError: naming them.
    """
    if wrong := list(_wrong(function, keywords)):
        raise ValueError(f"{', '.join(wrong)} cannot be followed")


def _wrong(function: str, keywords: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keywords that cannot be followed, with their values."""
    for key, values in FOLLOWED[function].items():
        if keywords[key] not in values:
            yield f"{key} {keywords[key]!r}"
    if function == NONE:
        return
    force, threshold = keywords["force_separate_z"], keywords[COARSE_BEYOND]
    if not isinstance(force, bool | None):
        yield f"force_separate_z {force!r}"
    if not isinstance(threshold, int | float) or threshold < 1:
        yield f"{COARSE_BEYOND} {threshold!r}"
