"""Weights of an earlier stage: what is taken, what is not, and why."""

from pathlib import Path

import pytest
import tiny
import torch

from ensemble.network import build_network
from ensemble.plans import read_plan
from lab.training.transfer import TransferError, take_weights


def network(channels: int, classes: int, **changes: object) -> torch.nn.Module:
    plan = read_plan(tiny.plans(channels=channels, **changes), "3d_fullres")
    network = build_network(plan, channels, classes).to_empty(device="cpu")
    for value in network.parameters():
        value.data.zero_()
    return network


def checkpoint(tmp_path: Path) -> Path:
    dataset = tiny.dataset({"background": 0, "tumour": 1, "pancreas": 2}, ["CT"])
    source = tiny.train(tmp_path / "before", tiny.plans(channels=1), dataset)
    return source / "fold_0" / "checkpoint_final.pth"


def test_all_but_the_heads(tmp_path: Path) -> None:
    target = network(1, 3)
    report = take_weights(target, checkpoint(tmp_path))
    trained = torch.load(checkpoint(tmp_path / "x"), weights_only=False)["network_weights"]
    assert report.taken
    for key, value in target.state_dict().items():
        if ".seg_layers." in f".{key}":
            assert report.skipped[key] == "a segmentation head"
            assert not value.any()
        else:
            torch.testing.assert_close(value, trained[key])


def test_a_stem_of_other_channels_is_left_as_it_is(tmp_path: Path) -> None:
    report = take_weights(network(4, 5), checkpoint(tmp_path))
    stems = [key for key, why in report.skipped.items() if why.startswith("of size")]
    assert stems
    assert all("stages.0.0.convs.0" in key for key in stems)
    assert "of size 6x1x3x3x3 where the network has 6x4x3x3x3" in "\n".join(report.lines())
    assert f"{len(report.taken)} of " in next(report.lines())


def test_nothing_taken_is_an_error(tmp_path: Path) -> None:
    other = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3))
    with pytest.raises(TransferError, match=r"nothing could be taken .*not in the checkpoint"):
        take_weights(other, checkpoint(tmp_path))


@pytest.mark.parametrize(
    ("plans", "heads"),
    [
        (tiny.mednext_plans(), [f"out_{level}.conv_out" for level in range(5)]),
        (tiny.primus_plans("PrimusV2"), ["up_projection.decode.2"]),
    ],
)
def test_heads_of_other_networks_stay_behind_too(
    tmp_path: Path, plans: dict, heads: list[str]
) -> None:
    source = tiny.train(tmp_path / "before", plans, tiny.dataset())
    target = build_network(read_plan(plans, "3d_fullres"), 4, 5).to_empty(device="cpu")
    report = take_weights(target, source / "fold_0" / "checkpoint_final.pth")
    assert set(report.skipped) == {
        f"{head}.{kind}" for head in heads for kind in ("weight", "bias")
    }
    assert set(report.skipped.values()) == {"a segmentation head"}
