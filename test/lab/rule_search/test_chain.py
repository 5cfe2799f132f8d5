"""Rules go into the model that they were fitted for, and into no other one without a word."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny

from challenge.provenance import (
    KEY,
    Provenance,
    content_sha256,
    from_json,
    read_provenance,
    write_provenance,
)
from challenge.scheme import SCHEMES
from lab.__main__ import main as lab
from lab.provenance.records import model_record
from postprocess.artefacts import load_artefacts

CASES = 12


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two packed models, predictions that the first one's record is on, and a search on them."""
    root, rng = tmp_path_factory.mktemp("chain"), np.random.default_rng(3)
    for i in range(CASES):
        reference = np.zeros((10, 20, 20), np.uint8)
        reference[2:8, 4:14, 4:16] = 2
        reference[3 : 5 + i % 4, 6 : 8 + i // 3, 6 : 9 + i % 5] = 3
        prediction = reference.copy()
        prediction[8, 17, 16:18] = 3  # a false island
        for channel in range(4):
            image = rng.normal(300, 30, reference.shape) + 50 * (reference == 3)
            write(root / "raw" / "imagesTr" / f"p{i}_{channel:04d}.mha", image.astype(np.float32))
        write(root / "raw" / "labelsTr" / f"p{i}.mha", reference)
        write(root / "oof" / f"p{i}.mha", prediction)
    dataset = tiny.dataset() | {"file_ending": ".mha"}
    (root / "raw" / "dataset.json").write_text(json.dumps(dataset))
    for name, seed in (("mine", 0), ("other", 9)):
        source = tiny.train(root / "trained" / name, tiny.plans(), tiny.dataset(), (0, 1), seed)
        words = ["--model", name, "--scheme", "brats-gli", "--out", str(root / "weights")]
        assert lab(["pack", str(source), *words, "--release", "--data", "Cubes."]) == 0
    mark(root / "oof", root / "weights" / "mine")
    assert features(root) == 0
    assert lab(["fit", str(root / "work")]) == 0
    assert lab(["search", str(root / "work")]) == 0
    return root


def mark(folder: Path, model: Path) -> None:
    """Write the record of label maps that a model made out of fold."""
    inputs = {"model": model_record(model, with_rules=False)}
    record = Provenance(
        "label maps", folder.name, content_sha256(folder), "out-of-fold", inputs=inputs
    )
    write_provenance(folder, record)


def features(root: Path, model: str = "mine", work: str = "work", *more: str) -> int:
    words = ["--cohort", root / "raw", "--predictions", root / "oof", "--out", root / work]
    return lab(["features", *map(str, [*words, "--model", root / "weights" / model]), *more])


def freeze(root: Path, model: str, *more: str) -> int:
    return lab(["freeze", str(root / "work"), "--model", str(root / "weights" / model), *more])


def test_rules_ship_in_the_model_whose_predictions_they_were_fitted_on(chain: Path) -> None:
    assert freeze(chain, "mine") == 0
    folder = chain / "weights" / "mine"
    fit = load_artefacts(folder, SCHEMES["brats-gli"]).fit
    assert "foreign" not in fit
    record = from_json(fit[KEY], folder)
    networks = model_record(folder, with_rules=False)
    assert record.inputs["features"].inputs["predictions"].inputs["model"] == networks
    card = (folder / "MODEL_CARD.md").read_text()
    assert f"Networks: sha256 {networks.sha256[:12]}." in card
    assert f"Rules: by `lab search` source, sha256 {record.sha256[:12]}, on raw (sha256 " in card
    assert "Cubes." in card  # the card of the release is written again, with the rules
    assert f"{fit['score_without_rules']:.4f} without, {fit['score_with_rules']:.4f} with" in card


def test_rules_of_another_model_are_refused_by_name(
    chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert freeze(chain, "other") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "made from predictions of model mine (" in line and "not of model other (" in line
    folder = chain / "weights" / "other"
    assert not (folder / "postprocess.json").exists()
    words = [str(chain / "trained" / "other"), "--model", "third", "--scheme", "brats-gli"]
    artefact = ["--artefact", str(chain / "work" / "decided"), "--out", str(chain / "weights")]
    assert lab(["pack", *words, *artefact]) == 2
    assert "not of model third (" in capsys.readouterr().err
    assert not (chain / "weights" / "third").exists()


def test_what_foreign_accepts_is_on_the_card_and_in_the_artefact(
    chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert freeze(chain, "other", "--foreign") == 0
    assert "accepted by --foreign" in capsys.readouterr().err
    folder = chain / "weights" / "other"
    fit = load_artefacts(folder, SCHEMES["brats-gli"]).fit
    assert "made from predictions of model mine (" in fit["foreign"]
    card = (folder / "MODEL_CARD.md").read_text()
    assert "nothing is known of its gain here" in card
    assert f"{fit['score_with_rules']:.4f}" not in card


def test_features_of_another_models_predictions_are_refused(
    chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert features(chain, "other", "elsewhere") == 2
    assert "made from predictions of model mine (" in capsys.readouterr().err
    assert not (chain / "elsewhere").exists()


def test_the_chain_is_shown_from_the_rules_to_the_training(
    chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab(["trace", str(chain / "work" / "decided")]) == 0
    out = capsys.readouterr().out
    products = ("rules search.json", "features features.npz", "label maps oof", "model mine")
    positions = [out.index(product) for product in products]
    assert positions == sorted(positions)
    assert "member 1: checkpoint" in out and "cohort raw" in out


def test_predictions_that_changed_after_their_features_are_refused(
    chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = chain / "oof" / "p0.mha"
    before = path.read_bytes()
    try:
        write(path, np.zeros((10, 20, 20), np.uint8))
        assert lab(["search", str(chain / "work")]) == 2
        assert "files were changed, added or removed after" in capsys.readouterr().err
        mark(chain / "oof", chain / "weights" / "mine")
        assert lab(["search", str(chain / "work")]) == 2
        assert "predictions changed after `lab features`" in capsys.readouterr().err
    finally:
        path.write_bytes(before)
        mark(chain / "oof", chain / "weights" / "mine")


def test_what_features_accepted_is_on_the_card(chain: Path) -> None:
    """Predictions that saw their cases gain what no new case does."""
    before = (chain / "oof" / "provenance.json").read_bytes()
    record = read_provenance(chain / "oof")
    assert record is not None
    try:
        write_provenance(chain / "oof", replace(record, facts={"held_out": "in-sample"}))
        assert features(chain, "mine", "seen") == 2
        assert features(chain, "mine", "seen", "--foreign") == 0
        assert lab(["fit", str(chain / "seen")]) == 0
        assert lab(["search", str(chain / "seen")]) == 0
        words = ["freeze", str(chain / "seen"), "--model", str(chain / "weights" / "mine")]
        assert lab(words) == 0
    finally:
        (chain / "oof" / "provenance.json").write_bytes(before)
    card = (chain / "weights" / "mine" / "MODEL_CARD.md").read_text()
    assert "nothing is known of its gain here" in card and "not held out" in card
