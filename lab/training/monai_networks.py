"""MONAI's segmentation networks by name, built for the sizes of a member.

Nothing is imported because a file names it: NETWORKS lists the classes, their constructors say
which arguments there are, and values are plain JSON. MONAI is needed for training and packing them.
"""

import copy
import importlib.util
import inspect
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from challenge.refusal import Refusal
from ensemble.plans import MONAI_HOME, Plan

MONAI_VERSION = "1.6.1"
NETWORKS = (
    *("SwinUNETR", "UNETR", "SegResNet", "SegResNetDS", "DynUNet", "UNet", "BasicUNet"),
    *("AttentionUnet", "VNet", "MedNeXt"),
)
# Other spellings of MONAI's.
ALIASES = {"Unet": "UNet", "DynUnet": "DynUNet", "Dynunet": "DynUNet", "BasicUnet": "BasicUNet"}
# Of training alone, or of older versions that only checked the patch by it: they change no answer.
WITHOUT_EFFECT = ("use_checkpoint", "img_size")
MULTIPLES = (2, 4, 8, 16, 32, 64)


class MonaiError(Refusal):
    """A network of MONAI cannot be built as it is described, or MONAI is not there."""


@dataclass(frozen=True)
class Sizes:
    """What member.json says of a network's input and output."""

    channels: int
    outputs: int
    patch: tuple[int, ...]  # in the network's axes


@dataclass(frozen=True)
class Architecture:
    """A class of MONAI and its arguments."""

    name: str  # one of NETWORKS
    arguments: Mapping[str, Any]  # plain JSON

    def to_json(self) -> dict[str, Any]:
        """Return it as member.json has it."""
        return {"class": self.name, "arguments": dict(self.arguments)}


def require_monai() -> str:
    """Return MONAI's version.

    Raises:
        MonaiError: it is not installed; the message says what installs it.
    """
    if importlib.util.find_spec("monai") is None:
        raise MonaiError(f"MONAI is needed for its networks: pip install monai=={MONAI_VERSION}")
    import monai

    return str(monai.__version__)


def read_architecture(content: Any, where: str) -> Architecture:
    """Read `{"class": ..., "arguments": {...}}`; `where` names the file and key in messages.

    Raises:
        MonaiError: another class than those of NETWORKS, or arguments that are no object.
    """
    if not isinstance(content, Mapping) or not set(content) <= {"class", "arguments"}:
        raise MonaiError(f'{where}: write {{"class": NAME, "arguments": {{...}}}}')
    arguments = content.get("arguments", {})
    if not isinstance(arguments, Mapping):
        raise MonaiError(f"{where}: arguments {json.dumps(arguments)} are no object")
    return Architecture(_class_name(content.get("class"), where), dict(arguments))


def is_planned(plan: Plan) -> bool:
    """Return whether plans.json names a network of MONAI."""
    return plan.network.startswith(MONAI_HOME)


def planned_architecture(plan: Plan) -> Architecture:
    """Return the network of MONAI that plans.json names.

    Raises:
        MonaiError: it is not among those that are built here.
    """
    named = {"class": plan.network, "arguments": plan.arguments}
    return read_architecture(named, "plans.json")


def build_network(architecture: Architecture, sizes: Sizes) -> tuple[nn.Module, list[str]]:
    """Build a network that is not trained yet; return it with the arguments that were left out.

    Raises:
        MonaiError: an argument that the class lacks, that contradicts member.json, or that the
            class does not take; the message names it.
    """
    require_monai()
    from monai.networks import nets

    constructor = getattr(nets, architecture.name)
    arguments, left_out = _checked(architecture, sizes, inspect.signature(constructor).parameters)
    try:
        network: nn.Module = constructor(**arguments)
    except Exception as error:  # MONAI's constructors raise whatever their parts do
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise MonaiError(
            f"{architecture.name} cannot be built for a patch of {_in_words(sizes.patch)} "
            f"({reason})"
        ) from error
    return network.eval().requires_grad_(False), left_out


def check_patch(network: nn.Module, architecture: Architecture, sizes: Sizes) -> None:
    """Follow a patch through a network on the meta device, where nothing is computed.

    Raises:
        MonaiError: it cannot be halved as the network does; the message names the patch, and the
            number whose multiples the network takes.
    """
    if reason := _why_not(network, sizes.channels, sizes.patch):
        fitting = next(_fitting(network, sizes), "")
        raise MonaiError(
            f"{architecture.name} cannot take the patch of {_in_words(sizes.patch)} that "
            f"member.json says ({reason}){fitting}"
        )


def _class_name(text: Any, where: str) -> str:
    name = text.removeprefix(MONAI_HOME).rpartition(".")[2] if isinstance(text, str) else ""
    name = ALIASES.get(name, name)
    is_monais = isinstance(text, str) and ("." not in text or text.startswith(MONAI_HOME))
    if name not in NETWORKS or not is_monais:
        raise MonaiError(
            f"{where}: {text!r} is not among {', '.join(NETWORKS)} of MONAI; export another "
            "network with torch.export and pack its program"
        )
    return name


def _checked(
    architecture: Architecture, sizes: Sizes, known: Mapping[str, inspect.Parameter]
) -> tuple[dict[str, Any], list[str]]:
    fixed: dict[str, Any] = {
        "in_channels": sizes.channels,
        "out_channels": sizes.outputs,
        "spatial_dims": 3,
        "img_size": list(sizes.patch),
    }
    arguments = {key: value for key, value in fixed.items() if key in known}
    left_out = []
    for key, value in architecture.arguments.items():
        if key in fixed:
            _check_size(architecture.name, key, value, fixed[key])
        if key in WITHOUT_EFFECT and key not in arguments:
            left_out.append(key)
        elif key not in known:
            raise MonaiError(
                f"{architecture.name} has no argument {key!r}, only {', '.join(known)}"
            )
        elif key not in fixed:
            _check_value(architecture.name, key, value)
            arguments[key] = value
    return arguments, left_out


def _check_size(name: str, key: str, value: Any, expected: Any) -> None:
    sides = [value] * 3 if isinstance(value, int) and isinstance(expected, list) else value
    if sides != expected:
        raise MonaiError(
            f"{name}: {key} is {json.dumps(value)}, member.json's channels, head and patch say "
            f"{json.dumps(expected)}"
        )


def _check_value(name: str, key: str, value: Any) -> None:
    """Refuse what is no plain value, though JSON and YAML may hold it."""
    parts = list(value.values()) if isinstance(value, Mapping) else value
    if isinstance(parts, list):
        for part in parts:
            _check_value(name, key, part)
    elif not (value is None or isinstance(value, str | bool | int | float)) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        raise MonaiError(f"{name}: argument {key} holds {value!r}, which is no plain value")
    elif isinstance(value, str) and value.startswith(("$", "@")):
        raise MonaiError(f"{name}: argument {key} is {value!r}, and nothing is evaluated")


def _why_not(network: nn.Module, channels: int, patch: Sequence[int]) -> str:
    empty = copy.deepcopy(network).to("meta")
    try:
        with torch.inference_mode():
            logits = empty(torch.empty((1, channels, *patch), device="meta"))
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        return (str(error).splitlines() or [type(error).__name__])[0][:200]
    if not isinstance(logits, torch.Tensor):
        return f"it returns {len(logits)} values, one is expected: leave deep supervision out"
    if logits.shape[2:] != tuple(patch):
        return f"its logits have {_in_words(logits.shape[2:])} voxels"
    return ""


def _fitting(network: nn.Module, sizes: Sizes) -> Iterator[str]:
    for number in MULTIPLES:
        patch = tuple(math.ceil(side / number) * number for side in sizes.patch)
        if patch != sizes.patch and not _why_not(network, sizes.channels, patch):
            yield f"; sides that are multiples of {number}, such as {_in_words(patch)}, it takes"


def _in_words(patch: Sequence[int]) -> str:
    return "x".join(map(str, patch))
