"""Weights of an earlier stage, taken key by key, with a report of what was skipped and why."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from challenge.refusal import Refusal
from ensemble.network import plain_key
from lab.training.checkpoints import read_training_checkpoint

# Of U-Nets, MedNeXt, SwinUNETR and Primus; they mean the labels of the stage, not the network.
HEADS = re.compile(
    r"(^|\.)(seg_layers|out_\d\.conv_out|out\.conv\.conv|up_projection\.decode\.2)\."
)


class TransferError(Refusal):
    """Nothing, or nothing but a small part, could be taken."""


@dataclass(frozen=True)
class TransferReport:
    """What became of every weight of the new network."""

    taken: tuple[str, ...]
    skipped: Mapping[str, str]  # key -> why

    def lines(self) -> Iterator[str]:
        """Yield the report, reasons together."""
        total = len(self.taken) + len(self.skipped)
        yield f"{len(self.taken)} of {total} weights taken"
        for reason in sorted(set(self.skipped.values())):
            keys = [key for key, why in self.skipped.items() if why == reason]
            few = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
            yield f"  {len(keys)} skipped, {reason}: {few}"


def take_weights(network: nn.Module, start: Path, heads: bool = False) -> TransferReport:
    """Fill a network from a checkpoint where key and shape agree and the key is no head.

    `heads`: take them too, where the stage before had the same labels.

    Raises:
        TransferError: no weight of the encoder or decoder fits; training from it would be training
            from scratch under another name.
    """
    content = read_training_checkpoint(start)["network_weights"]
    checkpoint = {plain_key(key): value for key, value in content.items()}
    initial = network.state_dict()
    taken: dict[str, torch.Tensor] = {}
    skipped = {}
    for key, value in initial.items():
        trained = checkpoint.get(plain_key(key))
        if HEADS.search(key) and not heads:
            skipped[key] = "a segmentation head"
        elif trained is None:
            skipped[key] = "not in the checkpoint"
        elif trained.shape != value.shape:
            sizes = " where the network has ".join(
                "x".join(map(str, each.shape)) for each in (trained, value)
            )
            skipped[key] = f"of size {sizes}"
        else:
            taken[key] = trained.to(value.dtype)
    if not any(value.dim() > 1 for value in taken.values()):
        reasons = "; ".join(TransferReport((), skipped).lines())
        raise TransferError(f"{start}: nothing could be taken ({reasons})")
    network.load_state_dict({**initial, **taken})
    return TransferReport(tuple(taken), skipped)
