"""A rule by size or peak from files to the container's labels: search, freeze, refine."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from challenge.scheme import SCHEMES
from challenge.volume import read_volume
from lab.__main__ import main
from postprocess.__main__ import main as refine
from postprocess.artefacts import load_artefacts

CASES = 12
ISLES = SCHEMES["isles-2026"]
LESION = 1


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(array)
    SimpleITK.WriteImage(image, str(path))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen cases: a large doubtful lesion, and true and false islands of one size.

    Only the peak tells the islands apart, and only the size keeps the lesion.
    """
    root, rng = tmp_path_factory.mktemp("cohort"), np.random.default_rng(5)
    for i in range(CASES):
        reference = np.zeros((14, 24, 24), np.uint8)
        reference[3:9, 4 : 11 + i % 3, 4:12] = LESION
        prediction = reference.copy()
        sure = np.where(reference, 0.52, 0.05) + rng.uniform(0, 0.02, reference.shape)
        for at in (4, 10):
            reference[11:13, at : at + 2, 18:20] = prediction[11:13, at : at + 2, 18:20] = LESION
            sure[11, at, 18:20] = rng.uniform(0.9, 0.99)
            prediction[11:13, at + 8 : at + 10, 22:24] = LESION
            sure[11, at + 8, 22:24] = rng.uniform(0.56, 0.64)
        image = rng.normal(300, 30, reference.shape) + 50 * (reference > 0)
        for channel in range(len(ISLES.sequences)):
            write(root / "raw" / "imagesTr" / f"p{i:02d}_{channel:04d}.mha", image.astype("f4"))
        write(root / "raw" / "labelsTr" / f"p{i:02d}.mha", reference)
        write(root / "oof" / f"p{i:02d}.mha", prediction)
        np.savez(root / "oof" / f"p{i:02d}.npz", probabilities=np.stack([1 - sure, sure]))
    names = {str(i): name for i, name in enumerate(ISLES.sequences)}
    dataset = {
        "channel_names": names,
        "labels": {"background": 0, "lesion": LESION},
        "file_ending": ".mha",
    }
    (root / "raw" / "dataset.json").write_text(json.dumps(dataset))
    options = ["--cohort", root / "raw", "--predictions", root / "oof", "--scheme", ISLES.name]
    options += ["--probabilities", root / "oof", "--out", root / "work"]
    assert main(["features", *map(str, options)]) == 0
    assert main(["fit", str(root / "work"), "--clusters", "1"]) == 0
    assert main(["search", str(root / "work"), "--objective", "dice"]) == 0
    return root


def test_a_rule_by_size_or_peak_is_searched_shipped_and_applied(searched: Path) -> None:
    content = json.loads((searched / "work" / "search.json").read_text())
    assert content["ships"] == "pooled"
    artefact = searched / "artefact"
    assert main(["freeze", str(searched / "work"), "--out", str(artefact)]) == 0
    (rule,) = load_artefacts(artefact, ISLES).clusters[0].rules
    assert 0.6 < rule.unless_any["min_peak_probability"] <= 0.9
    assert rule.unless_any["min_volume_mm3"] > 8
    words = ["--labels", searched / "oof", "--probabilities", searched / "oof"]
    words += ["--artefact", artefact, "--output", searched / "refined"]
    assert refine(list(map(str, words))) == 0
    for path in sorted((searched / "raw" / "labelsTr").iterdir()):
        refined, held_out = (
            read_volume(folder / path.name, np.uint8).array
            for folder in (searched / "refined", searched / "work" / "held_out")
        )
        np.testing.assert_array_equal(refined, read_volume(path, np.uint8).array)
        np.testing.assert_array_equal(refined, held_out)


def test_the_page_shows_the_curve_of_both_thresholds(searched: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert main(["explain", str(searched / "work"), "--html", str(page)]) == 0
    text = page.read_text()
    assert "lesion components &lt; " in text and "and peak &lt; " in text
    assert "and size, mm³" in text
