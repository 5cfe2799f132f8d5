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

from lab.stress.bad_inputs import compare, read
from lab.stress.kills import IDS
from lab.stress.program import QUIET, Ended, command, run
from lab.training.random_networks import write_heads

WHOLE = ("BraTS-GLI-00009-100",)
BESIDE_NETWORKS = 20  # cases until the first ones' caches are warm
SLOPE_MIB = 1.0


class CannotMountError(RuntimeError):
    """This process may not mount file systems."""


@contextmanager
def mounted(place: Path, size: str) -> Iterator[Path]:
    """Mount a small file system in memory.

    Raises:
        CannotMountError: not root, or a container without that capability.
    """
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", str(place)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CannotMountError(done.stderr.strip())
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def tables(work: Path, weights: Path, cases: int) -> Iterator[str]:
    """Yield the lines of the table."""
    write_heads(work / "small", IDS, (40, 44, 42), (30, 34, 32))
    write_heads(work / "whole", WHOLE, (182, 218, 182), (148, 178, 142))
    yield "| limit | outcome | s | most GiB | |"
    yield "| --- | --- | --- | --- | --- |"
    for name, check in CHECKS.items():
        try:
            yield f"| {name} | {check(work, weights)} |"
        except CannotMountError as error:
            yield f"| {name} | not run: {error} | | | |"
    yield f"| {cases} cases in a row | {long_folder(work, weights, cases)} |"


def little_memory(work: Path, weights: Path) -> str:
    """A whole brain in 6 GiB, by RLIMIT_DATA as grand-challenge limits it."""
    target = _emptied(work / "out")
    return _told(run(command(work / "whole", target, weights), 600, 6.0), target, WHOLE)


def little_shared_memory(work: Path, weights: Path) -> str:
    """The same with 1 MiB of /dev/shm, in a mount namespace of its own."""
    target = _emptied(work / "out")
    small = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", small, "sh"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        raise CannotMountError("unshare --mount is not allowed")
    return _told(run([*words, *command(work / "whole", target, weights)], 600), target, WHOLE)


def one_core(work: Path, weights: Path) -> str:
    """The same on one core."""
    target, core = _emptied(work / "out"), min(os.sched_getaffinity(0))
    words = ["taskset", "--cpu-list", str(core), *command(work / "whole", target, weights)]
    return _told(run(words, 600, environment={}), target, WHOLE)


def disk_full(work: Path, weights: Path) -> str:
    """An output of 8 KiB: no label file, or whole ones."""
    with mounted(work / "full", "8k") as target:
        ended = run(command(work / "small", target, weights), 300)
        left = [read(path)[0].shape for path in target.rglob("*") if path.is_file()]
        return _refused(ended, "No space left on device", f"{len(left)} whole files, no other")


def read_only_midway(work: Path, weights: Path) -> str:
    """An output that can no longer be written after the first file."""
    with mounted(work / "turning", "8m") as target, ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, command(work / "small", target, weights), 300)
        while not list(target.glob("*.nii.gz")) and not running.done():
            time.sleep(0.005)
        done = subprocess.run(
            ["mount", "-o", "remount,ro", str(target)], capture_output=True, text=True, check=False
        )
        ended = running.result()
        if done.returncode:
            raise CannotMountError(done.stderr.strip())
        left = [read(path)[0].shape for path in target.rglob("*") if path.is_file()]
        return _refused(ended, "Read-only file system", f"{len(left)} whole files, no other")


def two_at_once(work: Path, weights: Path) -> str:
    """Two programs on one output folder."""
    alone, target = _emptied(work / "alone"), _emptied(work / "out")
    run(command(work / "small", alone, weights), 300)
    expected = {path.name: read(path) for path in alone.iterdir()}
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: run(command(work / "small", target, weights), 300), "ab"))
    faults = [*compare(target, expected), *(ended.last_line for ended in both if ended.code)]
    verdict = f"FAULT {faults[0]}" if faults else f"{len(expected)} of {len(IDS)} whole, as alone"
    return f"{verdict} | {both[0].wall_s:.1f} | {both[0].peak_gib:.2f} | exit codes 0, 0"


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
    seen: list[tuple[int, float]] = []
    began = time.monotonic()
    while process.poll() is None:
        done = sum(1 for _ in target.iterdir())
        if done > (seen[-1][0] if seen else BESIDE_NETWORKS):
            seen.append((done, _resident_mib(process.pid)))
        time.sleep(0.05)
    numbers, mib = zip(*seen, strict=True) if seen else ((), ())
    slope = float(np.polyfit(numbers, mib, 1)[0]) if len(seen) > 2 else float("nan")
    written = sum(1 for _ in target.iterdir())
    well = slope < SLOPE_MIB and written == cases and process.returncode == 0
    return (
        f"{'' if well else 'FAULT '}{written} of {cases} written, exit code {process.returncode} "
        f"| {time.monotonic() - began:.0f} | {max(mib, default=0) / 1024:.2f} "
        f"| {slope:+.3f} MiB a case"
    )


def _resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):  # it ended meanwhile
        return 0.0
    return pages * resource.getpagesize() / 2**20


def _told(ended: Ended, target: Path, ids: tuple[str, ...]) -> str:
    written = sorted(path.name for path in target.iterdir())
    well = ended.code == 0 and written == sorted(f"{id}.nii.gz" for id in ids)
    verdict = "written" if well else f"FAULT exit code {ended.code}, {ended.last_line}"
    return f"{verdict} | {ended.wall_s:.1f} | {ended.peak_gib:.2f} |"


def _refused(ended: Ended, reason: str, left: str) -> str:
    well = ended.code == 1 and reason in ended.last_line and "Traceback" not in ended.said
    verdict = f"exit code 1, told: {reason}" if well else f"FAULT {ended.code}, {ended.last_line}"
    return f"{verdict} | {ended.wall_s:.1f} | {ended.peak_gib:.2f} | {left}"


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
