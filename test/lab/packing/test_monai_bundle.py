"""A MONAI bundle is read as plain data; where it and member.json part, a line says so."""

import json
from pathlib import Path
from typing import Any

import pytest
from monai_member import describe, needs_monai, trained, write_bundle

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from ensemble.exported_member import read_description
from lab.packing.monai_bundle import Bundle, find_bundle, read_bundle
from lab.packing.monai_draft import draft_member

pytestmark = needs_monai
GLI = SCHEMES["brats-gli"]


def bundle(tmp_path: Path, **changes: Any) -> Bundle:
    config = find_bundle(write_bundle(tmp_path / "bundle", trained(), None, **changes))
    assert config is not None
    return read_bundle(config)


def differences(of: Bundle, **changes: Any) -> list[str]:
    content = describe(None, **changes)
    return list(of.differences(read_description(content, GLI, "bundle"), GLI))


def network(**arguments: Any) -> dict[str, Any]:
    return {"network_def": {"_target_": "SegResNet", **arguments}}


def transforms(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"preprocessing": {"_target_": "Compose", "transforms": list(steps)}}


def test_references_lead_to_plain_values(tmp_path: Path) -> None:
    read = bundle(tmp_path, sizes={"filters": [4, 8]}, filters="@sizes::filters::1")
    assert read.architecture.name == "SegResNet"
    assert read.architecture.arguments["init_filters"] == 8
    assert read.inferer["roi_size"] == [16, 16, 16] and "progress" not in read.inferer
    assert read.inputs == ("T1", "T1c", "T2", "FLAIR")


def test_yaml_is_read_alike(tmp_path: Path) -> None:
    home = write_bundle(tmp_path / "bundle", trained(), None)
    config = home / "configs" / "inference.json"
    config.rename(config.with_suffix(".yaml"))  # JSON is YAML
    as_yaml = find_bundle(home)
    assert as_yaml == config.with_suffix(".yaml")
    assert read_bundle(as_yaml).architecture.arguments["init_filters"] == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            network(init_filters="$int(__import__('os').getpid())"),
            r"network_def's init_filters is the expression .* and none is evaluated",
        ),
        ({"filters": "$8"}, "network_def's init_filters is the expression '\\$8'"),
        ({"filters": "@filters"}, "leads in a circle"),
        ({"filters": ["@filters"]}, "leads in a circle, or lies 20 levels deep"),
        ({"filters": "@nothing"}, "names '@nothing', which is not there"),
        ({"network_def": {"_target_": "scripts.net.Mine"}}, "'scripts.net.Mine' is not among"),
        ({"network_def": "$monai.networks.nets.UNet()"}, "no network_def with _target_"),
    ],
)
def test_nothing_of_a_bundle_is_evaluated(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refusal, match=message):
        bundle(tmp_path, **changes)


def test_a_bundle_and_member_json_that_agree_leave_what_cannot_agree(tmp_path: Path) -> None:
    (line,) = differences(bundle(tmp_path))
    assert line == (
        "inference.json: NormalizeIntensityd takes a channel's non-zero voxels, Podium those where "
        "any channel is non-zero, with holes filled"
    )


def test_an_overlap_is_one_less_the_step(tmp_path: Path) -> None:
    of_bundle = {"inferer": {"roi_size": [16] * 3, "overlap": 0.1, "mode": "gaussian"}}
    read = bundle(tmp_path, **of_bundle)
    assert not any("overlaps" in line for line in differences(read, step=0.9))
    assert draft_member(read, GLI)["step"] == 0.9


@pytest.mark.parametrize(
    ("of_bundle", "of_member", "line"),
    [
        (
            {"inferer": {"roi_size": [16] * 3, "overlap": 0.625}},
            {},
            "overlaps tiles by 0.625, member.json's step 0.5 by 0.5",
        ),
        ({"inferer": {"roi_size": [16] * 3}}, {}, "blends tiles by 'constant', Podium by a Gauss"),
        (
            {},
            {"spacing_mm": [1, 1, 2]},
            "Spacingd [1, 1, 1], member.json's spacing [1.0, 1.0, 2.0]",
        ),
        ({}, {"orientation": "LPS"}, "Orientationd RAS, member.json's LPS"),
        (
            transforms({"_target_": "NormalizeIntensityd"}),
            {},
            "NormalizeIntensityd of all voxels, member.json's inside_mask is not False",
        ),
        (
            transforms({"_target_": "monai.transforms.ScaleIntensityRanged", "a_min": 0}),
            {},
            "ScaleIntensityRanged is not done but as member.json says it",
        ),
    ],
)
def test_what_differs_is_a_line(
    tmp_path: Path, of_bundle: dict[str, Any], of_member: dict[str, Any], line: str
) -> None:
    lines = differences(bundle(tmp_path, **of_bundle), **of_member)
    assert any(line in each for each in lines), lines


def test_another_patch_or_order_of_channels_is_refused(tmp_path: Path) -> None:
    read = bundle(tmp_path)
    with pytest.raises(Refusal, match=r"roi_size is \[16, 16, 16\], member.json's patch"):
        differences(read, patch=[16, 16, 32])
    channels = describe(None)["channels"]
    turned = [channels[1], channels[0], *channels[2:]]
    with pytest.raises(Refusal, match=r"channels T1, T1c, T2, FLAIR; member.json has t1c, t1n"):
        differences(read, channels=turned)


def test_a_draft_says_what_the_bundle_says_and_asks_for_the_rest(tmp_path: Path) -> None:
    draft = draft_member(bundle(tmp_path), GLI)
    assert [each["sequence"] for each in draft["channels"]] == ["t1n", "t1c", "t2w", "t2f"]
    assert draft["channels"][0]["inside_mask"] is True
    assert (draft["patch"], draft["spacing_mm"], draft["step"]) == ([16] * 3, [1, 1, 1], 0.5)
    assert (draft["orientation"], draft["transpose"]) == ("RAS", [2, 1, 0])
    with pytest.raises(Refusal, match="head: kind None is neither labels nor regions"):
        read_description(draft, GLI, "bundle")
    labels = ["background", "NETC", "SNFH", "ET", "RC"]
    read_description(draft | {"head": {"kind": "labels", "channels": labels}}, GLI, "bundle")
    json.dumps(draft)
