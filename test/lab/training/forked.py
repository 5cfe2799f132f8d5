"""`python forked.py RECIPE.sh WORK`: a recipe in miniature, each of its tasks in a fork of this process.

As `python -m lab train RECIPE.sh --work WORK --miniature --devices cpu,cpu`, but that torch and
nnU-Net are imported once and not by each of the tasks and of the processes that they start.
"""

import importlib
import multiprocessing
import os
import runpy
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from lab.__main__ import main as lab
from lab.training import runner
from lab.training.tasks import Place

IMPORTED = (
    "lab.training.fold", "lab.training.preprocess", "lab.packing.pack", "lab.data.prepare",
    "lab.phantom.cohort", "lab.member_selection.select", "inference", "ensemble.predict",
    "nnunetv2.training.nnUNetTrainer.nnUNetTrainer",
)  # fmt: skip


class Fork:
    """What `subprocess.Popen` is to the runner: `python -m MODULE ...`, without starting Python."""

    returncode: int | None = None

    def __init__(
        self, words: Sequence[str], stdout: IO[bytes], env: Mapping[str, str], **_: object
    ) -> None:
        assert words[:2] == (sys.executable, "-m") or list(words[:2]) == [sys.executable, "-m"]
        self.pid = os.fork()
        if self.pid:
            return
        os.dup2(stdout.fileno(), 1)
        os.dup2(stdout.fileno(), 2)
        os._exit(self._run(words[2:], env))

    @staticmethod
    def _run(words: Sequence[str], env: Mapping[str, str]) -> int:
        os.environ.update(env)
        sys.argv = list(words)
        code: object = 0
        try:
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        return code if isinstance(code, int) else int(code is not None)

    def poll(self) -> int | None:
        """Return the exit status once there is one."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def sample_few_voxels() -> None:
    """Let nnU-Net's fingerprint sample as many voxels as tiny scans have, not a hundred million."""
    from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor

    extractor = fingerprint_extractor.DatasetFingerprintExtractor
    whole = extractor.__init__

    def few(self: Any, *words: Any, **more: Any) -> None:
        whole(self, *words, **more)
        self.num_foreground_voxels_for_intensitystats = 1e5

    extractor.__init__ = few  # type: ignore[method-assign]


def main(recipe: str, work: str) -> int:
    """Import all that the tasks do, and follow the recipe."""
    os.environ |= {**Place(Path(work)).environment, **runner.ON_CPU}
    for name in IMPORTED:  # nnU-Net reads its folders when it is imported
        importlib.import_module(name)
    sample_few_voxels()
    context = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda method=None: context  # type: ignore[assignment]
    runner.subprocess = SimpleNamespace(**vars(runner.subprocess) | {"Popen": Fork})  # type: ignore[assignment]
    return lab(["train", recipe, "--work", work, "--miniature", "--devices", "cpu,cpu"])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
