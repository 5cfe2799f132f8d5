"""An exported program answers as torch runs it, and calls nothing but torch's own operators."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from exported import PATCH, Small, change_json, rewrite, save
from torch import nn

from ensemble.exported_archive import ExportedError
from ensemble.exported_network import load_exported
from ensemble.network import build_network
from ensemble.plans import read_plan

GRAPH = "models/model.json"


def trained(name: str) -> nn.Module:
    network = build_network(read_plan(tiny.plans(network=name), "3d_fullres"), 4, 5)
    network.load_state_dict(tiny.random_weights(network, seed=1))
    return network.eval()


@pytest.fixture
def tiles() -> torch.Tensor:
    return torch.randn((3, 4, *PATCH), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("any_batch", [True, False])
@pytest.mark.parametrize("name", ["PlainConvUNet", "ResidualEncoderUNet", "Small"])
@torch.inference_mode()
def test_an_exported_network_answers_as_torch_runs_it(
    tmp_path: Path, tiles: torch.Tensor, name: str, any_batch: bool
) -> None:
    network = Small().eval() if name == "Small" else trained(name)
    path = save(network, tmp_path / "program.pt2", any_batch=any_batch)
    ours = load_exported(path)
    assert torch.equal(ours(tiles[:1]), network(tiles[:1]))
    by_torch = torch.export.load(path).module()
    assert torch.equal(ours(tiles[:1]), by_torch(tiles[:1]))
    assert torch.allclose(ours(tiles), network(tiles), atol=1e-5)
    if not any_batch:
        assert torch.equal(ours(tiles)[2:], ours(tiles[2:]))


@torch.inference_mode()
def test_a_tile_and_the_weights_stay_as_they_are(program: Path, tiles: torch.Tensor) -> None:
    network, before = load_exported(program), tiles.clone()
    first = network(tiles)
    assert torch.equal(network(tiles), first)
    assert torch.equal(tiles, before)


@torch.inference_mode()
def test_sizes_are_followed_on_the_meta_device(program: Path) -> None:
    logits = load_exported(program).to("meta")(torch.empty((7, 4, *PATCH), device="meta"))
    assert logits.shape == (7, 5, *PATCH)


def first_step(content: dict[str, Any]) -> dict[str, Any]:
    step: dict[str, Any] = content["graph_module"]["graph"]["nodes"][0]
    return step


def set_target(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: first_step(content).update(target=name)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.ops.mine.custom.default",
        "torch.ops.higher_order.cond",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.set_.source_Storage",
        "torch.ops.aten.resize_.default",
        "torch.ops.aten.rand.default",
        "torch.ops.aten.conv3d.__globals__",
        "torch.ops.aten.conv3d.default.__call__",
        "torch.ops.aten.add.out",
        "torch.ops.aten.max.dim_max",
        "_operator.attrgetter",
        "_operator.methodcaller",
        "#mine:operator",
        "",
    ],
)
def test_an_unknown_operator_is_refused_by_name(program: Path, target: str) -> None:
    rewrite(program, lambda files: change_json(files, GRAPH, set_target(target)))
    with pytest.raises(ExportedError) as caught:
        load_exported(program)
    assert f"known ones: {target}" in str(caught.value) or f"lacks {target}" in str(caught.value)
    assert "exported by torch" in str(caught.value)
    assert str(program) in str(caught.value)


def other_input(content: dict[str, Any], kind: str) -> None:
    specs = content["graph_module"]["signature"]["input_specs"]
    specs[0] = {kind: {"arg": {"name": "x", "class_fqn": "os.system"}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["schema_version"].update(major=9), "schema 9 is not 8"),
        (lambda c: c.pop("schema_version"), "cannot be read"),
        (lambda c: other_input(c, "custom_obj"), "input that is no tensor (custom_obj)"),
        (lambda c: other_input(c, "token"), "input that is no tensor (token)"),
        (
            lambda c: first_step(c)["inputs"].append(
                {"name": "input", "arg": {"as_custom_obj": {"name": "x", "class_fqn": "x"}}}
            ),
            "as_custom_obj",
        ),
        (
            lambda c: first_step(c)["inputs"].append(
                {"name": "input", "arg": {"as_operator": "os.system"}}
            ),
            "as_operator",
        ),
        (
            lambda c: first_step(c)["inputs"].append(
                {"name": "input", "arg": {"as_graph": {"name": "x", "graph": {}}}}
            ),
            "as_graph",
        ),
        (lambda c: first_step(c)["inputs"][0].update(name="shell"), "takes no 'shell'"),
        (
            lambda c: first_step(c)["inputs"][0]["arg"]["as_tensor"].update(name="__class__"),
            "no step before it returns: '__class__'",
        ),
        (
            lambda c: first_step(c).update(
                target="torch.ops.aten.relu_.default",
                inputs=[{"name": "self", "arg": {"as_tensor": {"name": "p_first_weight"}}}],
            ),
            "changes 'p_first_weight', a weight or the tile",
        ),
    ],
)
def test_a_graph_that_cannot_be_followed_is_refused(
    program: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    rewrite(program, lambda files: change_json(files, GRAPH, change))
    with pytest.raises(ExportedError) as caught:
        load_exported(program)
    assert message in str(caught.value)


def test_expressions_in_sizes_are_not_evaluated(program: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    evil = f"__import__('pathlib').Path('{marker}').touch()"

    def change(content: dict[str, Any]) -> None:
        for value in content["graph_module"]["graph"]["tensor_values"].values():
            for size in value["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = evil
        content["guards_code"] = [evil]

    rewrite(program, lambda files: change_json(files, GRAPH, change))
    load_exported(program)(torch.zeros((1, 4, *PATCH)))
    assert not marker.exists()


class TwoOutputs(Small):
    def forward(self, tiles: torch.Tensor) -> Any:
        logits = super().forward(tiles)
        return logits, logits[..., ::2]


class Counting(Small):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        self.calls.add_(1)
        return super().forward(tiles)


class InHalf(Small):
    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return super().forward(tiles.float())


@pytest.mark.parametrize(
    ("network", "message"), [(TwoOutputs(), "returns 2 values"), (Counting(), "changes 'b_calls'")]
)
def test_a_program_returns_logits_and_nothing_else(
    tmp_path: Path, network: nn.Module, message: str
) -> None:
    with pytest.raises(ExportedError, match=message):
        load_exported(save(network, tmp_path / "program.pt2"))


def test_a_program_in_training_mode_is_refused(tmp_path: Path) -> None:
    tiles = torch.zeros((1, 4, *PATCH))
    path = tmp_path / "program.pt2"
    torch.export.save(torch.export.export(Small().train(), (tiles,)), path)
    with pytest.raises(ExportedError, match=r"train=True; export it after \.eval\(\)"):
        load_exported(path)


def test_a_program_that_names_a_precision_is_taken(tmp_path: Path, tiles: torch.Tensor) -> None:
    network = InHalf().eval()
    ours = load_exported(save(network, tmp_path / "program.pt2"))
    with torch.inference_mode():
        assert torch.equal(ours(tiles), network(tiles))


def test_a_program_of_half_precision_is_refused(tmp_path: Path) -> None:
    tiles = torch.zeros((1, 4, *PATCH), dtype=torch.half)
    path = tmp_path / "program.pt2"
    torch.export.save(torch.export.export(InHalf().eval(), (tiles,)), path)
    with pytest.raises(ExportedError, match=r"tiles of torch\.float16, float32 is expected"):
        load_exported(path)


def test_a_program_of_open_sides_is_refused(tmp_path: Path) -> None:
    sides = {axis: torch.export.Dim(f"side{axis}", min=2, max=64) * 2 for axis in (2, 3, 4)}
    path = tmp_path / "program.pt2"
    program = torch.export.export(
        Small().eval(), (torch.zeros((1, 4, *PATCH)),), dynamic_shapes=(sides,)
    )
    torch.export.save(program, path)
    with pytest.raises(ExportedError, match="only the number of tiles may be open"):
        load_exported(path)


def test_memory_of_a_pass_is_freed_step_by_step(program: Path) -> None:
    network = load_exported(program)
    freed = sum(map(len, network._last_use.values()))
    assert freed >= len(network.graph.steps) - 1
    assert math.prod(PATCH) == 4096
