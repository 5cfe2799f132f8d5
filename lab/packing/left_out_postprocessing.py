"""What nnU-Net decided to do after its networks, and `pack` leaves out."""

import json

from challenge.refusal import Refusal
from lab.data.nnunet_postprocessing import (
    is_nnunet_postprocessing,
    keep_largest_steps,
    postprocessing_files,
)
from lab.packing.trained_folder import TrainedFolder


def print_left_out(folder: TrainedFolder) -> None:
    """Name each file of nnU-Net's post-processing that would change labels, and how to use it."""
    for path in postprocessing_files(folder.path):
        if steps := _steps(path.read_bytes()):
            name = str(path).replace(str(folder.path), folder.name)
            print(
                f"{folder.name}: nnU-Net's post-processing ({steps}) is not packed: take it over "
                f"by lab import-rules {name}"
            )


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
