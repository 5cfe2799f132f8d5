"""An exported program as a network: its steps are interpreted, its tensors are the weights.

Nothing is compiled and no code is made of the file. The operators are those that the network itself
would call, so that autocast, devices and memory are what they are for any other network.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ensemble.exported_archive import ExportedError, read_archive
from ensemble.exported_arguments import TileDevice, Value
from ensemble.exported_graph import Graph, Step, read_graph


class ExportedNetwork(nn.Module):
    """A program that takes tiles (n, channel, z, y, x) float32 and returns their logits."""

    def __init__(self, graph: Graph, tensors: Mapping[str, torch.Tensor]) -> None:
        """Keep the tensors that the steps use; `tensors` are by their names in the archive."""
        super().__init__()
        self.graph = graph
        used = {name for step in graph.steps for name in _values(step.arguments)} | {graph.output}
        self.names = {name: f"w{i}" for i, name in enumerate(graph.tensors) if name in used}
        for name, attribute in self.names.items():
            if graph.tensors[name] not in tensors:
                raise ExportedError(f"its tensor {graph.tensors[name]!r} is missing")
            self.register_buffer(attribute, tensors[graph.tensors[name]], persistent=False)
        self._last_use = _last_uses(graph)

    @property
    def tile_shape(self) -> tuple[int | None, ...]:
        """Return (n, channel, z, y, x); n is None where any number of tiles goes at a time."""
        return self.graph.tile_shape

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """Return the tensors by the names that the steps know them by."""
        return {name: getattr(self, attribute) for name, attribute in self.names.items()}

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        """Return logits (n, channel, z, y, x); a program of one tile runs once a tile."""
        if self.graph.tile_shape[0] is None:
            return self._run(tiles)
        return torch.cat([self._run(tile) for tile in tiles.split(self.graph.tile_shape[0])])

    def _run(self, tiles: torch.Tensor) -> torch.Tensor:
        values: dict[str, Any] = {**self.weights, self.graph.tile: tiles}
        for number, step in enumerate(self.graph.steps):
            result = _call(step, values, tiles.device)
            if step.is_list:
                values |= dict(zip(step.results, result, strict=True))
            else:
                values[step.results[0]] = result
            for name in self._last_use.get(number, ()):
                values.pop(name, None)  # its memory is free for the next steps
        logits: torch.Tensor = values[self.graph.output]
        return logits


def load_exported(path: Path) -> ExportedNetwork:
    """Return the network of a `.pt2` file; nothing of the file is run.

    Raises:
        ExportedError: it holds more than tensors and known operators; the message names the file.
    """
    archive = read_archive(path)
    try:
        network = ExportedNetwork(read_graph(archive.program), archive.tensors)
    except ExportedError as error:
        raise ExportedError(f"{path}: {error}") from error
    return network.eval().requires_grad_(False)


def _call(step: Step, values: Mapping[str, Any], device: torch.device) -> Any:
    arguments = {key: _resolved(each, values, device) for key, each in step.arguments.items()}
    schema = getattr(step.call, "_schema", None)
    if schema is None:  # arithmetic of sizes
        return step.call(*arguments.values())
    return step.call(**arguments)


def _resolved(argument: Any, values: Mapping[str, Any], device: torch.device) -> Any:
    if isinstance(argument, Value):
        return values[argument.name]
    if isinstance(argument, TileDevice):
        return device
    if isinstance(argument, list):
        return [_resolved(each, values, device) for each in argument]
    return argument


def _values(arguments: Mapping[str, Any]) -> set[str]:
    """Return the names of the values that a step uses."""
    flat = [
        each
        for argument in arguments.values()
        for each in (argument if isinstance(argument, list) else [argument])
    ]
    return {each.name for each in flat if isinstance(each, Value)}


def _last_uses(graph: Graph) -> dict[int, list[str]]:
    """Return the values that are used for the last time in each step."""
    last = {
        name: number
        for number, step in enumerate(graph.steps)
        for name in {*_values(step.arguments), *step.results}
    }
    last.pop(graph.output, None)
    by_step: dict[int, list[str]] = {}
    for name, number in last.items():
        by_step.setdefault(number, []).append(name)
    return by_step
