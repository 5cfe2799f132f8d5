"""Kill -9 at random moments: the files in the output are whole, and a second run does the rest."""

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lab.bench.processes import ROOT
from lab.progress import progress
from lab.stress.bad_inputs import compare, read
from lab.stress.program import command, run
from lab.training.random_networks import write_heads

IDS = tuple(f"BraTS-GLI-0000{number}-100" for number in (1, 2, 3))
# Writes the same two files in turns for ever; killed, one of them must be there whole.
WRITER = """
import sys
from pathlib import Path
from challenge.atomic_write import write_atomically
a, b = (bytes([value]) * 300_000 for value in (1, 2))
while True:
    for content in (a, b):
        write_atomically(content, Path(sys.argv[1], "labels.nii.gz"))
"""
SLOWEST_START_S = 60.0


def tables(work: Path, weights: Path, times: int) -> Iterator[str]:
    """Yield a FAULT line for each deviation, then the lines of the table."""
    rows = [*_program(work, weights, times), *_replacing(work, 4 * times)]
    yield from (row for row in rows if row.startswith("FAULT"))
    yield "| killed | times | no file yet | some | all | hidden | broken | second run wrong |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    yield from (row for row in rows if row.startswith("|"))


def _program(work: Path, weights: Path, times: int) -> Iterator[str]:
    """A run of three cases, killed at moments spread evenly over its time by chance."""
    source, target = work / "killed-in", work / "killed-out"
    write_heads(source, IDS, (40, 44, 42), (30, 34, 32))
    target.mkdir()
    words = command(source, target, weights)
    whole = run(words, 300)
    if whole.exit_code:
        raise RuntimeError(f"intact input: exit code {whole.exit_code}, {whole.last_line}")
    expected = {f"{id}.nii.gz": read(target / f"{id}.nii.gz") for id in IDS}
    rng = random.Random(0)
    counts, hidden, broken, unfinished = [0] * 4, 0, 0, 0
    for number in progress(range(times), unit="kill", description="kills"):
        shutil.rmtree(target)
        target.mkdir()
        run(words, whole.wall_s * (number + rng.random()) / times)
        names = sorted(path.name for path in target.iterdir())
        counts[len(names)] += 1
        hidden += sum(name not in expected for name in names)
        known = {name: expected[name] for name in names if name in expected}
        for deviation in compare(target, known):
            broken += 1
            yield f"FAULT kill {number}: {deviation}"
        again = run(words, 300)
        for deviation in [
            *compare(target, expected),
            *([again.last_line] if again.exit_code else []),
        ]:
            unfinished += 1
            yield f"FAULT second run after kill {number}: {deviation}"
    some = counts[1] + counts[2]
    yield (
        f"| run of 3 cases | {times} | {counts[0]} | {some} | {counts[3]} | {hidden} | {broken} "
        f"| {unfinished} |"
    )


def _replacing(work: Path, times: int) -> Iterator[str]:
    """A process that does nothing but replace one file by another."""
    target = work / "replaced"
    rng = random.Random(1)
    none, hidden, broken = 0, 0, 0
    for number in progress(range(times), unit="kill", description="kills while writing"):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(target)], cwd=ROOT)
        until = time.monotonic() + SLOWEST_START_S
        while not (target / "labels.nii.gz").exists() and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.02)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        files = list(target.iterdir())
        none += not files
        hidden += len(files) - bool(files)
        for path in files:
            content = path.read_bytes()
            if content not in (b"\1" * 300_000, b"\2" * 300_000):
                broken += 1
                yield f"FAULT replacing {number}: {path.name} has {len(content)} bytes"
    counted = f"{times} | {none} | | {times - none} | {hidden} | {broken}"
    yield f"| one file replaced by another | {counted} | |"
