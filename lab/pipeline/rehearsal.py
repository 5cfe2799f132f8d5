"""Cases of a cohort through the program, as the platform hands them out and in a new process.

`python -m lab.pipeline.rehearsal --cohort DIR --model weights/NAME --cases 2 --out DIR`. The output
is checked as `lab check` checks it.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from ensemble.manifest import MANIFEST, scheme_of
from lab.data.cohort import CohortCase, read_cohort

ROOT = Path(__file__).resolve().parents[2]


class RehearsalError(Refusal):
    """The program failed on a case, or what it wrote is not what the platform takes."""


@dataclass(frozen=True)
class Folders:
    """Where a platform's program reads and writes."""

    input: Path
    output: Path


def main(argv: list[str]) -> int:
    """Rehearse, and print one line."""
    parser = argparse.ArgumentParser(prog="python -m lab.pipeline.rehearsal")
    add = parser.add_argument
    add("--cohort", type=Path, required=True)
    add("--model", type=Path, required=True)
    add("--cases", type=int, default=2)
    add("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    scheme = scheme_of(args.model / MANIFEST)
    cases = read_cohort(args.cohort, scheme)[: args.cases]
    try:
        print(rehearse(cases, args.model, scheme, args.out))
    except Refusal as error:
        print(error)
        return 1
    return 0


def rehearse(cases: Sequence[CohortCase], model: Path, scheme: Scheme, out: Path) -> str:
    """Run cases as the challenge's platform does; return in one line how it went.

    Raises:
        RehearsalError: the program ended with another code than 0, or `lab check` found faults.
    """
    started, platform = time.monotonic(), "grand-challenge" if scheme.socket else "brats"
    for folders in lay_out(cases, scheme, out):
        folders.output.mkdir(parents=True)
        paths = ("--input", folders.input, "--output", folders.output)
        _call("inference.py", *paths, "--weights", model.parent)
        _call("-m", "lab", "check", "--platform", platform, *paths, "--scheme", scheme.name)
    return (
        f"{len(cases)} cases as on {platform} in {time.monotonic() - started:.0f} s: exit code 0, "
        "output as the platform takes it"
    )


def lay_out(cases: Sequence[CohortCase], scheme: Scheme, out: Path) -> list[Folders]:
    """Write the cases' images as the challenge hands them to a container.

    Returns:
        One pair of folders for all cases of a BraTS folder, or one a case of a socket.
    """
    if scheme.socket is None:
        for case in cases:
            for sequence, path in case.files.images.items():
                name = f"{case.files.id}-{sequence}{scheme.file_ending}"
                _convert(path, out / "input" / case.files.id / name)
        return [Folders(out / "input", out / "output")]
    folders = []
    for case in cases:
        home = Folders(out / case.files.id / "input", out / case.files.id / "output")
        (path,) = case.files.images.values()
        _convert(path, home.input / scheme.socket.folder / f"{case.files.id}{scheme.file_ending}")
        folders.append(home)
    return folders


def _convert(source: Path, target: Path) -> None:
    import SimpleITK

    target.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(source)), str(target), useCompression=True)


def _call(*words: object) -> None:
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines() or ["no output"]
        raise RehearsalError(f"{' '.join(command[1:])}: exit code {done.returncode}: {lines[-1]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
