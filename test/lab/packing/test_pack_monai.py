"""A network of MONAI is packed as it was trained, proven against MONAI, or refused by name."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from exported import scan
from monai_member import (
    PATCH,
    SEGRESNET,
    SWIN,
    SWIN_PATCH,
    describe,
    needs_monai,
    trained,
    write_bundle,
    write_folder,
)
from raw_cohort import IDS, write_raw

from challenge.scheme import SCHEMES, labels_from
from ensemble.backends import REFERENCE
from ensemble.engine import Engine
from ensemble.manifest import Model, verify_model
from ensemble.member_network import load_member
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.packing.exported_proof import check_known_answers
from lab.packing.monai_proof import monai_starts, our_starts
from lab.packing.release import write_card
from lab.packing.tile_answers import decisions
from lab.training.monai_networks import Sizes, build_network

pytestmark = needs_monai
Run = Callable[..., tuple[int, str, str]]
Refused = Callable[..., str]


def model_in(folder: Path) -> Model:
    return verify_model(folder / "weights" / "m" / "MANIFEST.json")


def labels(model: Model) -> np.ndarray:
    case = scan((16, 16, 16), (1, 1, 1))
    *_, final = predict(case, model, Engine(torch.device("cpu"), REFERENCE))
    return labels_from(final.probabilities, model.head, model.scheme)


def test_a_state_dict_becomes_a_member_that_answers_as_monai(tmp_path: Path, run_pack: Run) -> None:
    networks = [trained(seed=seed) for seed in (0, 1)]
    states = [{"module." + k: v for k, v in each.state_dict().items()} for each in networks]
    source = write_folder(tmp_path / "segresnet", describe(), [{"state_dict": s} for s in states])
    case = write_raw(tmp_path / "raw", tiny.dataset()) / "imagesTr" / "a_0000.nii.gz"
    code, said, _ = run_pack(source, tmp_path, "--prove", str(case))
    assert code == 0
    assert f"{source}/fold_1/weights.pt: taken off: the key 'state_dict', the prefix 'module.'" in (
        said
    )
    assert "SegResNet of MONAI 1.6.1" in said
    assert "proven on one random tile a fold (16x16x16): deviations from MONAI 1.6.1 0.0e+00" in (
        said
    )
    content = json.loads((tmp_path / "weights" / "m" / "MANIFEST.json").read_text())
    case = content["proof"][0]["case"]
    assert case["differing"] < case["voxels"] / 20
    assert (case["id"], case["windows"], case["windows_of_monai"]) == ("a", 2, 2)
    assert case["same_windows"] and case["differing_blended_alike"] == 0
    assert "2 tiles where MONAI has them, blended with MONAI's Gaussian in single" in said
    provenance = content["members"][0]["provenance"]
    assert provenance["architecture"] == SEGRESNET.to_json()
    assert (provenance["monai"], content["schema"]) == ("1.6.1", 5)
    write_card(model_in(tmp_path).folder, content, model_in(tmp_path).scheme, "four heads")
    row = "| segresnet | 0 | program | 1 | not nnU-Net's: SegResNet of MONAI 1.6.1 | unknown |"
    assert row in (tmp_path / "weights" / "m" / "MODEL_CARD.md").read_text()
    described = json.loads((tmp_path / "weights" / "m" / "segresnet" / "member.json").read_text())
    assert "architecture" not in described
    # One window, so that the mean of two folds' logits is MONAI's, in x, y, z.
    model = model_in(tmp_path)
    assert [member.plan.patch for member in model.members] == [PATCH] * 2
    images = scan((16, 16, 16), (1, 1, 1)).images
    ball = np.stack([images[name] for name in model.members[0].sequences])
    inside = (ball != 0).any(0)
    values = [(c[inside].mean(), c[inside].std()) for c in ball]
    tile = [np.where(inside, (c - m) / s, 0) for c, (m, s) in zip(ball, values, strict=True)]
    volume = torch.from_numpy(np.stack(tile).astype(np.float32)).permute(0, 3, 2, 1)
    from monai.inferers import sliding_window_inference

    with torch.inference_mode():
        logits = sum(sliding_window_inference(volume[None], PATCH, 1, each) for each in networks)
    expected = logits[0].permute(0, 3, 2, 1).argmax(0).numpy()
    cropped = (slice(1, 15),) * 3  # the rest is zero, and background
    assert (labels(model) == expected)[cropped].mean() > 0.999
    assert len(np.unique(expected[cropped])) > 2
    assert lab(["verify", "--weights", str(tmp_path / "weights"), "--quick"]) == 0


def test_tumour_core_first_as_monai_has_it_is_not_painted_over(
    tmp_path: Path, run_pack: Run
) -> None:
    """The order of MONAI's transform for BraTS, and how its bundle paints: WT, TC, then ET."""
    torch.manual_seed(5)
    network, _ = build_network(SEGRESNET, Sizes(4, 3, PATCH))
    head = {
        "kind": "regions",
        "channels": [["NETC", "ET"], ["NETC", "SNFH", "ET"], ["ET"]],
        "paints": ["NETC", "SNFH", "ET"],
    }
    source = write_folder(tmp_path / "net", describe(head=head), [network.state_dict()])
    code, said, _ = run_pack(source, tmp_path)
    assert code == 0
    assert "outputs are reordered, large regions first; painted in turn: SNFH, NETC, ET" in said
    (member,) = model_in(tmp_path).members
    tile = torch.randn((1, 4, *PATCH), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        tc, wt, et = network(tile)[0].numpy()
        logits = load_member(member)(tile)[0].numpy()
    by_bundle = np.where(et > 0, 3, np.where(tc > 0, 1, np.where(wt > 0, 2, 0)))
    assert np.array_equal(decisions(logits, member.head, SCHEMES["brats-gli"]), by_bundle)
    assert set(np.unique(by_bundle)) == {0, 1, 2, 3}


def test_a_bundle_is_packed_as_trained_on_all_cases(tmp_path: Path, run_pack: Run) -> None:
    source = write_bundle(tmp_path / "bundle", trained(), describe(None))
    code, said, _ = run_pack(source, tmp_path)
    assert code == 0
    assert "inference.json: NormalizeIntensityd takes a channel's non-zero voxels" in said
    (member,) = model_in(tmp_path).members
    assert member.name == "bundle/fold_all/program.pt2"


def test_a_bundle_without_member_json_prints_a_draft(tmp_path: Path, run_pack: Run) -> None:
    source = write_bundle(tmp_path / "bundle", trained(), None)
    code, said, err = run_pack(source, tmp_path)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{source}: no member.json" in err and f"save it as {source}/member.json" in err
    assert json.loads(said)["patch"] == [16, 16, 16]


def with_nan() -> dict[str, torch.Tensor]:
    state = trained().state_dict()
    next(iter(state.values()))[:] = float("nan")
    return state


@pytest.mark.parametrize(
    ("content", "checkpoint", "message"),
    [
        (describe(), {"epoch": 1}, "fold_0/weights.pt: holds no state_dict"),
        (
            describe(),
            {"model": {"x": torch.ones(1)}},
            "fold_0/weights.pt: not the network of",
        ),
        (describe(), with_nan, "its answer to a random tile holds NaN"),
        (describe(patch=[16, 16, 15]), None, "SegResNet cannot take the patch of 16x16x15"),
        (
            describe(head={"kind": "labels", "channels": ["background", "ET"]}),
            None,
            "tensors differ in size",
        ),
        (describe(transpose=None), None, '"transpose": [2, 1, 0], and "orientation" as'),
        (describe(architecture={"class": "os.system"}), None, "'os.system' is not among SwinUNETR"),
        (describe(architecture="SwinUNETR"), None, "architecture: write {"),
        (describe(resolution=1), None, "'resolution', which is not among"),
    ],
)
def test_a_bad_network_is_named(
    tmp_path: Path, refused_pack: Refused, content: dict[str, Any], checkpoint: Any, message: str
) -> None:
    state = checkpoint() if callable(checkpoint) else checkpoint
    state = trained().state_dict() if state is None else state
    source = write_folder(tmp_path / "bad", content, [state])
    said = refused_pack(source, tmp_path)
    assert message in said and str(source) in said and "/tmp/tmp" not in said


def test_an_answer_of_another_network_is_refused(
    tmp_path: Path, refused_pack: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_folder(tmp_path / "bad", describe(), [trained().state_dict()])
    exported = torch.export.export
    other = trained(seed=1)
    monkeypatch.setattr(torch.export, "export", lambda network, *a, **k: exported(other, *a, **k))
    said = refused_pack(source, tmp_path)
    assert "the exported program does not answer a tile as MONAI does" in said


def test_a_network_that_takes_one_tile_at_a_time_says_so(
    tmp_path: Path, run_pack: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_folder(tmp_path / "one", describe(), [trained().state_dict()])
    exported = torch.export.export

    def one_tile(network: Any, tiles: Any, dynamic_shapes: Any = None) -> Any:
        if dynamic_shapes is not None:
            raise RuntimeError("Constraints violated (tiles)")
        return exported(network, tiles)

    monkeypatch.setattr(torch.export, "export", one_tile)
    code, said, _ = run_pack(source, tmp_path)
    assert code == 0
    assert "fold_0/weights.pt: runs one tile at a time (Constraints violated (tiles))" in said


@pytest.mark.parametrize("flag", ["--half", "--labels=NETC=1"])
def test_options_of_trained_folders_are_refused(
    tmp_path: Path, refused_pack: Refused, flag: str
) -> None:
    source = write_folder(tmp_path / "m", describe(), [trained().state_dict()])
    assert "is of trained folders" in refused_pack(source, tmp_path, *flag.split("=", 1))


def test_folders_without_weights_or_with_two_are_refused(
    tmp_path: Path, refused_pack: Refused
) -> None:
    source = write_folder(tmp_path / "m", describe(), [])
    assert "no fold_*/ with weights for its architecture: weights.pt" in refused_pack(
        source, tmp_path
    )
    for name in ("weights.pt", "model.pth"):
        (source / "fold_0").mkdir(exist_ok=True)
        torch.save(trained().state_dict(), source / "fold_0" / name)
    assert "weights.pt and model.pth; one file" in refused_pack(source, tmp_path)
    (source / "fold_0" / "model.pth").unlink()
    assert "no fold 3; folds: 0" in refused_pack(source, tmp_path, "--folds", "3")


def test_without_monai_a_line_says_what_installs_it(
    tmp_path: Path, refused_pack: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_folder(tmp_path / "m", describe(), [trained().state_dict()])
    find_spec = importlib.util.find_spec
    absent = lambda name, *a: None if name == "monai" else find_spec(name, *a)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", absent)
    said = refused_pack(source, tmp_path)
    assert said.endswith("MONAI is needed for its networks: pip install monai==1.6.1\n")


@pytest.mark.parametrize(("size", "starts"), [(16, [0]), (24, [0, 8]), (30, [0, 8, 14])])
def test_where_monais_windows_start(size: int, starts: list[int]) -> None:
    assert monai_starts(size, 16, 0.5) == starts
    assert our_starts(size, 16, 0.5) == {16: [0], 24: [0, 8], 30: [0, 7, 14]}[size]
    from monai.inferers import sliding_window_inference

    windows = []

    def network(tiles: torch.Tensor) -> torch.Tensor:
        windows.append(int(tiles[0, 0, 0, 0, 0]))
        return tiles.clone()

    volume = torch.arange(size).float().expand(1, 1, 16, 16, size)
    sliding_window_inference(volume, (16, 16, 16), 1, network, overlap=0.5)
    assert windows == starts


@pytest.mark.slow
def test_a_mixed_ensemble_goes_from_folds_to_a_selection(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort = write_raw(tmp_path / "Dataset001_Tiny", tiny.dataset())
    # One fold of each: exporting a SwinUNETR takes ten seconds.
    (tmp_path / "splits.json").write_text(json.dumps([{"train": [], "val": IDS}]))
    states = [trained(SWIN, SWIN_PATCH).state_dict()]
    sources = {
        "unet": tiny.train(tmp_path / "unet", tiny.plans(), tiny.dataset()),
        "swin": write_folder(tmp_path / "swin", describe(SWIN, SWIN_PATCH), states),
    }
    common = ["--cohort", str(cohort), "--splits", str(tmp_path / "splits.json")]
    packed = ["--scheme", "brats-gli", "--out", str(tmp_path / "packed")]
    for name, source in sources.items():
        assert lab(["pack", str(source), "--model", name, *packed]) == 0
        words = ["out-of-fold", "--model", str(tmp_path / "packed" / name), *common]
        out = ["--out", str(tmp_path / "oof" / name), "--maps", str(tmp_path / "maps" / name)]
        assert lab([*words, *out, "--device", "cpu", "--backend", "torch"]) == 0
    said = capsys.readouterr().out
    assert "argument use_checkpoint left out, it changes no answer" in said
    assert "deviations from MONAI 1.6.1 0.0e+00" in said
    assert "a by swin/fold_0/program.pt2" in said
    assert len(list((tmp_path / "maps" / "swin").glob("*.npz"))) == len(IDS)
    maps = [str(tmp_path / "maps" / name) for name in sources]
    selection = tmp_path / "selection"
    assert lab(["select", *maps, "--cohort", str(cohort), "--out", str(selection)]) == 0
    words = ["pack", "--selection", str(selection / "selection.json"), "--model", "mixed"]
    assert lab([*words, *packed]) == 0
    manifest = tmp_path / "packed" / "mixed" / "MANIFEST.json"
    names = [member.name for member in verify_model(manifest).members]
    assert names == ["unet-unet/fold_0/checkpoint_final.pth", "swin-swin/fold_0/program.pt2"]
    assert check_known_answers(manifest) == 1
