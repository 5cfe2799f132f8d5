"""Little memory, little shared memory, one core, a full disk, a long folder, a shared output."""

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lab.progress import progress
from lab.stress.bad_inputs import compare, read
from lab.stress.kills import IDS
from lab.stress.program import QUIET, ProcessResult, command, run
from lab.training.random_networks import write_heads

WHOLE = ("BraTS-GLI-00009-100",)
BESIDE_NETWORKS = 20  # cases until the first ones' caches are warm
SLOPE_MIB = 1.0


class CannotMountError(RuntimeError):
    """This process may not mount file systems."""


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Mount a small file system in memory.

    Raises:
        CannotMountError: not root, or a container without that capability.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotMountError(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def tables(work: Path, weights: Path, cases: int) -> Iterator[str]:
    """Yield the lines of the table."""
    write_heads(work / "small", IDS, (40, 44, 42), (30, 34, 32))
    write_heads(work / "whole", WHOLE, (182, 218, 182), (148, 178, 142))
    yield "| limit | outcome | s | peak GiB | |"
    yield "| --- | --- | --- | --- | --- |"
    for name, check in progress(CHECKS.items(), len(CHECKS), "limit", "limits"):
        try:
            yield f"| {name} | {check(work, weights)} |"
        except CannotMountError as error:
            yield f"| {name} | not run: {error} | | | |"
    yield f"| {cases} cases in a row | {long_folder(work, weights, cases)} |"


def little_memory(work: Path, weights: Path) -> str:
    """A whole brain in 6 GiB, by RLIMIT_DATA as grand-challenge limits it."""
    target = _emptied(work / "out")
    return _written(run(command(work / "whole", target, weights), 600, 6.0), target, WHOLE)


def little_shared_memory(work: Path, weights: Path) -> str:
    """The same with 1 MiB of /dev/shm, in another mount namespace."""
    target = _emptied(work / "out")
    small = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", small, "sh"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        raise CannotMountError("unshare --mount is not allowed")
    return _written(run([*words, *command(work / "whole", target, weights)], 600), target, WHOLE)


def one_core(work: Path, weights: Path) -> str:
    """The same on one core."""
    target, core = _emptied(work / "out"), min(os.sched_getaffinity(0))
    words = ["taskset", "--cpu-list", str(core), *command(work / "whole", target, weights)]
    return _written(run(words, 600, environment={}), target, WHOLE)


def disk_full(work: Path, weights: Path) -> str:
    """An output of 8 KiB: no label file, or whole ones."""
    with mounted(work / "full", "8k") as target:
        result = run(command(work / "small", target, weights), 300)
        left = [read(path)[0].shape for path in target.rglob("*") if path.is_file()]
        return _refused(result, "No space left on device", f"{len(left)} whole files, no other")


def read_only_midway(work: Path, weights: Path) -> str:
    """An output that can no longer be written after the first file."""
    with mounted(work / "turning", "8m") as target, ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, command(work / "small", target, weights), 300)
        while not list(target.glob("*.nii.gz")) and not running.done():
            time.sleep(0.005)
        done = subprocess.run(
            ["mount", "-o", "remount,ro", str(target)], capture_output=True, text=True, check=False
        )
        result = running.result()
        if done.returncode:
            raise CannotMountError(done.stderr.strip())
        left = [read(path)[0].shape for path in target.rglob("*") if path.is_file()]
        return _refused(result, "Read-only file system", f"{len(left)} whole files, no other")


def two_at_once(work: Path, weights: Path) -> str:
    """Two programs on one output folder."""
    single, target = _emptied(work / "alone"), _emptied(work / "out")
    run(command(work / "small", single, weights), 300)
    expected = {path.name: read(path) for path in single.iterdir()}
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: run(command(work / "small", target, weights), 300), "ab"))
    deviations = [
        *compare(target, expected),
        *(result.last_line for result in both if result.exit_code),
    ]
    outcome = (
        f"FAULT {deviations[0]}" if deviations else f"{len(expected)} of {len(IDS)} whole, as alone"
    )
    return f"{outcome} | {both[0].wall_s:.1f} | {both[0].peak_gib:.2f} | exit codes 0, 0"


def long_folder(work: Path, weights: Path, cases: int) -> str:
    """Watch the memory of a run over many cases; each is the same three files by links."""
    source, target = _emptied(work / "many"), _emptied(work / "out")
    ids = [f"BraTS-GLI-{number:05d}-100" for number in range(cases)]
    for number, id in enumerate(ids):
        like = IDS[number % len(IDS)]
        (source / id).mkdir()
        for scan in (work / "small" / like).iterdir():
            (source / id / scan.name.replace(like, id)).symlink_to(scan)
    process = subprocess.Popen(
        command(source, target, weights), stdout=subprocess.DEVNULL, env=os.environ | QUIET
    )
    memory: list[tuple[int, float]] = []
    started = time.monotonic()
    while process.poll() is None:
        done = sum(1 for _ in target.iterdir())
        if done > (memory[-1][0] if memory else BESIDE_NETWORKS):
            memory.append((done, _resident_mib(process.pid)))
        time.sleep(0.05)
    numbers, mib = zip(*memory, strict=True) if memory else ((), ())
    slope = float(np.polyfit(numbers, mib, 1)[0]) if len(memory) > 2 else float("nan")
    written = sum(1 for _ in target.iterdir())
    passed = slope < SLOPE_MIB and written == cases and process.returncode == 0
    return (
        f"{'' if passed else 'FAULT '}{written} of {cases} written, exit code {process.returncode} "
        f"| {time.monotonic() - started:.0f} | {max(mib, default=0) / 1024:.2f} "
        f"| {slope:+.3f} MiB a case"
    )


def _resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):  # the process ended meanwhile
        return 0.0
    return pages * resource.getpagesize() / 2**20


def _written(result: ProcessResult, target: Path, ids: tuple[str, ...]) -> str:
    written = sorted(path.name for path in target.iterdir())
    passed = result.exit_code == 0 and written == sorted(f"{id}.nii.gz" for id in ids)
    outcome = "written" if passed else f"FAULT exit code {result.exit_code}, {result.last_line}"
    return f"{outcome} | {result.wall_s:.1f} | {result.peak_gib:.2f} |"


def _refused(result: ProcessResult, reason: str, left: str) -> str:
    passed = (
        result.exit_code == 1 and reason in result.last_line and "Traceback" not in result.stderr
    )
    outcome = (
        f"exit code 1, reports: {reason}"
        if passed
        else f"FAULT {result.exit_code}, {result.last_line}"
    )
    return f"{outcome} | {result.wall_s:.1f} | {result.peak_gib:.2f} | {left}"


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


CHECKS = {
    "6 GiB, a whole brain": little_memory,
    "/dev/shm of 1 MiB, a whole brain": little_shared_memory,
    "one core, a whole brain": one_core,
    "disk full": disk_full,
    "output read-only after the first file": read_only_midway,
    "two programs on one output": two_at_once,
}
