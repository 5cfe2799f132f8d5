"""An ONNX file is checked from its bytes, then run by OpenVINO: as torch runs the same network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import exported
import numpy as np
import pytest
import torch

from ensemble.backends import BACKENDS
from ensemble.exported_archive import ExportedError
from ensemble.onnx_file import NEWEST_OPSET, OPERATORS, check_onnx
from ensemble.onnx_network import load_onnx
from ensemble.torch_backends import graphs, stock

onnx = pytest.importorskip("onnx", reason="onnx is an extra")
pytest.importorskip("onnxscript", reason="onnxscript is an extra")
SHAPE = [1, 4, 8, 8, 8]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network, for any number of tiles."""
    return exported.save_onnx(exported.Small(), tmp_path_factory.mktemp("onnx") / "program.onnx")


def value(name: str, kind: int = 1, shape: list[int] = SHAPE) -> Any:
    return onnx.helper.make_tensor_value_info(name, kind, shape)


def model(
    *nodes: Any, opset: int = 20, tensors: Any = (), inputs: Any = (), domain: str = ""
) -> Any:
    """Return a model from x to y, made by hand."""
    helper = onnx.helper
    graph = helper.make_graph(
        list(nodes), "g", [*(inputs or [value("x")])], [value("y")], [*tensors]
    )
    opsets = [helper.make_opsetid("", opset), *[helper.make_opsetid(domain, 1)] * bool(domain)]
    return helper.make_model(graph, opset_imports=opsets)


def node(operator: str = "Relu", inputs: tuple = ("x",), output: str = "y", **more: Any) -> Any:
    return onnx.helper.make_node(operator, list(inputs), [output], **more)


def save(content: Any, path: Path) -> Path:
    path.write_bytes(content.SerializeToString())
    return path


@pytest.mark.parametrize("tiles", [1, 3])
def test_openvino_gives_the_networks_logits(written: Path, tiles: int) -> None:
    batch = torch.randn((tiles, 4, *exported.PATCH), generator=torch.Generator().manual_seed(0))
    network = load_onnx(written)
    assert network.tile_shape == (None, 4, *exported.PATCH)
    with torch.inference_mode():
        logits = stock(network, tuple(batch.shape), CPU)(batch)
        expected = exported.Small().eval()(batch)
    assert np.allclose(logits, expected, atol=1e-4)
    # A later pass does not overwrite the answer of an earlier one.
    before = logits.clone()
    network(batch * 2)
    assert torch.equal(logits, before)


def test_sizes_are_followed_without_computing(written: Path) -> None:
    network = load_onnx(written)
    assert network(torch.empty((2, 4, *exported.PATCH), device="meta")).shape == (2, 5, 16, 16, 16)
    with pytest.raises(ValueError, match=r"hannel|shape|dimension"):
        network(torch.empty((1, 3, *exported.PATCH), device="meta"))


def test_a_program_of_one_tile_runs_once_a_tile(tmp_path: Path) -> None:
    network = load_onnx(save(model(node()), tmp_path / "one.onnx"))
    assert network.tile_shape == tuple(SHAPE)
    tiles = torch.tensor([-1.0, 2.0]).reshape(2, 1, 1, 1, 1).expand(2, 4, 8, 8, 8)
    logits = network(tiles)
    assert logits.shape == (2, 4, 8, 8, 8)
    assert logits[:, 0, 0, 0, 0].tolist() == [0, 2]


def test_openvinos_backends_run_it_as_it_is(written: Path) -> None:
    tiles = torch.randn((1, 4, *exported.PATCH), generator=torch.Generator().manual_seed(0))
    expected = exported.Small().eval()(tiles).detach()
    for name, limit in (("openvino", 1e-4), ("openvino-bf16", 0.2)):
        logits = BACKENDS[name].make(load_onnx(written), tuple(tiles.shape), CPU)(tiles)
        assert np.allclose(logits, expected, atol=limit)


def test_a_graph_of_a_gpu_does_not_take_it(written: Path) -> None:
    with pytest.raises(ValueError, match="an ONNX program runs on the CPU"):
        graphs(load_onnx(written), (1, 4, *exported.PATCH), CPU)


def external() -> Any:
    """A tensor that lies in another file."""
    tensor = onnx.numpy_helper.from_array(np.ones(SHAPE, np.float32), "w")
    onnx.external_data_helper.set_external_data(tensor, location="/etc/hostname")
    tensor.ClearField("raw_data")
    return tensor


def branch() -> Any:
    """An operator that brings graphs."""
    graph = onnx.helper.make_graph([node()], "inner", [], [value("y")])
    return node("If", ("x",), then_branch=graph, else_branch=graph)


def function() -> Any:
    content = model(node())
    made = onnx.helper.make_function(
        "my", "Mine", ["a"], ["b"], [node("Relu", ("a",), "b")], [onnx.helper.make_opsetid("", 20)]
    )
    content.functions.append(made)
    return content


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: model(node(domain="mine"), domain="mine"), "operator mine.Relu is not among"),
        (lambda: model(node("RandomNormalLike")), "operator RandomNormalLike is not among"),
        (lambda: model(branch()), "operator If is not among"),
        (lambda: model(node(), opset=NEWEST_OPSET + 1), "operator set 24; export it with opset 13"),
        (lambda: model(node(), opset=12), "operator set 12; export it with opset 13 to 23"),
        (lambda: model(node("Add", ("x", "w")), tensors=[external()]), "tensor w lies in another"),
        (lambda: model(node("Constant", (), value=external())), "tensor w lies in another file"),
        (function, "it brings functions of its own"),
        (lambda: model(node("Add", ("x", "z")), inputs=[value("x"), value("z")]), "2 inputs and 1"),
        (lambda: model(node(), inputs=[value("x", 7)]), "its input is i64 [1,4,8,8,8], not f32"),
        (
            lambda: model(node(), inputs=[value("x", 1, [1, 4, 8, 8])]),
            "f32 [1,4,8,8], not f32 (n, channel",
        ),
        (lambda: model(node(inputs=("q",))), "OpenVINO cannot read it"),
    ],
)
def test_what_is_not_run_is_named(tmp_path: Path, make: Callable[[], Any], message: str) -> None:
    path = save(make(), tmp_path / "bad.onnx")
    with pytest.raises(ExportedError) as refusal:
        load_onnx(path)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_damaged_file_is_refused(written: Path, tmp_path: Path) -> None:
    """Cut anywhere, or with a byte changed where messages are described: never an error of ours."""
    content, path = written.read_bytes(), tmp_path / "bad.onnx"
    generator = np.random.default_rng(0)
    for cut in (0, 1, 5, *generator.integers(6, len(content), 60)):
        path.write_bytes(content[: int(cut)])
        with pytest.raises(ExportedError):
            load_onnx(path)
    for _ in range(300):
        changed = bytearray(content)
        changed[generator.integers(len(changed))] = generator.integers(256)
        path.write_bytes(changed)
        try:
            check_onnx(path)
        except ExportedError as error:
            assert str(path) in str(error)


def test_every_listed_operator_is_onnxs() -> None:
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    assert OPERATORS - known == set()
