"""Every two features of the program together: each works with every other one.

A case's labels must be those of its parts called by hand, whatever else is on.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import files
import nibabel
import numpy as np
import pytest
import tiny
import torch
from cubes import make_artefacts

import inference
from challenge.case import read_case
from challenge.cli import parse
from challenge.headers import declared_geometry
from challenge.input_cases import with_sequences
from challenge.platforms import find_cases
from challenge.process import set_up_process
from challenge.scheme import MRI_SEQUENCES, SCHEMES, restrict
from challenge.server import WorkError
from ensemble.engine import Engine
from ensemble.manifest import verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab
from postprocess import refine
from postprocess.artefacts import Artefacts, load_artefacts, save_artefacts
from postprocess.rule_base import Rule
from postprocess.rule_kinds import rule_from

WHOLE, LACKING, BROKEN = "BraTS-GLI-00001-100", "BraTS-GLI-00002-100", "BraTS-GLI-99999-100"
FEATURES = (
    *("missing sequences", "regions", "several models", "time limit", "strict", "serve", "record"),
    *("probability rules", "another grid", "one rule set", "radiomic rules"),
)
# Voxel (x, y, z) to mm: axes to posterior, inferior and right, thick slices.
PIR = np.array([[0, 0, 1.1, 8], [-2.6, 0, 0, 40], [0, -0.9, 0, 25], [0, 0, 0, 1]], float)
GLI = SCHEMES["brats-gli"]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks of both heads, one for another challenge, and one for the server's platform."""
    folder = tmp_path_factory.mktemp("models")
    regions = tiny.dataset(tiny.REGIONS, order=tiny.REGION_ORDER)
    abdomen = tiny.dataset({"background": 0, "tumour": 1, "pancreas": 2}, ["MRI"])
    flags = ("--accepts-missing", "--orientation", "LPS")
    goat = tiny.dataset({"background": 0, "NETC": 1, "SNFH": 2, "ET": 3})
    models: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
        "softmax": ("brats-gli", tiny.plans(), tiny.dataset(), flags),
        "regions": ("brats-gli", tiny.plans(), regions, flags),
        "goat": ("brats-goat", tiny.plans(), goat, flags),
        "t1": ("panther-t1", tiny.plans(channels=1), abdomen, ()),
    }
    for name, (scheme, plans, dataset, options) in models.items():
        source = tiny.train(folder / "trained" / name, plans, dataset, folds=(0, 3))
        words = ["--model", name, "--scheme", scheme, "--out", str(folder / "weights"), *options]
        assert lab(["pack", str(source), *words]) == 0
    return folder / "weights"


@dataclass(frozen=True)
class Setting:
    """What a run combines."""

    folder: Path
    features: Sequence[str]

    def has(self, feature: str) -> bool:
        return feature in self.features

    @property
    def model(self) -> str:
        return "regions" if self.has("regions") else "softmax"

    def prepare(self, packed: Path) -> None:
        """Write weights, rules and cases."""
        models = [self.model]
        models += ["goat"] * self.has("several models") + ["t1"] * self.has("serve")
        for name in models:
            (self.folder / "weights").mkdir(exist_ok=True)
            (self.folder / "weights" / name).symlink_to(packed / name)
        if artefacts := self.artefacts():
            model_folder = self.folder / "weights" / self.model
            model_folder.unlink()
            model_folder.mkdir()
            for path in (packed / self.model).iterdir():
                (model_folder / path.name).symlink_to(path)
            save_artefacts(model_folder, artefacts)
        affine = PIR if self.has("another grid") else files.LAS
        for id in (WHOLE, LACKING):
            for number, sequence in enumerate(MRI_SEQUENCES):
                if (id, sequence) != (LACKING, "t2w") or not self.has("missing sequences"):
                    path = self.folder / "in" / id / f"{id}-{sequence}.nii.gz"
                    files.write_nifti(path, files.head(number), affine)
        if self.has("strict"):
            files.write_brats_case(self.folder / "in" / BROKEN, BROKEN)
            (self.folder / "in" / BROKEN / f"{BROKEN}-t1c.nii.gz").write_bytes(b"no image")
        (self.folder / "out").mkdir()

    def artefacts(self) -> Artefacts | None:
        """Return the rules that the features ask for."""
        small = {"kind": "remove-small", "label": "NETC", "becomes": "background", "min_voxels": 4}
        sure = {"kind": "drop-doubtful", "label": "ET", "becomes": "background"}
        sure |= {"min_probability": 0.6}
        rows = [small] * self.has("one rule set") + [sure] * self.has("probability rules")
        rules: tuple[Rule, ...] = tuple(rule_from(row, GLI) for row in rows)
        artefacts = make_artefacts()
        if self.has("radiomic rules"):
            clusters = [replace(c, rules=(*rules, *c.rules)) for c in artefacts.clusters]
            return replace(artefacts, clusters=tuple(clusters))
        if not rules:
            return None
        clusters = [replace(cluster, rules=rules) for cluster in artefacts.clusters]
        fallback = replace(artefacts.fallback, rules=rules)
        return replace(artefacts, clusters=tuple(clusters), fallback=fallback)

    def words(self) -> list[str]:
        """Return the command line."""
        words = ["serve"] if self.has("serve") else []
        for name in ("input", "output", "weights"):
            words += [
                f"--{name}",
                str(self.folder / {"input": "in", "output": "out"}.get(name, name)),
            ]
        words += ["--device", "cpu", "--backend", "torch"]
        words += ["--time-limit", "1e-9"] if self.has("time limit") else []
        words += ["--strict"] if self.has("strict") else []
        words += ["--record", str(self.folder / "record.json")] if self.has("record") else []
        return words

    def run(self) -> int:
        """Run the program; as a server, load and do one call."""
        if not self.has("serve"):
            return inference.main(self.words())
        set_up_process()
        try:
            inference.Session(parse(self.words())).open_for_calls()()
        except WorkError:
            return 1
        return 0

    def labels_by_hand(self, id: str) -> np.ndarray:
        """Return the labels (x, y, z) that reading, predicting and refining give one by one."""
        model = verify_model(self.folder / "weights" / self.model / "MANIFEST.json")
        (files_of,) = [case for case in find_cases(self.folder / "in").cases if case.id == id]
        case = read_case(with_sequences(files_of, GLI.sequences))
        *_, prediction = predict(case, model, Engine(torch.device("cpu"), "torch"))
        rules = load_artefacts(model.folder, model.scheme)
        refined = refine(case, prediction.probabilities, model.head, rules, prediction.votes)
        return restrict(refined.labels, model.scheme, GLI).transpose(2, 1, 0)


@pytest.mark.parametrize("features", [*combinations(FEATURES, 2)], ids=" and ".join)
def test_two_features_work_together(
    tmp_path: Path, packed: Path, features: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    setting = Setting(tmp_path, features)
    setting.prepare(packed)
    assert setting.run() == (1 if setting.has("strict") else 0)
    outputs = {path.name.removesuffix(".nii.gz"): path for path in (tmp_path / "out").iterdir()}
    assert set(outputs) == {WHOLE, LACKING}
    out = capfd.readouterr().out
    for id, path in outputs.items():
        scan = tmp_path / "in" / id / f"{id}-t1c.nii.gz"
        assert declared_geometry(path) == declared_geometry(scan)
        labels = np.asarray(nibabel.load(path).dataobj)
        if setting.has("time limit"):
            assert not labels.any()
            assert f"case={id} deadline: skipped 2 of 2 members" in out
        else:
            np.testing.assert_array_equal(labels, setting.labels_by_hand(id))
            assert labels.any()
    assert ("without t2w, less certain" in out) == setting.has("missing sequences")
    assert "Traceback" not in out
    if setting.has("record"):
        cases = json.loads((tmp_path / "record.json").read_text())["cases"]
        assert set(cases) == {WHOLE, LACKING} | ({BROKEN} if setting.has("strict") else set())
        assert cases[WHOLE]["model"] == setting.model
        assert cases[LACKING]["missing_sequences"] == (
            ["t2w"] if setting.has("missing sequences") else []
        )
        postprocessing = cases[WHOLE]["postprocessing"]
        assert (postprocessing["cluster"] in (0, 1)) == setting.has("radiomic rules")
        assert postprocessing.get("one_rule_set", False) == (
            setting.has("one rule set") or setting.has("probability rules")
        )


def test_rules_change_labels_where_they_are_on(tmp_path: Path, packed: Path) -> None:
    """Or the pairs above would agree on nothing."""
    volumes = {}
    for feature in ("record", "probability rules", "one rule set"):
        setting = Setting(tmp_path / feature, ("record", feature))
        setting.folder.mkdir()
        setting.prepare(packed)
        assert setting.run() == 0
        record = json.loads((setting.folder / "record.json").read_text())
        volumes[feature] = record["cases"][WHOLE]["volumes_mm3"]
    assert volumes["probability rules"]["ET"] < volumes["record"]["ET"]
