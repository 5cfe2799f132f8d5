"""Triton's kernels compute what torch's norm and activation compute, in Triton's interpreter.

The interpreter is chosen when Triton is imported, so one process of its own runs all checks.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

REASON = "triton is not installed; to test the fused norm: pip install triton==3.7.1 (200 MB)"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("triton") is None, reason=REASON)]

MODULES = """
import json
import traceback
import torch
from networks import network
from torch import nn
from torch.nn import functional
from ensemble import fused_norm
from ensemble.channels_last import LAYOUT, channels_last, keep_channels_last
from ensemble.fused_blocks import FusedResidual, fuse_norms
from ensemble.fused_norm import FusedNorm, check_kernels
torch.set_grad_enabled(False)
torch.manual_seed(0)
"""

NUMBERS = """
for shape, mean in (((1, 6, 8, 8, 9), 0), ((2, 80, 5, 7, 3), 30), ((2, 1, 4, 4, 4), -100)):
    channels = shape[1]
    norm = nn.InstanceNorm3d(channels, affine=True)
    norm.weight.copy_(torch.rand(channels) + 0.5)
    norm.bias.copy_(torch.randn(channels))
    x = (torch.randn(shape) * torch.linspace(1, 5, channels).view(-1, 1, 1, 1) + mean).half()
    wide = functional.instance_norm(x.double(), eps=norm.eps)
    wide = wide * norm.weight.view(-1, 1, 1, 1) + norm.bias.view(-1, 1, 1, 1)
    for slope, in_place in ((0.01, True), (1.0, False)):
        expected = functional.leaky_relu(wide, slope)
        tile = channels_last(x.clone())
        y = FusedNorm(norm, slope, in_place)(tile)
        assert (y.data_ptr() == tile.data_ptr()) == in_place
        assert y.dtype == torch.half and y.is_contiguous(memory_format=LAYOUT)
        off = (y.double() - expected).abs()
        assert (off <= 2**-10 * expected.abs().clamp(min=2**-6) + 1e-5).all(), off.max()
"""

PARTS = """
# 6 tiles of 16 voxels in 3 parts, of which the last one is not full.
fused_norm.TILE, fused_norm.MOST_PARTS = 64, 4
norm = nn.InstanceNorm3d(4)
x = torch.randn(2, 4, 3, 5, 6) * 3 + 50
expected = functional.leaky_relu(norm(x), 0.2)
y = FusedNorm(norm, 0.2, in_place=False)(x)
fused_norm.TILE, fused_norm.MOST_PARTS = 4096, 512
assert (y - expected).abs().max() < 2e-5, (y - expected).abs().max()
"""

RESIDUAL = """
norm = nn.InstanceNorm3d(4, affine=True)
x, residual = torch.randn(2, 2, 4, 3, 4, 5).half()
expected = functional.leaky_relu(norm(x) + residual, 0.2)
y = FusedNorm(norm, 0.2, in_place=False)(x, residual)
assert (y == expected).float().mean() > 0.99
assert (y - expected).abs().max() <= 2**-8
"""

NETWORK = """
x = torch.randn(1, 4, 8, 8, 8)
expected = network("{name}")(x)
fused = keep_channels_last(fuse_norms(network("{name}")))
norms = [m for m in fused.modules() if isinstance(m, FusedNorm)]
before = [m for m in network("{name}").modules() if isinstance(m, nn.InstanceNorm3d)]
assert len(norms) == len(before)
assert all(m.in_place for m in norms)
assert not any(isinstance(m, nn.InstanceNorm3d) for m in fused.modules())
blocks = [m for m in fused.modules() if isinstance(m, FusedResidual)]
assert len(blocks) == {blocks}
logits = fused(channels_last(x))
off = float((logits - expected).abs().max() / expected.std())
assert off < 1e-3, off
"""

SELF_CHECK = """
check_kernels(torch.device("cpu"))
right = fused_norm.normalise
fused_norm.normalise = lambda *tensors: right(*tensors).mul_(1.1)
try:
    check_kernels(torch.device("cpu"))
except fused_norm.KernelError as error:
    assert "off by up to" in str(error), error
else:
    raise AssertionError("wrong numbers were not seen")
"""

COMPILE = """
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from ensemble import fused_norm

ON_VOXELS = {"x": "*fp16", "voxels": "i32", "channels": "i32"}
KERNELS = (
    (
        fused_norm._statistics_kernel,
        ON_VOXELS | dict.fromkeys(("means", "squares"), "*fp32"),
        {"PART_VOXELS": 256, "VOXELS": 128, "CHANNELS": 32},
    ),
    (
        fused_norm._merge_kernel,
        dict.fromkeys(("means", "squares", "weight", "mean_out", "scale_out"), "*fp32")
        | dict.fromkeys(("voxels", "channels", "part_voxels", "parts"), "i32")
        | {"eps": "fp32"},
        {"PARTS": 512, "CHANNELS": 16},
    ),
    (
        fused_norm._normalise_kernel,
        ON_VOXELS
        | {"out": "*fp16", "slope": "fp32", "residual": "*fp16"}
        | dict.fromkeys(("means", "scales", "bias"), "*fp32"),
        {"ADDS_RESIDUAL": True, "VOXELS": 128, "CHANNELS": 32},
    ),
)
for kernel, types, constants in KERNELS:
    signature = {
        name: "constexpr" if name in constants else types[name] for name in kernel.arg_names
    }
    for capability in (75, 90):
        source = ASTSource(kernel, signature, constants)
        compiled = compile(source, GPUTarget("cuda", capability, 32), {"num_warps": 8})
        assert len(compiled.asm["cubin"]) > 1000
"""

NETWORKS = {"plain": 0, "residual": 3, "bottleneck": 3, "activation-first": 0}  # residual blocks
CHECKS = {
    "numbers": NUMBERS,
    "parts": PARTS,
    "residual sum": RESIDUAL,
    **{name: NETWORK.format(name=name, blocks=blocks) for name, blocks in NETWORKS.items()},
    "self-check": SELF_CHECK,
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run all checks in Triton's interpreter; return the traceback of each that failed."""
    home = tmp_path_factory.mktemp("checks")
    (home / "checks.json").write_text(json.dumps(CHECKS))
    code = f"""{MODULES}
failures = {{}}
for name, check in json.load(open("checks.json")).items():
    try:
        exec(check)
    except Exception:
        failures[name] = traceback.format_exc()
json.dump(failures, open("failures.json", "w"))
"""
    run(code, home, TRITON_INTERPRET="1")
    return dict(json.loads((home / "failures.json").read_text()))


def run(code: str, home: Path, **settings: str) -> None:
    """Run code in a folder in a process of its own, with the modules of this one."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), *map(os.path.abspath, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path, **settings}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=home)


def test_it_is_norm_and_activation_to_a_unit_in_the_last_place(failures: dict[str, str]) -> None:
    """With channels and voxels that fill no tile, means far from zero, and in place."""
    assert failures.get("numbers", "") == ""


def test_many_parts_of_a_volume_are_merged(failures: dict[str, str]) -> None:
    assert failures.get("parts", "") == ""


def test_a_residual_is_added_before_the_sum_is_rectified(failures: dict[str, str]) -> None:
    assert failures.get("residual sum", "") == ""


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_with_fused_norms_gives_the_same_logits(
    name: str, failures: dict[str, str]
) -> None:
    assert failures.get(name, "") == ""


def test_kernels_are_checked_before_they_are_used(failures: dict[str, str]) -> None:
    assert failures.get("self-check", "") == ""


def test_the_kernels_compile_for_old_and_new_cards_without_one(tmp_path: Path) -> None:
    """The compiler takes less of Python than the interpreter does."""
    run(COMPILE, tmp_path, TRITON_CACHE_DIR=str(tmp_path))
