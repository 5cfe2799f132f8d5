"""The precision that a checkpoint stores its weights in, read without reading them."""

from collections import Counter
from pathlib import Path

from ensemble.exported_archive import read_archive
from ensemble.exported_member import ONNX_FILE, PROGRAM_FILE
from ensemble.network import open_checkpoint
from ensemble.onnx_file import check_onnx, precisions


def precision_of(checkpoint: Path) -> dict[str, int]:
    """Count a checkpoint's tensors of fractions by precision: {"float32": 72}.

    Raises:
        Refusal: the file holds more than tensors, plain values and known operators.
    """
    if checkpoint.name == ONNX_FILE:
        return dict(sorted(Counter(precisions(check_onnx(checkpoint))).items()))
    if checkpoint.name == PROGRAM_FILE:
        weights = read_archive(checkpoint).tensors.values()
    else:
        weights = open_checkpoint(checkpoint, only_mapped=True)["network_weights"].values()
    dtypes = [str(value.dtype) for value in weights if value.is_floating_point()]
    return dict(sorted(Counter(dtype.removeprefix("torch.") for dtype in dtypes).items()))


def is_rounded(trained: Path, packed: Path) -> bool:
    """Return whether packing rounded weights to half precision."""
    halves = [precision_of(path).get("float16", 0) for path in (trained, packed)]
    return halves[1] > halves[0]
