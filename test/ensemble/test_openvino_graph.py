"""The OpenVINO model of a network takes no more memory than its arrays must."""

import numpy as np
import pytest
from networks import network
from torch import nn

from ensemble.openvino_graph import convert

SHAPE = (1, 4, 16, 16, 24)


@pytest.mark.parametrize("name", ["plain", "residual", "gated"])
def test_a_skip_connection_is_not_copied_beside_what_it_joins(name: str) -> None:
    """Concatenated, the two halves at full resolution are the largest array of a pass."""
    operations = [op.get_type_name() for op in convert(network(name), SHAPE).get_ordered_ops()]
    assert "Concat" not in operations
    assert "Convolution" in operations


def test_weights_are_read_where_torch_holds_them() -> None:
    model = convert(nn.Sequential(convolution := nn.Conv3d(4, 3, 3)), SHAPE)
    constants = [op.data for op in model.get_ops() if op.get_type_name() == "Constant"]
    weights = convolution.weight.detach().numpy()
    assert sorted((array.shape, np.shares_memory(array, weights)) for array in constants) == [
        ((1, 3, 1, 1, 1), False),  # the bias
        ((3, 4, 3, 3, 3), True),
    ]
