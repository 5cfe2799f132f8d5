"""What plans.json says of the stage before a cascade's second one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ensemble.planned_resampling import KEYWORDS, check_values

OF_LABELS = "resampling_fn_seg"
OF_THE_MACHINE = ("num_threads", "device")  # keywords that change no label


@dataclass(frozen=True)
class PreviousStage:
    """The stage before a second one, and how its label map comes to the grid of that."""

    configuration: str
    function: str  # nnU-Net's name
    keywords: Mapping[str, Any]


def read_previous_stage(settings: Mapping[str, Any]) -> PreviousStage | None:
    """Read what a configuration says of the stage before it; None where there is none.

    Raises:
        ValueError: it is 2-D, or its label maps are resampled in a way that cannot be followed.
    """
    if not (name := settings.get("previous_stage")):
        return None
    if len(settings["patch_size"]) != 3:
        raise ValueError(f"previous_stage {name!r}: the stage after it is not 3-D")
    function, arguments = settings[OF_LABELS], settings[f"{OF_LABELS}_kwargs"]
    if function not in KEYWORDS:
        raise ValueError(f"{OF_LABELS} {function!r} is not one of {', '.join(KEYWORDS)}")
    if unknown := sorted(set(arguments) - set(KEYWORDS[function])):
        raise ValueError(f"{OF_LABELS}_kwargs {unknown}: {function} knows no such keyword")
    keywords = {**KEYWORDS[function], **arguments}
    if not keywords.get("is_seg", True):
        raise ValueError(f"{OF_LABELS}_kwargs is_seg false resamples images, not labels")
    check_values(function, keywords)
    followed = {key: value for key, value in keywords.items() if key not in OF_THE_MACHINE}
    return PreviousStage(str(name), function, followed)
