"""A rule by distance from files to the refined labels: search, explain, freeze, refine."""

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
SPACING_MM = (1.0, 1.0, 2.0)  # (x, y, z)


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(SPACING_MM)
    SimpleITK.WriteImage(image, str(path))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen lesions, each with a true island three slices below it and a false one far away.

    All islands are of one size, and nothing but the distance tells them apart.
    """
    root, rng = tmp_path_factory.mktemp("cohort"), np.random.default_rng(5)
    for i in range(CASES):
        reference = np.zeros((14, 24, 30), np.uint8)
        reference[3:7, 4 : 11 + i % 3, 4:12] = 1
        reference[9:11, 4:6, 6:8] = 1
        prediction = reference.copy()
        prediction[9:11, 16:18, 24:26] = 1
        image = rng.normal(300, 30, reference.shape) + 50 * (reference > 0)
        for channel in range(len(ISLES.sequences)):
            write(root / "raw" / "imagesTr" / f"p{i:02d}_{channel:04d}.mha", image.astype("f4"))
        write(root / "raw" / "labelsTr" / f"p{i:02d}.mha", reference)
        write(root / "oof" / f"p{i:02d}.mha", prediction)
    dataset = {
        "channel_names": {str(i): name for i, name in enumerate(ISLES.sequences)},
        "labels": {"background": 0, "lesion": 1},
        "file_ending": ".mha",
    }
    (root / "raw" / "dataset.json").write_text(json.dumps(dataset))
    options = ["--cohort", root / "raw", "--predictions", root / "oof", "--scheme", ISLES.name]
    options += ["--config", "every-predicate", "--out", root / "work"]
    assert main(["features", *map(str, options)]) == 0
    assert main(["fit", str(root / "work"), "--clusters", "1"]) == 0
    assert main(["search", str(root / "work"), "--objective", "dice"]) == 0
    return root


def test_the_far_island_goes_and_the_near_one_stays(searched: Path) -> None:
    content = json.loads((searched / "work" / "search.json").read_text())
    assert content["ships"] == "pooled"
    artefact = searched / "artefact"
    assert main(["freeze", str(searched / "work"), "--out", str(artefact)]) == 0
    (rule,) = load_artefacts(artefact, ISLES).clusters[0].rules
    # The near island is three slices of 2 mm below, the far one at least 13 mm away.
    assert 6 <= rule.unless_any["max_distance_mm"] < 15
    words = ["--labels", searched / "oof", "--artefact", artefact, "--output", searched / "refined"]
    assert refine(list(map(str, words))) == 0
    for path in sorted((searched / "raw" / "labelsTr").iterdir()):
        refined, held_out = (
            read_volume(folder / path.name, np.uint8).array
            for folder in (searched / "refined", searched / "work" / "held_out")
        )
        np.testing.assert_array_equal(refined, read_volume(path, np.uint8).array)
        np.testing.assert_array_equal(refined, held_out)


def test_the_page_draws_the_curve_of_distances(searched: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert main(["explain", str(searched / "work"), "--html", str(page)]) == 0
    text = page.read_text()
    assert "mm from a larger one" in text
    assert "components farther from a larger one than, mm" in text
