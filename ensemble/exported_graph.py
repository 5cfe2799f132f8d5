"""The graph of an exported program, read from its JSON into steps that only call known operators.

The JSON is that of torch's `_export/serde/schema.py`, major version 8 (torch 2.5 to 2.13). Names of
values are keys of a dictionary, nothing else; expressions of sizes, tree specifications and stack
traces are not looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ensemble.exported_archive import DTYPES, ExportedError
from ensemble.exported_arguments import known_name, read_argument
from ensemble.exported_operators import (
    ASSERTIONS,
    FIXED_ARGUMENTS,
    OF_SIZES,
    find_operator,
    is_listed,
)

SCHEMA_MAJOR = 8
FLOAT32 = 7  # see DTYPES


@dataclass(frozen=True)
class Step:
    """One call of an operator."""

    target: str
    call: Callable[..., Any]
    arguments: Mapping[str, Any]  # by the operator's names; Values stand for results
    results: tuple[str, ...]
    is_list: bool  # whether it returns several results


@dataclass(frozen=True)
class Graph:
    """A program: a tile in, logits out."""

    torch_version: str  # that it was exported with
    tile: str  # the input's name
    tile_shape: tuple[int | None, ...]  # (n, channel, z, y, x); None: any number of tiles
    tensors: Mapping[str, str]  # name of a value -> name of the tensor in the archive
    steps: tuple[Step, ...]
    output: str


def read_graph(program: Mapping[str, Any]) -> Graph:
    """Read a program.

    Raises:
        ExportedError: the message names the operator, the input or the output that cannot be
            followed, and the versions of torch.
    """
    version = str(program.get("torch_version", "an unknown version"))
    try:
        major = program["schema_version"]["major"]
        if major != SCHEMA_MAJOR:
            raise ExportedError(f"schema {major} is not {SCHEMA_MAJOR}, which this program reads")
        return _graph(program["graph_module"], version)
    except ExportedError as error:
        here = f"exported by torch {version}, this is {torch.__version__}"
        raise ExportedError(f"{error} ({here})") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ExportedError(f"its graph cannot be read ({error!r})") from error


def _graph(module: Mapping[str, Any], version: str) -> Graph:
    graph, signature = module["graph"], module["signature"]
    tensors, tiles = _inputs(signature["input_specs"])
    if len(tiles) != 1:
        raise ExportedError(f"it takes {len(tiles)} inputs, one is expected")
    (tile,) = tiles
    known = {*tensors, tile}
    tile_shape = _tile_shape(graph["tensor_values"][tile])
    steps = []
    for node in graph["nodes"]:
        if node["target"] in ASSERTIONS:
            continue
        step = _step(node, known, may_change=known - {*tensors, tile})
        known |= set(step.results)
        steps.append(step)
    output = _output(signature["output_specs"], known)
    return Graph(
        torch_version=version,
        tile=tile,
        tile_shape=tile_shape,
        tensors=tensors,
        steps=tuple(steps),
        output=output,
    )


def _inputs(specs: Sequence[Mapping[str, Any]]) -> tuple[dict[str, str], list[str]]:
    tensors: dict[str, str] = {}
    tiles: list[str] = []
    keys = {
        "parameter": "parameter_name",
        "buffer": "buffer_name",
        "tensor_constant": "tensor_constant_name",
    }
    for spec in specs:
        ((kind, content),) = spec.items()
        if kind == "user_input" and "as_tensor" in content["arg"]:
            tiles.append(str(content["arg"]["as_tensor"]["name"]))
        elif kind in keys:
            tensors[str(content["arg"]["name"])] = str(content[keys[kind]])
        else:
            raise ExportedError(f"it takes an input that is no tensor ({kind})")
    return tensors, tiles


def _output(specs: Sequence[Mapping[str, Any]], known: set[str]) -> str:
    if len(specs) != 1:
        raise ExportedError(
            f"it returns {len(specs)} values, one is expected (without deep supervision, and "
            "without changing its own buffers)"
        )
    ((kind, content),) = specs[0].items()
    if kind != "user_output" or "as_tensor" not in content["arg"]:
        raise ExportedError(f"it returns no tensor ({kind})")
    return known_name(content["arg"]["as_tensor"]["name"], known)


def _tile_shape(meta: Mapping[str, Any]) -> tuple[int | None, ...]:
    if meta["dtype"] != FLOAT32:
        raise ExportedError(f"it takes tiles of {DTYPES.get(meta['dtype'])}, float32 is expected")
    sizes = [size.get("as_int") for size in meta["sizes"]]
    if len(sizes) != 5 or None in sizes[1:]:
        raise ExportedError(
            f"it takes tiles of sizes {sizes}; only the number of tiles may be open (None), and "
            "there are a channel and three sides"
        )
    return tuple(sizes)


def _step(node: Mapping[str, Any], known: set[str], may_change: set[str]) -> Step:
    target = str(node["target"])
    call = find_operator(target)
    if call is None:
        why = "this torch lacks" if is_listed(target) else "is not among the known ones:"
        raise ExportedError(f"an operator that {why} {target}")
    arguments = {
        str(entry["name"]) or str(number): read_argument(entry["arg"], known)
        for number, entry in enumerate(node["inputs"])
    }
    if target not in OF_SIZES:
        _check_arguments(target, call, arguments, may_change)
    outputs = node["outputs"]
    results = [name for output in outputs for name in _names(output)]
    is_list = len(outputs) != 1 or "as_tensors" in outputs[0]
    return Step(target, call, arguments, tuple(results), is_list)


def _check_arguments(
    target: str, call: Any, arguments: Mapping[str, Any], may_change: set[str]
) -> None:
    declared = {argument.name: argument for argument in call._schema.arguments}
    if unknown := sorted(set(arguments) - set(declared)):
        raise ExportedError(f"{target} takes no {unknown[0]!r}")
    for name, value in FIXED_ARGUMENTS.items():
        if name in arguments and arguments[name] != value:
            raise ExportedError(f"{target} with {name}={arguments[name]}; export it after .eval()")
    for name, value in arguments.items():
        if declared[name].is_write and value.name not in may_change:
            raise ExportedError(f"{target} changes {value.name!r}, a weight or the tile")


def _names(output: Mapping[str, Any]) -> list[str]:
    ((kind, value),) = output.items()
    if kind == "as_tensor":
        return [str(value["name"])]
    if kind == "as_tensors":
        return [str(each["name"]) for each in value]
    if kind == "as_sym_int":
        return [str(value["as_name"])]
    if kind == "as_none":
        return [""]
    raise ExportedError(f"an operator returns something that is no tensor: {kind}")
