"""Weights are what their manifest says, or nothing runs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny

from ensemble.manifest import (
    ManifestError,
    accepts_missing_sequences,
    find_manifests,
    verify_model,
)
from ensemble.manifest_schemas import SCHEMA
from lab.__main__ import main as lab

ALL = {"background": 1, "NETC": 1, "SNFH": 1, "ET": 1, "RC": 1}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    source = tiny.train(folder / "trained", tiny.plans(), tiny.dataset())
    out = str(folder / "weights")
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", out])
    return folder / "weights"


@pytest.fixture
def manifest(tmp_path: Path, packed: Path) -> Path:
    """Copy a model, which a test may change."""
    shutil.copytree(packed, tmp_path / "weights")
    return tmp_path / "weights" / "m" / "MANIFEST.json"


def change(manifest: Path, how: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(manifest.read_text())
    how(content)
    manifest.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda m: m.update(schema=SCHEMA + 1), "is newer than this program"),
        (lambda m: m.update(schema="1"), "schema 1 is not known"),
        (lambda m: m.update(scheme="brats-xyz"), "scheme not one of"),
        (lambda m: m.pop("members"), "incomplete"),
        (lambda m: m.update(members=[]), "without members"),
        (lambda m: m["members"][0].update(weight=0), "weight 0.0 of .* is not positive"),
        (
            lambda m: m["members"][0].update(weight={"ET": 1}),
            "weights by channel and donors need schema 4",
        ),
        (
            lambda m: m.update(schema=4) or m["members"][0].update(weight={"ET": 1, "WT": 1}),
            "weight of .* says nothing of background, RC",
        ),
        (
            lambda m: m.update(schema=4) or m["members"][0].update(weight=ALL | {"RC": 0}),
            "no member has a weight for RC",
        ),
        (
            lambda m: m.update(schema=4) or m["members"][0].update(weight=dict.fromkeys(ALL, 0)),
            "no member is averaged",
        ),
        (
            lambda m: m.update(schema=4) or m["members"][0].update(donor="ET"),
            "donor of ET: brats-gli takes an empty answer",
        ),
        (lambda m: m["members"][0].update(configuration="2d"), "no configuration '2d'"),
        (
            lambda m: m["members"][0].update(fold="7"),
            "fold_7/checkpoint_final.pth not in its files",
        ),
        (lambda m: m["members"][0].update(labels={"1": "NETC"}), "label 2 has no name"),
        (lambda m: m["files"].update({"../x": {}}), r"\.\./x points outside"),
        (lambda m: m["files"].update({"/etc/passwd": {}}), "points outside"),
        (lambda m: m["files"].update({"gone": {}}), "gone: listed in MANIFEST.json but missing"),
    ],
)
def test_every_way_to_be_wrong_is_named(manifest: Path, how: Callable, message: str) -> None:
    change(manifest, how)
    with pytest.raises(ManifestError, match=message):
        verify_model(manifest)


def test_a_manifest_without_the_new_keys_is_written_as_schema_3(manifest: Path) -> None:
    content = json.loads(manifest.read_text())
    assert content["schema"] == 3
    assert set(content["members"][0]) == {
        *("folder", "group", "configuration", "fold", "checkpoint", "weight", "labels"),
        *("sha256", "size_bytes", "provenance"),
    }


@pytest.mark.parametrize("schema", [1, 2, 3, 4, 5])
def test_every_schema_is_read(manifest: Path, schema: int) -> None:
    change(manifest, lambda m: m.update(schema=schema))
    (member,) = verify_model(manifest).members
    assert (member.weight, member.channel_weights, member.donor) == (1.0, (), "")


def test_weights_by_channel_are_in_the_order_of_the_head(manifest: Path) -> None:
    weights = {"ET": 4, "background": 1, "RC": 5, "SNFH": 3, "NETC": 2}
    change(manifest, lambda m: m.update(schema=4) or m["members"][0].update(weight=weights))
    (member,) = verify_model(manifest).members
    assert (member.weight, member.channel_weights) == (3.0, (1, 2, 3, 4, 5))


def test_a_changed_size_and_a_changed_byte(manifest: Path) -> None:
    plans = next(manifest.parent.rglob("plans.json"))
    original = plans.read_text()
    plans.write_text(original + " ")
    with pytest.raises(ManifestError, match=r"plans.json: \d+ bytes, MANIFEST.json says"):
        verify_model(manifest)
    plans.write_text(original.replace("1", "2", 1))
    with pytest.raises(ManifestError, match=r"plans.json: sha256"):
        verify_model(manifest)


def test_where_manifests_are_found(manifest: Path) -> None:
    assert find_manifests(manifest.parents[1]) == {"m": manifest}
    assert find_manifests(manifest.parent) == {"m": manifest}
    with pytest.raises(ManifestError, match=r"no MANIFEST.json here or one folder down"):
        find_manifests(manifest.parents[2] / "nowhere")


@pytest.mark.parametrize(
    ("settings", "accepts"),
    [
        ({}, False),
        ({"accepts_missing": True}, True),
        ({"accepts_missing": False}, False),
        ({"missing_sequences": True}, True),  # as older manifests say it
        ({"accepts_missing": False, "missing_sequences": True}, False),
    ],
)
def test_whether_a_model_accepts_cases_that_lack_sequences(
    manifest: Path, settings: dict[str, Any], accepts: bool
) -> None:
    change(manifest, lambda m: m["settings"].update(settings))
    assert accepts_missing_sequences(manifest) is accepts


def test_an_answer_that_is_neither_yes_nor_no_is_refused(manifest: Path) -> None:
    change(manifest, lambda m: m["settings"].update(accepts_missing="no"))
    with pytest.raises(ManifestError, match="accepts_missing is 'no', neither true nor false"):
        accepts_missing_sequences(manifest)


def test_the_weights_that_ship_accept_missing_sequences() -> None:
    shipped = find_manifests(Path(__file__).resolve().parents[2] / "weights")
    accepted = {name: accepts_missing_sequences(path) for name, path in shipped.items()}
    assert accepted == {"brats-gli": True, "panther-t1": False, "panther-t2": False}
