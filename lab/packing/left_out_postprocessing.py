"""What nnU-Net decided to do after its networks, and `pack` leaves out."""

import json
from pathlib import Path

from challenge.refusal import Refusal
from lab.data.nnunet_postprocessing import (
    is_nnunet_postprocessing,
    keep_largest_steps,
    postprocessing_files,
)


def left_out(trained: Path, name: str) -> list[str]:
    """Return a line for each file of nnU-Net's post-processing that would change labels.

    Args:
        trained: the folder of a training.
        name: what the user knows it by.
    """
    return [
        f"{name}: nnU-Net's post-processing ({steps}) is not packed: take it over by lab "
        f"import-rules {str(path).replace(str(trained), name)}"
        for path in postprocessing_files(trained)
        if (steps := _steps(path.read_bytes()))
    ]


def _steps(content: bytes) -> str:
    """Return what a file asks for in words; nothing if it asks for nothing, or is another's."""
    try:
        decided = json.loads(content)
        if not is_nnunet_postprocessing(decided):
            return ""
        sets = keep_largest_steps(decided).label_sets
    except Refusal as error:
        return f"not understood: {error}"
    except (ValueError, RecursionError):
        return ""
    return "; ".join(f"largest component of {'+'.join(map(str, values))}" for values in sets)
