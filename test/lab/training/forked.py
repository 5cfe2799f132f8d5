"""`python forked.py RECIPE.sh WORK`: a recipe in miniature, each task in a fork of this process.

As `python -m lab train RECIPE.sh --work WORK --miniature --devices cpu,cpu`, but that torch and
nnU-Net are imported and the brain atlas is read once, and that no task starts processes which
would do so again: cases run one after another, and nnU-Net augments in the process that trains.
"""

import importlib
import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import joblib

from lab.__main__ import main as lab
from lab.phantom.population import Population
from lab.training import runner
from lab.training.miniature import miniature
from lab.training.read_recipe import read_recipe
from lab.training.tasks import RunFolder

IMPORTED = (
    "inference",
    "ensemble.predict",
    "lab.data.prepare",
    "lab.member_selection.select",
    "lab.packing.pack",
    "lab.phantom.cohort",
    "lab.training.fold",
    "lab.training.preprocess",
    "nnunetv2.training.nnUNetTrainer.nnUNetTrainer",
)
FORK = multiprocessing.get_context("fork")


class Fork:
    """What `subprocess.Popen` is to the runner, for `python -m MODULE ...`."""

    def __init__(
        self, words: Sequence[str], stdout: IO[bytes], env: Mapping[str, str], **_: object
    ) -> None:
        assert tuple(words[:2]) == (sys.executable, "-m")
        self.process = FORK.Process(target=run_module, args=(words[2:], dict(env), stdout.fileno()))
        self.process.start()

    def poll(self) -> int | None:
        """Return the exit status once there is one."""
        return self.process.exitcode

    @property
    def returncode(self) -> int | None:
        """The exit status once there is one."""
        return self.process.exitcode


def run_module(words: Sequence[str], env: Mapping[str, str], log: int) -> None:
    """Be `python -m MODULE ...`."""
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(env)
    if words[0] == "lab.training.fold":  # nnU-Net's planner takes no 0
        os.environ |= {"nnUNet_n_proc_DA": "0"}
    sys.argv = list(words)
    if "--jobs" in words:
        sys.argv[words.index("--jobs") + 1] = "1"
    try:
        with joblib.parallel_config(backend="sequential"):
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    finally:  # joblib's workers would be waited for: five minutes, until they have idled enough
        for child in multiprocessing.active_children():
            child.terminate()


def draw_no_plots() -> None:
    """Let nnU-Net draw no progress.png after every epoch, which is half of a tiny fold's time."""
    from nnunetv2.training.logging.nnunet_logger import MetaLogger

    MetaLogger.plot_progress_png = lambda self, output_folder: None


def sample_few_voxels() -> None:
    """Let nnU-Net's fingerprint sample about as many voxels as tiny scans have, not 10^8."""
    from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor

    extractor = fingerprint_extractor.DatasetFingerprintExtractor
    whole = extractor.__init__

    def few(self: Any, *words: Any, **options: Any) -> None:
        whole(self, *words, **options)
        self.num_foreground_voxels_for_intensitystats = 1e5

    extractor.__init__ = few  # type: ignore[method-assign]


def main(recipe: str, work: str) -> int:
    """Import all that the tasks do, and follow the recipe."""
    os.environ |= {**RunFolder(Path(work)).environment, **runner.ON_CPU}
    for name in IMPORTED:  # nnU-Net reads its folders when it is imported
        importlib.import_module(name)
    draw_no_plots()
    sample_few_voxels()
    for cohort in miniature(read_recipe(Path(recipe))).cohorts.values():
        assert cohort.phantom is not None
        Population(cohort.phantom.kind, 0).read_atlas()
    multiprocessing.get_context = lambda method=None: FORK  # type: ignore[assignment]
    runner.subprocess = SimpleNamespace(**vars(runner.subprocess) | {"Popen": Fork})  # type: ignore[assignment]
    return lab(["train", recipe, "--work", work, "--miniature", "--devices", "cpu,cpu"])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
