"""Run a recipe's tasks here: trainings side by side on the devices, everything else in between."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.json_files import read_json
from lab.progress import duration
from lab.training.recipe import RecipeError
from lab.training.tasks import NNUNET_FOLDERS, RunFolder, Task

POLL_S = 0.2
# What makes trainings quick on a CPU: compiling costs minutes, one process augments, memory
# is not given back to the system (a third of nnU-Net's time goes into page faults).
ON_CPU = {
    "nnUNet_compile": "0",
    "nnUNet_n_proc_DA": "1",
    "nnUNet_def_n_proc": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "1099511627776",
}


@dataclass
class Running:
    """A task whose process runs."""

    task: Task
    process: subprocess.Popen[bytes]
    device: str
    started_s: float  # of the monotonic clock


@dataclass
class Runner:
    """Tasks and devices; each task has a log, each finished one a file that says so."""

    folder: RunFolder
    tasks: Sequence[Task]
    devices: Sequence[str]  # cuda:0, cuda:1, ..., or cpu as often as trainings may run at once
    petaflop: Mapping[str, float] = field(default_factory=dict)  # of trainings, for the time left

    def __post_init__(self) -> None:
        """Nothing has failed yet."""
        self.failed: set[str] = set()
        self._spent: dict[str, float] = {}

    def run(self) -> Iterator[str]:
        """Do what can be done, and yield a line for each start and end.

        A task that fails stops what waits for it, and nothing else.
        """
        for name in ("done", "logs", *NNUNET_FOLDERS):
            (self.folder.path / name).mkdir(parents=True, exist_ok=True)
        done = {task.name for task in self.tasks if self._is_done(task)}
        if done:
            yield f"{len(done)} of {len(self.tasks)} tasks are finished already"
        running: list[Running] = []
        try:
            while running or self._ready(done, running):
                yield from self._start_all(done, running)
                time.sleep(POLL_S)
                for each in [each for each in running if each.process.poll() is not None]:
                    running.remove(each)
                    yield self._end(each, done)
        finally:  # whoever interrupts this process means the tasks too
            for each in running:
                each.process.terminate()
            for each in running:
                each.process.wait()
        left = [task.name for task in self.tasks if task.name not in done | self.failed]
        if left:
            yield f"not run, because a task before them failed: {', '.join(left)}"

    def _start_all(self, done: set[str], running: list[Running]) -> Iterator[str]:
        for task in self._ready(done, running):
            device = self._free(task, running)
            if device is not None:
                running.append(self._start(task, device))
                yield f"start   {task.name}{f' on {device}' if task.trains else ''}"

    def _ready(self, done: set[str], running: Sequence[Running]) -> list[Task]:
        busy = {each.task.name for each in running} | done | self.failed
        return [t for t in self.tasks if t.name not in busy and set(t.after) <= done]

    def _free(self, task: Task, running: Sequence[Running]) -> str | None:
        """Return a device that is free; what does not train runs one at a time on none."""
        if not task.trains:
            return None if any(not each.task.trains for each in running) else ""
        taken = [each.device for each in running if each.task.trains]
        for device in self.devices:
            if device in taken:
                taken.remove(device)
            else:
                return device
        return None

    def _start(self, task: Task, device: str) -> Running:
        environment = {**os.environ, **self.folder.environment}
        if "cpu" in self.devices:  # the cores are shared among those that train at once
            threads = max(1, (os.cpu_count() or 1) // len(self.devices))
            environment |= {**ON_CPU, "OMP_NUM_THREADS": str(threads)}
        words = list(task.words)
        if task.trains:
            kind, _, number = device.partition(":")
            words += ["--device", kind]
            if number:
                environment["CUDA_VISIBLE_DEVICES"] = number
        with self._log(task).open("ab") as log:
            process = subprocess.Popen(
                words,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        return Running(task, process, device, time.monotonic())

    def _end(self, each: Running, done: set[str]) -> str:
        task, seconds = each.task, time.monotonic() - each.started_s
        if each.process.returncode:
            self.failed.add(task.name)
            lines = self._log(task).read_text(encoding="utf-8", errors="replace").splitlines()
            last = next((line for line in reversed(lines) if line.strip()), "no output")
            return f"FAILED  {task.name} after {duration(seconds)}: {last} ({self._log(task)})"
        done.add(task.name)
        self._spent[task.name] = seconds
        content = {"task": task.name, "seconds": round(seconds, 1), "command": list(task.words)}
        self._mark(task).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        left = self._left_s(done)
        estimate = f", about {duration(left)} of training left" if left else ""
        return f"done    {task.name} in {duration(seconds)}{estimate}"

    def _left_s(self, done: set[str]) -> float | None:
        """Return the seconds of training left, at the pace so far, over all devices."""
        trained = [name for name in self._spent if self.petaflop.get(name)]
        if not trained:
            return None
        seconds = sum(self._spent[name] for name in trained)
        pace = seconds / sum(self.petaflop[name] for name in trained)
        left = sum(petaflop for name, petaflop in self.petaflop.items() if name not in done)
        return pace * left / len(self.devices)

    def _is_done(self, task: Task) -> bool:
        """Return whether an earlier run finished a task.

        Raises:
            RecipeError: it did, by another command: the recipe was changed.
        """
        mark = self._mark(task)
        if not mark.exists():
            return False
        before = [str(word) for word in read_json(mark).get("command", [])][1:]
        if before != list(map(str, task.words[1:])):
            words = next((b for a, b in zip(task.words[1:], before, strict=False) if a != b), "")
            raise RecipeError(
                f"{mark}: {task.name} was finished by another command (it had {words!r}); use "
                "another --work, or remove this file and what the task made"
            )
        return True

    def _mark(self, task: Task) -> Path:
        return self.folder.path / "done" / f"{task.name.replace(' ', '-')}.json"

    def _log(self, task: Task) -> Path:
        return self.folder.path / "logs" / f"{task.name.replace(' ', '-')}.log"
