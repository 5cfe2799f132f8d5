"""A model and its cases, laid out for stock nnU-Net and for this program, and what a run takes."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from challenge.case import read_volume
from challenge.scheme import Scheme

ROOT = Path(__file__).resolve().parents[2]
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "1099511627776"}
STOCK = """
import sys, torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
folder, folds, mirroring, device, source, target = sys.argv[1:]
predictor = nnUNetPredictor(tile_step_size=0.5, use_mirroring=mirroring == "on",
    perform_everything_on_device=device == "cuda", device=torch.device(device), allow_tqdm=False)
predictor.initialize_from_trained_model_folder(
    folder, tuple(map(int, folds.split(","))), "checkpoint_final.pth")
predictor.predict_from_files_sequential(source, target, overwrite=True)
"""


@dataclass(frozen=True)
class Run:
    """What a process took."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    stages_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A model and its cases, laid out for both programs."""

    work: Path
    scheme: Scheme
    trained: Path  # nnU-Net's model folder
    weights: Path  # the same, packed
    device: str

    @property
    def is_brats(self) -> bool:
        """Return whether the cases are a BraTS folder, not one PANTHER case."""
        return len(self.scheme.sequences) > 1

    def stock(
        self, folds: int, mirroring: bool, cases: int, environment: Mapping[str, str]
    ) -> Run:  # fmt: skip
        """Run stock nnU-Net on the first cases."""
        source, target = _emptied(self.work / "stock-in"), _emptied(self.work / "stock-out")
        for id in self._ids(cases):
            for i, scan in enumerate(self._scans(id)):
                (source / f"{id}_{i:04d}{self._ending}").symlink_to(scan)
        words = [str(self.trained), ",".join(map(str, range(folds))), "on" if mirroring else "off",
                 self.device, str(source), str(target)]  # fmt: skip
        return measured([sys.executable, "-c", STOCK, *words], environment)

    def podium(
        self, folds: int, mirroring: bool, cases: int, backend: str = "auto"
    ) -> Run:  # fmt: skip
        """Run this program on the first cases."""
        source, target = _emptied(self.work / "in"), _emptied(self.work / "out")
        for id in self._ids(cases):
            place = source if self.is_brats else source / "images" / "abdominal-t1-mri"
            place.mkdir(parents=True, exist_ok=True)
            scans = [self.work / "cases" / id] if self.is_brats else self._scans(id)
            for scan in scans:
                (place / scan.name).symlink_to(scan)
        record = self.work / "record.json"
        command = [sys.executable, str(ROOT / "inference.py"), "--input", str(source), "--output",
                   str(target), "--weights", str(self._of(folds, mirroring)), "--device",
                   self.device, "--backend", backend, "--record", str(record)]  # fmt: skip
        run = measured(command, TUNED)
        stages = json.loads(record.read_text(encoding="utf-8"))["seconds"]
        return Run(run.wall_s, run.cpu_s, run.peak_mib, stages)

    def agreement(self, cases: int) -> tuple[float, dict[str, float]]:
        """Compare both programs' last answers: share of equal voxels, and each region's Dice."""
        regions = self.scheme.regions if self.is_brats else {self.scheme.tumour: ()}
        equal, sums = 0.0, {region: np.zeros(2) for region in regions}
        for id in self._ids(cases):
            place = self.work / "out"
            if not self.is_brats:
                place = place / "images" / "pancreatic-tumor-segmentation"
            ours, stock = (
                read_volume(folder / f"{id}{self._ending}", np.uint8).array
                for folder in (place, self.work / "stock-out")
            )
            for region, both in sums.items():
                a, b = self.scheme.mask(ours, region), self.scheme.mask(stock, region)
                both += (2 * int((a & b).sum()), int(a.sum()) + int(b.sum()))
            written = [self.scheme.labels[name] for name in self.scheme.written]
            equal += float((ours == np.where(np.isin(stock, written), stock, 0)).mean()) / cases
        return equal, {r: float(two / n) if n else 1.0 for r, (two, n) in sums.items()}

    @property
    def _ending(self) -> str:
        return ".nii.gz" if self.is_brats else ".mha"

    def _ids(self, cases: int) -> list[str]:
        return sorted(path.name for path in (self.work / "cases").iterdir())[:cases]

    def _scans(self, id: str) -> list[Path]:
        home = self.work / "cases" / id
        if not self.is_brats:
            return [home / f"{id}.mha"]
        return [home / f"{id}-{sequence}.nii.gz" for sequence in self.scheme.sequences]

    def _of(self, folds: int, mirroring: bool) -> Path:
        """Return the packed model, its manifest rewritten for the wanted folds."""
        manifest = self.weights / "MANIFEST.json"
        whole = self.weights / "whole.json"
        if not whole.exists():
            shutil.copy(manifest, whole)
        content = json.loads(whole.read_text(encoding="utf-8"))
        content["settings"]["mirroring"] = mirroring
        content["members"] = content["members"][:folds]
        manifest.write_text(json.dumps(content), encoding="utf-8")
        return self.weights


def measured(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    """Run a process to its end.

    Raises:
        RuntimeError: it failed; the message holds the end of what it said.
    """
    own = {k: v for k, v in os.environ.items() if k not in TUNED}
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=own | dict(environment), stdout=said, stderr=said, cwd=ROOT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(said.read()[-2000:].decode(errors="replace"))
    return Run(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
