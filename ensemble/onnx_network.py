"""An ONNX program as a network: OpenVINO runs it on the CPU, whatever the other members run on."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from torch import nn

from challenge.process import return_freed_memory
from ensemble.exported_archive import ExportedError
from ensemble.onnx_file import check_onnx
from ensemble.openvino_settings import settings_of


class OnnxNetwork(nn.Module):
    """A program that takes tiles (n, channel, z, y, x) float32 and returns their logits.

    `tile_shape` is (n, channel, z, y, x), with n None where any number of tiles goes at a time.
    """

    runs_on_cpu = True

    def __init__(self, model: Any, tile_shape: tuple[int | None, ...]) -> None:
        """Take what OpenVINO read; it is compiled at the first pass."""
        super().__init__()
        self.tile_shape = tile_shape
        self.precision = "f32"  # or bf16
        self._model = model
        self._request: Any = None

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        """Return logits (n, channel, z, y, x) on the device of the tiles."""
        step = self.tile_shape[0] or len(tiles)
        return torch.cat([self._run(part) for part in tiles.split(step)])

    def _run(self, tiles: torch.Tensor) -> torch.Tensor:
        if tiles.is_meta:
            return torch.empty(self._output_shape(tuple(tiles.shape)), device="meta")
        if self._request is None:
            compiled = openvino.Core().compile_model(
                self._model, "CPU", settings_of(self.precision)
            )
            self._request = compiled.create_infer_request()
            return_freed_memory()
        values = tiles.detach().to("cpu", torch.float32).contiguous().numpy()
        self._request.infer([values])
        logits = np.array(self._request.get_output_tensor(0).data)
        return torch.from_numpy(logits).to(tiles.device)

    def _output_shape(self, tiles: tuple[int, ...]) -> tuple[int, ...]:
        model = self._model.clone()
        try:
            model.reshape(list(tiles))
            return tuple(model.output(0).get_shape())
        except RuntimeError as error:
            raise ValueError(_last_line(error)) from error


def load_onnx(path: Path) -> OnnxNetwork:
    """Return the network of an ONNX file.

    Raises:
        ExportedError: it is damaged, holds operators that are not run here or tensors that lie
            elsewhere, or does not take tiles and return logits.
    """
    content = check_onnx(path)
    try:
        model = openvino.Core().read_model(model=content)
    except (RuntimeError, UnicodeDecodeError) as error:  # of a text in a damaged file
        raise ExportedError(f"{path}: OpenVINO cannot read it ({_last_line(error)})") from error
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        sizes = f"{len(model.inputs)} inputs and {len(model.outputs)} outputs"
        raise ExportedError(f"{path}: {sizes}; a member has one of each")
    kind, shape = model.input(0).get_element_type(), model.input(0).get_partial_shape()
    if kind != openvino.Type.f32 or len(shape) != 5:
        raise ExportedError(
            f"{path}: its input is {kind.get_type_name()} {shape}, not f32 (n, channel, z, y, x)"
        )
    return OnnxNetwork(model, tuple(_size(side) for side in shape)).eval()


def _size(side: Any) -> int | None:
    return None if side.is_dynamic else int(side.get_length())


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
