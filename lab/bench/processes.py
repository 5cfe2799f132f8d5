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
from typing import Any

import numpy as np

from challenge.scheme import Scheme
from challenge.volume import read_volume
from ensemble.manifest import MANIFEST

ROOT = Path(__file__).resolve().parents[2]
INFERENCE = ROOT / "inference.py"
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "1099511627776"}
# Runs stock nnU-Net on a folder, once for each target; it writes after each what that took. nnU-Net
# imports nibabel for readers that are not used here, so a stand-in does where it is not installed.
STOCK = """
import json, sys, time, types
class Absent(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
try:
    import nibabel
except ImportError:
    for name in ("nibabel", "nibabel.orientations"):
        sys.modules[name] = Absent(name)
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
folder, folds, mirroring, device, record, source, *targets = sys.argv[1:]
predictor = nnUNetPredictor(tile_step_size=0.5, use_mirroring=mirroring == "on",
    perform_everything_on_device=device == "cuda", device=torch.device(device), allow_tqdm=False)
predictor.initialize_from_trained_model_folder(
    folder, tuple(map(int, folds.split(","))), "checkpoint_final.pth")
ends, networks_s, run = [], [], predictor.predict_logits_from_preprocessed_data
def timed(data):
    started = time.perf_counter()
    logits = run(data).cpu()
    networks_s.append(time.perf_counter() - started)
    return logits
predictor.predict_logits_from_preprocessed_data = timed
for target in targets:
    predictor.predict_from_files_sequential(source, target, overwrite=True)
    ends.append(time.time())
    peak = torch.cuda.max_memory_reserved() >> 20 if device == "cuda" else None
    with open(record, "w") as file:
        json.dump({"ends": ends, "networks_s": networks_s, "peak_memory_mib": peak}, file)
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

    def stock(self, folds: int, mirroring: bool, cases: int, environment: Mapping[str, str]) -> Run:
        """Run stock nnU-Net on the first cases."""
        return measured(self.stock_command(folds, mirroring, cases), environment)

    def stock_command(self, folds: int, mirroring: bool, cases: int, repeats: int = 1) -> list[str]:
        """Lay out the first cases for stock nnU-Net; return what runs it on them, several times.

        The process writes WORK/stock.json after each time: the clock at its end, the seconds of
        its networks, and the peak of a GPU's memory. Labels lie in WORK/stock-out.
        """
        source = empty_folder(self.work / "stock-in")
        target = empty_folder(self.work / "stock-out")
        for id in self._ids(cases):
            for i, scan in enumerate(self._scans(id)):
                (source / f"{id}_{i:04d}{self._ending}").symlink_to(scan)
        numbers = ",".join(map(str, range(folds)))
        model = [str(self.trained), numbers, "on" if mirroring else "off", self.device]
        files = [str(path) for path in (self.work / "stock.json", source, *[target] * repeats)]
        return [sys.executable, "-c", STOCK, *model, *files]

    def podium(self, folds: int, mirroring: bool, cases: int, backend: str = "auto") -> Run:
        """Run this program on the first cases."""
        run = measured(
            [
                sys.executable,
                str(INFERENCE),
                *self.podium_options(folds, mirroring, cases, backend),
            ],
            TUNED,
        )
        return Run(run.wall_s, run.cpu_s, run.peak_mib, self.record()["seconds"])

    def podium_options(
        self, folds: int, mirroring: bool, cases: int, backend: str = "auto"
    ) -> list[str]:
        """Lay out the first cases and the model for this program; return its options.

        Labels lie in WORK/out, the run record in WORK/record.json.
        """
        source, target = empty_folder(self.work / "in"), empty_folder(self.work / "out")
        for id in self._ids(cases):
            folder = source if self.is_brats else source / "images" / "abdominal-t1-mri"
            folder.mkdir(parents=True, exist_ok=True)
            scans = [self.work / "cases" / id] if self.is_brats else self._scans(id)
            for scan in scans:
                (folder / scan.name).symlink_to(scan)
        options = {
            "--input": source,
            "--output": target,
            "--weights": self._with_folds(folds, mirroring),
            "--device": self.device,
            "--backend": backend,
            "--record": self.work / "record.json",
        }
        return [str(word) for option in options.items() for word in option]

    def record(self) -> dict[str, Any]:
        """Read what the last run of this program recorded."""
        return dict(json.loads((self.work / "record.json").read_text(encoding="utf-8")))

    def label_files(self, cases: int) -> list[Path]:
        """Return where this program writes the labels of the first cases."""
        folder = self.work / "out"
        if not self.is_brats:
            folder = folder / "images" / "pancreatic-tumor-segmentation"
        return [folder / f"{id}{self._ending}" for id in self._ids(cases)]

    def first_scans(self, cases: int) -> list[Path]:
        """Return the first scan of each of the first cases."""
        return [self._scans(id)[0] for id in self._ids(cases)]

    def agreement(self, cases: int) -> tuple[float, dict[str, float]]:
        """Compare both programs' last answers: share of equal voxels, and each region's Dice."""
        regions = self.scheme.regions if self.is_brats else {self.scheme.tumour: ()}
        equal, sums = 0.0, {region: np.zeros(2) for region in regions}
        for id, file in zip(self._ids(cases), self.label_files(cases), strict=True):
            files = file, self.work / "stock-out" / f"{id}{self._ending}"
            podium, stock = (read_volume(path, np.uint8).array for path in files)
            for region, both in sums.items():
                a, b = self.scheme.mask(podium, region), self.scheme.mask(stock, region)
                both += (2 * int((a & b).sum()), int(a.sum()) + int(b.sum()))
            written = [self.scheme.labels[name] for name in self.scheme.written]
            equal += float((podium == np.where(np.isin(stock, written), stock, 0)).mean()) / cases
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

    def _with_folds(self, folds: int, mirroring: bool) -> Path:
        """Return the packed model, its manifest rewritten for the first folds."""
        manifest = self.weights / MANIFEST
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
        RuntimeError: it failed; the message holds the end of its output.
    """
    inherited = {key: value for key, value in os.environ.items() if key not in TUNED}
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=inherited | dict(environment), stdout=output, stderr=output, cwd=ROOT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(output.read()[-2000:].decode(errors="replace"))
    return Run(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def empty_folder(folder: Path) -> Path:
    """Make a folder anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def copy_networks(model: Path, target: Path) -> Path:
    """Copy a packed model as stock nnU-Net would run it; return its nnU-Net folder.

    Without rules, and without the axis order of its training: stock nnU-Net sees images as they are
    stored. Of several nnU-Net folders the first one, since stock nnU-Net runs one.
    """
    shutil.copytree(model, target)
    manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    for name in [name for name in manifest["files"] if "/" not in name]:
        del manifest["files"][name]
        (target / name).unlink()
    folder = manifest["members"][0]["folder"]
    for other in {member["folder"] for member in manifest["members"]} - {folder}:
        shutil.rmtree(target / other)
    members = [member for member in manifest["members"] if member["folder"] == folder]
    manifest["members"] = [
        {key: value for key, value in member.items() if key != "orientation"} for member in members
    ]
    manifest["files"] = {
        name: facts for name, facts in manifest["files"].items() if name.startswith(f"{folder}/")
    }
    (target / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return target / folder
