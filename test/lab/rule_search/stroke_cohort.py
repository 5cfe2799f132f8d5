"""Cohorts of strokes in files, from the rule search to the refined labels."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

from challenge.scheme import SCHEMES
from challenge.volume import read_volume
from lab.__main__ import main
from postprocess.__main__ import main as refine
from postprocess.artefacts import load_artefacts
from postprocess.rule_base import Rule

ISLES = SCHEMES["isles-2026"]


@dataclass(frozen=True)
class StrokeCohort:
    """A raw dataset, predictions and, once searched, the work folder of the search."""

    root: Path
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)  # (x, y, z)

    @property
    def work(self) -> Path:
        return self.root / "work"

    def write_case(
        self, name: str, reference: np.ndarray, prediction: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Write images, reference and prediction (z, y, x); the lesion is a little brighter."""
        image = rng.normal(300, 30, reference.shape) + 50 * (reference > 0)
        for channel in range(len(ISLES.sequences)):
            self._write(f"raw/imagesTr/{name}_{channel:04d}.mha", image.astype("f4"))
        self._write(f"raw/labelsTr/{name}.mha", reference)
        self._write(f"oof/{name}.mha", prediction)

    def search(self, *options: object) -> None:
        """Search rules of one cluster for Dice; options of `lab features`."""
        dataset = {
            "channel_names": {str(i): name for i, name in enumerate(ISLES.sequences)},
            "labels": {"background": 0, "lesion": 1},
            "file_ending": ".mha",
        }
        (self.root / "raw" / "dataset.json").write_text(json.dumps(dataset))
        words = ["--cohort", self.root / "raw", "--predictions", self.root / "oof"]
        words += ["--scheme", ISLES.name, "--out", self.work, *options]
        assert main(["features", *map(str, words)]) == 0
        assert main(["fit", str(self.work), "--clusters", "1"]) == 0
        assert main(["search", str(self.work), "--objective", "dice"]) == 0

    def shipped_rule(self) -> Rule:
        """Freeze what ships, one rule for all, and return it."""
        assert json.loads((self.work / "search.json").read_text())["ships"] == "pooled"
        artefact = self.root / "artefact"
        assert main(["freeze", str(self.work), "--out", str(artefact)]) == 0
        (rule,) = load_artefacts(artefact, ISLES).clusters[0].rules
        return rule

    def check_refined(self, *options: object) -> None:
        """Refine the predictions by the frozen rule: they are the references, as held out."""
        words = ["--labels", self.root / "oof", *options]
        words += ["--artefact", self.root / "artefact", "--output", self.root / "refined"]
        assert refine(list(map(str, words))) == 0
        for path in sorted((self.root / "raw" / "labelsTr").iterdir()):
            refined, held_out = (
                read_volume(folder / path.name, np.uint8).array
                for folder in (self.root / "refined", self.work / "held_out")
            )
            np.testing.assert_array_equal(refined, read_volume(path, np.uint8).array)
            np.testing.assert_array_equal(refined, held_out)

    def explain(self, page: Path) -> str:
        """Return the text of the page that explains the search."""
        assert main(["explain", str(self.work), "--html", str(page)]) == 0
        return page.read_text()

    def _write(self, name: str, array: np.ndarray) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing(self.spacing_mm)
        SimpleITK.WriteImage(image, str(path))
