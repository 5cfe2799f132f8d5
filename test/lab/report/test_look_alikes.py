"""False positives are named by what tells them: planted look-alikes in a head of noise."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from challenge.case import Case
from challenge.scheme import SCHEMES
from lab.__main__ import main
from lab.report.look_alikes import OTHER, covers, false_positives, look_alike_table

GLI = SCHEMES["brats-gli"]
SNFH, ET = GLI.labels["SNFH"], GLI.labels["ET"]
SPACING_MM = (4.0, 4.0, 4.0)
SHAPE = (28, 28, 28)  # the head is 24 voxels a side, 96 mm, around the middle

Spot = tuple[slice, slice, slice]
T1_BRIGHT: Spot = (slice(4, 6), slice(10, 12), slice(6, 8))
VESSEL: Spot = (slice(20, 21), slice(6, 12), slice(20, 21))  # 24 mm long
PLEXUS: Spot = (slice(13, 15), slice(13, 15), slice(11, 13))
PLEXUS_MIRRORED: Spot = (slice(13, 15), slice(13, 15), slice(15, 17))
VENTRICLE: Spot = (slice(12, 16), slice(10, 18), slice(10, 18))  # around the plexus
WHITE_MATTER: Spot = (slice(22, 24), slice(20, 22), slice(8, 10))
BALL: Spot = (slice(5, 7), slice(20, 22), slice(20, 22))
TUMOUR: Spot = (slice(8, 12), slice(18, 23), slice(18, 23))


@pytest.fixture
def planted() -> tuple[Case, np.ndarray, np.ndarray]:
    """A case, a prediction with a look-alike of each kind and a tumour, and the reference."""
    rng, inside = np.random.default_rng(0), np.zeros(SHAPE, bool)
    inside[2:26, 2:26, 2:26] = True
    images = {
        name: np.where(inside, rng.normal(300, 5, SHAPE), 0).astype(np.float32)
        for name in GLI.sequences
    }
    for sequence, fluid in {"t1n": 100, "t1c": 100, "t2w": 500, "t2f": 100}.items():
        images[sequence][VENTRICLE] = fluid
    for sequence in ("t1n", "t1c"):
        images[sequence][T1_BRIGHT] += 100
    for spot in (VESSEL, PLEXUS, PLEXUS_MIRRORED, BALL, TUMOUR):
        images["t1c"][spot] += 100
    images["t2f"][WHITE_MATTER] += 100
    prediction, reference = np.zeros((2, *SHAPE), np.uint8)
    for spot in (T1_BRIGHT, VESSEL, PLEXUS, BALL, TUMOUR):
        prediction[spot] = ET
    prediction[WHITE_MATTER] = SNFH
    reference[TUMOUR] = ET
    return Case("planted", images, SPACING_MM), prediction, reference


def test_each_look_alike_is_named(planted: tuple[Case, np.ndarray, np.ndarray]) -> None:
    causes = {(e.label, e.cause): e.volume_mm3 for e in false_positives(*planted, GLI)}
    assert causes == {
        ("ET", "T1-bright without contrast agent"): 8 * 64,
        ("ET", "vessel"): 6 * 64,
        ("ET", "choroid plexus"): 8 * 64,
        ("ET", OTHER): 8 * 64,
        ("SNFH", "small white-matter lesion"): 8 * 64,
    }


def test_there_is_no_choroid_plexus_without_a_ventricle(
    planted: tuple[Case, np.ndarray, np.ndarray],
) -> None:
    case, prediction, reference = planted
    for sequence in ("t1n", "t2w", "t2f"):
        case.images[sequence][VENTRICLE] = 300
    causes = [error.cause for error in false_positives(case, prediction, reference, GLI)]
    assert "choroid plexus" not in causes and causes.count(OTHER) == 2


def test_what_touches_the_reference_is_no_false_positive(
    planted: tuple[Case, np.ndarray, np.ndarray],
) -> None:
    case, prediction, reference = planted
    assert false_positives(case, reference, reference, GLI) == []
    reference[:, :, 8] = SNFH  # through the white-matter lesion, whatever its label
    labels = {each.label for each in false_positives(case, prediction, reference, GLI)}
    assert labels == {"ET"}


def test_every_cause_has_a_row(planted: tuple[Case, np.ndarray, np.ndarray]) -> None:
    rows = look_alike_table(false_positives(*planted, GLI) * 2)
    assert [row["label"] for row in rows] == ["ET"] * 4 + ["SNFH"] * 2
    assert {row["components"] for row in rows} == {2, 0}  # no other SNFH
    vessel = next(row for row in rows if row["cause"] == "vessel")
    assert (vessel["cases"], vessel["names"]) == (1, ["planted"])
    assert vessel["volume_ml"] == pytest.approx(2 * 6 * 0.064)


def test_a_challenge_without_these_labels_has_no_table() -> None:
    assert covers(GLI) and not covers(SCHEMES["panther-t1"])


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(SPACING_MM)
    SimpleITK.WriteImage(image, str(path))


def test_the_report_shows_them(
    planted: tuple[Case, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    case, prediction, reference = planted
    for id in ("case1", "case2"):
        save(tmp_path / "predictions" / f"{id}.nii.gz", prediction)
        save(tmp_path / "references" / f"{id}.nii.gz", reference)
    for sequence, image in case.images.items():
        save(tmp_path / "scans" / f"case1-{sequence}.nii.gz", image)
    folders = ["--predictions", tmp_path / "predictions", "--references", tmp_path / "references"]
    out = ["--scorer", "2025-gli", "--out", tmp_path / "results.json"]
    assert main(["evaluate", *map(str, [*folders, *out])]) == 0
    html = tmp_path / "page.html"
    words = [tmp_path / "results.json", "--html", html, "--images", tmp_path / "scans"]
    assert main(["report", *map(str, words)]) == 0
    content = json.loads(html.with_suffix(".json").read_text())["look_alikes"]
    assert content["cases"] == 1 and content["left_out"] == {
        "case2": "no scan of t1n, t1c, t2w, t2f"
    }
    assert sum(row["components"] for row in content["rows"]) == 5
    for text in (html.read_text(), html.with_suffix(".md").read_text()):
        assert "What false positives probably are" in text and "choroid plexus" in text
