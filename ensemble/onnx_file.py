"""What an ONNX file holds, read from its bytes before OpenVINO opens it.

The file is a protobuf message (onnx.proto of ONNX 1.23: field numbers below). Refused are operators
that are not listed, subgraphs, functions of the file, tensors that lie in other files, and operator
sets newer than those that were tried.
"""

from collections.abc import Iterator
from pathlib import Path

from ensemble.exported_archive import ExportedError

OLDEST_OPSET, NEWEST_OPSET = 13, 23  # that OpenVINO was tried with here
DEFAULT_DOMAINS = ("", "ai.onnx")
LAYERS = """Conv ConvTranspose MatMul Gemm Einsum InstanceNormalization BatchNormalization
LayerNormalization GroupNormalization RMSNormalization Dropout"""
ACTIVATIONS = """LeakyRelu Relu PRelu Elu Selu Celu Gelu Sigmoid Tanh Softmax LogSoftmax Softplus
Softsign HardSigmoid HardSwish Mish Swish"""
ARITHMETIC = """Add Sub Mul Div Mod Pow Sqrt Reciprocal Exp Log Erf Neg Abs Sign Sin Cos Floor Ceil
Round Clip Min Max Sum Mean Equal Greater GreaterOrEqual Less LessOrEqual Not And Or Xor Where"""
SUMS = """ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare
ReduceLogSumExp ArgMax ArgMin CumSum"""
POOLS = "AveragePool MaxPool GlobalAveragePool GlobalMaxPool Resize Upsample"
SHAPES = """Pad Concat Split Slice Gather GatherElements GatherND ScatterND Transpose Reshape
Flatten Squeeze Unsqueeze Expand Tile Shape Size Cast CastLike Constant ConstantOfShape Range
Identity DepthToSpace SpaceToDepth Trilu"""
OPERATORS = frozenset(
    name for row in (LAYERS, ACTIVATIONS, ARITHMETIC, SUMS, POOLS, SHAPES) for name in row.split()
)

PRECISIONS = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}  # TensorProto.DataType

Field = tuple[int, int | memoryview]  # number; a number, or the bytes of a text or message


def check_onnx(path: Path) -> bytes:
    """Return the bytes of an ONNX file that holds known operators and its tensors.

    Raises:
        ExportedError: it is damaged, or holds something else; the message names file and reason.
    """
    try:
        content = path.read_bytes()
        _check_model(memoryview(content))
    except ExportedError as error:
        raise ExportedError(f"{path}: {error}") from error
    return content


def precisions(content: bytes) -> Iterator[str]:
    """Yield the precision of each tensor of fractions among the weights of a checked file."""
    for graph in (_message(value) for number, value in _fields(memoryview(content)) if number == 7):
        for tensor in (_message(value) for number, value in _fields(graph) if number == 5):
            kind = dict(_fields(tensor)).get(2)
            if kind in PRECISIONS:
                yield PRECISIONS[kind]


def _check_model(model: memoryview) -> None:
    graphs = opsets = 0
    for number, value in _fields(model):
        if number == 7:  # graph
            _check_graph(_message(value))
            graphs += 1
        elif number == 8:  # opset_import
            _check_opset(_message(value))
            opsets += 1
        elif number == 25:
            raise ExportedError("it brings functions of its own; export it without them")
    if graphs != 1 or not opsets:
        raise ExportedError("it is no ONNX model: a graph or its operator set is missing")


def _check_opset(opset: memoryview) -> None:
    fields = dict(_fields(opset))
    if _text(fields.get(1, memoryview(b""))) not in DEFAULT_DOMAINS:
        return  # its operators, if there are any, are refused by name
    version = fields.get(2)
    if not isinstance(version, int) or not OLDEST_OPSET <= version <= NEWEST_OPSET:
        raise ExportedError(
            f"operator set {version}; export it with opset {OLDEST_OPSET} to {NEWEST_OPSET}"
        )


def _check_graph(graph: memoryview) -> None:
    for number, value in _fields(graph):
        if number == 1:  # node
            _check_node(_message(value))
        elif number == 5:  # initializer
            _check_tensor(_message(value))
        elif number == 15:
            raise ExportedError("it holds sparse tensors, which are not read")


def _check_node(node: memoryview) -> None:
    fields = list(_fields(node))
    named = {number: _text(value) for number, value in fields if number in (4, 7)}
    operator, domain = named.get(4, ""), named.get(7, "")  # op_type, domain
    if domain not in DEFAULT_DOMAINS or operator not in OPERATORS:
        name = f"{domain}.{operator}" if domain else operator
        raise ExportedError(f"operator {name} is not among those that are run")
    for number, value in fields:
        if number == 5:
            _check_attribute(_message(value), operator)


def _check_attribute(attribute: memoryview, operator: str) -> None:
    for number, value in _fields(attribute):
        if number in (5, 10):  # t, tensors
            _check_tensor(_message(value))
        elif number in (6, 11, 22, 23):  # g, graphs, sparse_tensor, sparse_tensors
            raise ExportedError(f"operator {operator} brings a graph or a sparse tensor")


def _check_tensor(tensor: memoryview) -> None:
    fields = dict(_fields(tensor))
    if fields.get(14, 0) != 0 or 13 in fields:
        name = _text(fields.get(8, memoryview(b"")))
        raise ExportedError(
            f"tensor {name} lies in another file; export it with external_data=False"
        )


def _fields(message: memoryview) -> Iterator[Field]:
    """Yield the fields of a protobuf message; those of fixed width as 0."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ExportedError("it is no ONNX model, or a damaged one")
        if size > len(message) - at:
            raise ExportedError("it is no ONNX model, or it is cut short")
        yield number, message[at : at + size] if kind == 2 else 0
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ExportedError("it is no ONNX model, or it is cut short")
        byte = message[at]
        value, at = value | (byte & 0x7F) << shift, at + 1
        if byte < 0x80:
            return value, at
    raise ExportedError("it is no ONNX model, or a damaged one")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ExportedError("it is no ONNX model, or a damaged one")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode("utf-8", "replace")
