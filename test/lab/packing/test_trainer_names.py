"""The names written down are those that nnU-Net's source and the recipes have."""

import ast
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import nnunetv2
import pytest
import tiny
import torch

from ensemble.network import build_network
from ensemble.plans import read_plan
from lab.packing.stock_prediction import find_trainer
from lab.packing.trainer_names import (
    ABSTRACT,
    AS_PLANNED,
    BATCH_NORM,
    OURS,
    PRIMUS,
)
from lab.training.network_sizes import PRIMUS_ARGUMENTS

STOCK = "nnUNetTrainer"
ROOT = Path(__file__).resolve().parents[3]


def builder(name: str, classes: Mapping[str, ast.ClassDef]) -> str:
    """Which class of a trainer's ancestors builds its network; "" where it is no trainer."""
    if name not in classes:
        return ""
    methods = {node.name for node in classes[name].body if isinstance(node, ast.FunctionDef)}
    before = [builder(ast.unparse(base), classes) for base in classes[name].bases]
    if name == STOCK or ("build_network_architecture" in methods and any(before)):
        return name
    return next((each for each in before if each not in ("", STOCK)), STOCK if any(before) else "")


def test_every_trainer_that_ships_is_known_with_its_network() -> None:
    assert version("nnunetv2") == "2.8.1"  # of another version the names must be read anew
    home = Path(nnunetv2.__path__[0]) / "training" / STOCK
    classes = {
        node.name: node
        for path in home.rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    builders = {name: builder(name, classes) for name in classes if builder(name, classes)}
    assert {name for name, by in builders.items() if by == STOCK} == AS_PLANNED
    assert {name for name, by in builders.items() if by == BATCH_NORM} == {BATCH_NORM}
    assert set(builders) - AS_PLANNED - {BATCH_NORM} == {*PRIMUS, *ABSTRACT}


@pytest.mark.parametrize("name", {kind: name for name, kind in PRIMUS.items()}.values())
def test_a_transformer_is_the_one_that_its_trainer_builds(name: str) -> None:
    """At full size, by the names and sizes of its weights, and by its blocks."""
    plan = read_plan(tiny.plans(patch=(48, 32, 24)), "3d_fullres")
    built = replace(plan, network=PRIMUS[name], arguments=PRIMUS_ARGUMENTS)
    ours = build_network(built, 4, 5)
    trainer = find_trainer(name)
    with torch.device("meta"):
        configuration = SimpleNamespace(patch_size=[48, 32, 24])
        theirs = trainer.build_network_architecture(None, configuration, 4, 5, False).eval()
    assert sizes(ours) == sizes(theirs)
    assert repr(ours).replace(type(ours).__name__, "") == repr(theirs).replace(
        type(theirs).__name__, ""
    )


def sizes(network: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in network.state_dict().items()}


def test_the_recipes_trainers_are_known() -> None:
    made = set()
    for node in ast.parse((ROOT / "lab" / "training" / "trainers.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made |= {ast.unparse(t) for t in node.targets if "trainer_class(" in ast.unparse(node)}
    assert made == OURS
